package probe

import (
	"os"
	"path/filepath"
	"testing"
)

func TestADeviceThatIsNotThere(t *testing.T) {
	report := Look(filepath.Join(t.TempDir(), "kvm"))
	if report.Open != "ENOENT" || report.VM != NotTried || report.VCPU != NotTried || report.Works() {
		t.Fatalf("%+v", report)
	}
}

func TestAFileThatIsNoSuchDevice(t *testing.T) {
	for _, path := range []string{"/dev/null", filepath.Join(t.TempDir(), "file")} {
		if path != "/dev/null" {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if report := Look(path); report.Open != "ENOTTY" || report.Works() {
			t.Fatalf("%s: %+v", path, report)
		}
	}
}

func TestOnlyAMachineWithACPUIsOne(t *testing.T) {
	whole := Report{Version: Version}
	if !whole.Works() {
		t.Fatal("all steps went well")
	}
	for _, broken := range []Report{
		{Version: Version, Open: "EACCES"}, {Version: 11}, {Version: Version, VM: "ENODEV"},
		{Version: Version, VCPU: "EINVAL"},
	} {
		if broken.Works() {
			t.Fatalf("%+v", broken)
		}
	}
}
