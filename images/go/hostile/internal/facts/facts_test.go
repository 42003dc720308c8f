package facts

import (
	"os"
	"path/filepath"
	"testing"
)

const mountinfo = `28 1 0:26 / /proc rw - proc proc rw
35 34 0:35 / / rw - overlay none rw
36 35 0:36 / /dev rw - tmpfs none rw
`

func tree(t *testing.T, content map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range content {
		file := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFactsAreWhatTheFilesSay(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/self/mountinfo":            mountinfo,
		"proc/self/status":               "Name:\tx\nCapEff:\t00000000a80405fb\n",
		"proc/self/cgroup":               "0::/\n",
		"proc/version":                   "Linux version 4.4.0\n",
		"proc/sentry-meminfo":            "Alloc 1\n",
		"proc/sys/kernel/random/boot_id": "one\n",
		"proc/1/status":                  "", "proc/77/status": "", "proc/uptime": "",
	})
	if err := os.Mkdir(filepath.Join(root, "proc/self/ns"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("net:[1]", filepath.Join(root, netNamespace)); err != nil {
		t.Fatal(err)
	}
	found := Look(root, "here")
	for what, pair := range map[string][2]string{
		"tag":         {found.Tag, "here"},
		"root mount":  {found.RootMount, "35 34 0:35 / / rw - overlay none rw"},
		"CapEff":      {found.CapEff, "00000000a80405fb"},
		"version":     {found.Texts["version"].Text, "Linux version 4.4.0"},
		"boot id":     {found.Texts["boot_id"].Text, "one"},
		"namespace":   {found.Texts["net_namespace"].Text, "net:[1]"},
		"no cmdline":  {found.Texts["cmdline"].Errno, "ENOENT"},
		"meminfo":     {found.Paths["/proc/sentry-meminfo"], ""},
		"no kallsyms": {found.Paths["/proc/kallsyms"], "ENOENT"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q, not %q", what, pair[0], pair[1])
		}
	}
	if found.Processes != 2 || found.ProcessesErrno != "" || found.Release == "" {
		t.Errorf("%d processes (%s), release %q", found.Processes, found.ProcessesErrno, found.Release)
	}
	if without := Look(t.TempDir(), "here"); without.ProcessesErrno != "ENOENT" {
		t.Errorf("without /proc: %d processes (%q)", without.Processes, without.ProcessesErrno)
	}
}

func TestALogIsItsFirstAndLastLine(t *testing.T) {
	got := logOf("<6>[   0.000000] Starting gVisor...\n<6>[ 0.1] x\n<6>[   1.2] Ready!\n")
	want := Log{Lines: 3, First: "<6>[   0.000000] Starting gVisor...", Last: "<6>[   1.2] Ready!"}
	if got != want {
		t.Errorf("%+v", got)
	}
	if got := logOf("\n"); got != (Log{}) {
		t.Errorf("of nothing: %+v", got)
	}
}
