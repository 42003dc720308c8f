package attempt

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Nothing of this file is sent, traced or asked: only bytes, arguments and folders of our own.

func TestAFrameOfARPIsAsRFC826HasIt(t *testing.T) {
	own := net.HardwareAddr{2, 0, 0, 0, 0, 7}
	claimed, gateway := netip.MustParseAddr("10.42.2.9"), netip.MustParseAddr("10.42.2.1")
	for want, frame := range map[string][]byte{
		"ffffffffffff" + "020000000007" + "0806" + "0001" + "0800" + "06" + "04" + "0001" +
			"020000000007" + "0a2a0209" + "000000000000" + "0a2a0201": arpFrame(own, arpRequest, claimed, noMAC, gateway),
		"ffffffffffff" + "020000000007" + "0806" + "0001" + "0800" + "06" + "04" + "0002" +
			"020000000007" + "0a2a0209" + "ffffffffffff" + "0a2a0209": arpFrame(own, arpReply, claimed, everyone, claimed),
	} {
		if got := hex.EncodeToString(frame); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}

func TestADatagramHasTheNeighboursAddressAndTheMark(t *testing.T) {
	packet := datagram(netip.MustParseAddr("10.42.2.9"), netip.MustParseAddrPort("10.77.0.11:9999"), 0xdeadbeef)
	want := "45000020" + "00000000" + "4011" + "%04x" + "0a2a0209" + "0a4d000b" +
		"0009" + "270f" + "000c" + "0000" + "deadbeef"
	sum := int(packet[10])<<8 | int(packet[11])
	if got := hex.EncodeToString(packet); got != fmt.Sprintf(want, sum) {
		t.Errorf("%s, not %s", got, want)
	}
	// A header with its checksum sums up to nothing (RFC 1071).
	if checksum(packet[:20]) != 0 {
		t.Errorf("the checksum is %04x", sum)
	}
}

func TestAddressesAndMarksAreCheckedBeforeAnythingIsSent(t *testing.T) {
	for _, pair := range [][2]string{{"", "10.0.0.1"}, {"10.0.0.1", "x"}, {"::1", "10.0.0.1"}} {
		if _, _, err := addresses(pair[0], pair[1]); err == nil {
			t.Errorf("%v is taken", pair)
		}
	}
	if mark, err := parseMark("00beef01"); err != nil || mark != 0xbeef01 {
		t.Errorf("%x: %v", mark, err)
	}
	for _, text := range []string{"", "beef", "xxxxxxxx", "00beef012"} {
		if _, err := parseMark(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// procOf is a folder as /proc is, with these command lines.
func procOf(t *testing.T, lines map[string]string) string {
	t.Helper()
	proc := t.TempDir()
	for name, line := range lines {
		if err := os.MkdirAll(filepath.Join(proc, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, name, "cmdline"), []byte(line), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return proc
}

func TestAProcessIsFoundByTheTagThatItWasGiven(t *testing.T) {
	seeker := "/edge-hostile\x00attempts\x00--process\x00n=facts-a\x00"
	one := Process{Name: "n", Tag: "facts-a"}
	proc := procOf(t, map[string]string{
		"1": "/edge-hostile\x00facts\x00--tag\x00facts-b\x00", "12": seeker, "self": seeker, "7": "",
	})
	if _, err := one.find(proc); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("found, or lost: %v", err)
	}
	proc = procOf(t, map[string]string{
		"12": seeker, "40": "/edge-hostile\x00facts\x00--tag\x00facts-a\x00--hold\x00",
	})
	if pid, err := one.find(proc); err != nil || pid != 40 {
		t.Errorf("%d: %v", pid, err)
	}
}

func TestAProcThatShowsNothingIsNoAnswer(t *testing.T) {
	one := Process{Tag: "x"}
	proc := procOf(t, map[string]string{"self": ""})
	for place, want := range map[string]Result{
		proc:                          {Ended: Silent},
		filepath.Join(proc, "absent"): {Ended: Answered, Errno: "ENOENT"},
	} {
		got := Attempt{Do: func() (string, error) { _, err := one.find(place); return "", err }}.Try()
		if got.Ended != want.Ended || got.Reached || got.Errno != want.Errno {
			t.Errorf("%+v, not %+v", got, want)
		}
	}
}

func TestAProgramBeginsWhereItsFirstMappingDoes(t *testing.T) {
	if got := ownStart("00400000-00500000 r-xp 00000000 fe:01 5 /edge-hostile\n"); got != 0x400000 {
		t.Errorf("%#x", got)
	}
	if got := ownStart(""); got != firstPage {
		t.Errorf("%#x", got)
	}
}

// -- tokens and keys: none is a real one -----------------------------------------------------

const neighbour = "system:serviceaccount:lab:neighbour"

func tokenFor(subject string) string {
	claims := base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf(`{"sub":%q}`, subject)))
	return "e30." + claims + ".c2ln"
}

func TestATokenIsReachedIfItIsTheOtherPods(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	for text, reached := range map[string]bool{
		tokenFor(neighbour) + "\n": true, tokenFor("system:serviceaccount:lab:default"): false,
		"": false, "a.b": false, "e30.!.x": false, "e30.e30.x": false, "e30.W10.x": false,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := Attempt{Do: func() (string, error) { return "", tokenOf(file, neighbour) }}.Try()
		if got.Reached != reached || got.Ended != Answered {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestTheTokenOfAPodIsFoundInTheFolderOfAKubelet(t *testing.T) {
	kubelet := Kubelet{Path: t.TempDir(), Pod: "uid", Subject: neighbour}
	try := func() Result { return Attempt{Do: kubelet.token}.Try() }
	if got := try(); got.Errno != "ENOENT" || got.Reached {
		t.Errorf("%+v", got)
	}
	volumes := filepath.Join(kubelet.Path, "pods", "uid", "volumes", "kubernetes.io~projected")
	for volume, text := range map[string]string{"kube-api-access-x": tokenFor(neighbour), "a": "other"} {
		if err := os.MkdirAll(filepath.Join(volumes, volume), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(volumes, volume, "token"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := try(); !got.Reached {
		t.Errorf("%+v", got)
	}
	kubelet.Subject = "another"
	if got := try(); got.Reached {
		t.Errorf("%+v", got)
	}
}

func TestAKeyIsReachedIfTheFileHasOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pem")
	certificate := "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	key := "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"
	for text, reached := range map[string]bool{certificate: false, certificate + key: true, key: true, "": false} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := (Attempt{Do: NodeKey{File: file}.read}).Try(); got.Reached != reached {
			t.Errorf("%q: %+v", text, got)
		}
	}
	if got := (Attempt{Do: NodeKey{File: file + "-absent"}.read}).Try(); got.Errno != "ENOENT" {
		t.Errorf("%+v", got)
	}
}

func TestAGrantedTokenIsOfTheAccountThatWasAskedFor(t *testing.T) {
	request, err := tokenRequest("https://h", "lab/neighbour")
	if err != nil || request.Path != "/api/v1/namespaces/lab/serviceaccounts/neighbour/token" ||
		request.Method != "POST" || request.Wants != 201 {
		t.Errorf("%+v: %v", request, err)
	}
	for _, name := range []string{"", "neighbour", "/neighbour", "lab/"} {
		if _, err := tokenRequest("https://h", name); err == nil {
			t.Errorf("%q is taken", name)
		}
		if _, err := secretPath(name); err == nil {
			t.Errorf("%q is taken as a Secret", name)
		}
	}
	for answer, granted := range map[string]bool{
		`{"status":{"token":"` + tokenFor(neighbour) + `"}}`: true,
		`{"status":{"token":"` + tokenFor("x") + `"}}`:       false,
		`{}`: false, `x`: false,
	} {
		if err := isGranted([]byte(answer), "lab/neighbour"); (err == nil) != granted {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

func TestAimsAtNeighboursAreInTheTableOnlyIfTheyAreGiven(t *testing.T) {
	all := []string{
		"--neighbour", "10.42.2.9", "--gateway", "10.42.2.1", "--spoof-to", "10.77.0.11:9", "--mark", "00beef01",
		"--process", "neighbour=facts-a", "--subject", neighbour, "--kubelet", "/k", "--pod", "uid",
		"--node-key", "/key", "--own-secret", "lab/a", "--other-secret", "lab/b",
		"--api", "https://h", "--token", "/t", "--request-token", "lab/neighbour",
	}
	options, _, _, err := Parse(all)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, one := range options.Table() {
		seen[one.Name] = true
	}
	for _, name := range []string{
		"arp-spoof", "ip-spoof", "seize-neighbour", "memory-neighbour", "token-neighbour", "kubelet-token",
		"node-key", "node-secret-own", "node-secret-other", "api-token-request",
	} {
		if !seen[name] {
			t.Errorf("there is no %s", name)
		}
	}
	again, _, _, err := Parse(options.Args())
	if err != nil || fmt.Sprint(again) != fmt.Sprint(options) {
		t.Errorf("%+v, not %+v: %v", again, options, err)
	}
	options, _, _, err = Parse([]string{"--node-key", "/key"})
	if table := options.Table(); err != nil || len(table) != 1 || table[0].Name != "node-key" {
		t.Errorf("%v: %v", table, err)
	}
	for _, args := range [][]string{all[:6], {"--process", "a=b"}, {"--kubelet", "/k", "--subject", "s"}, {"--pod", "u"}} {
		if _, _, _, err := Parse(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

// The error numbers that these attempts pass on by themselves have their names.
func TestNoSuchProcessIsNamed(t *testing.T) {
	got := Attempt{Do: func() (string, error) { return "", fmt.Errorf("x: %w", syscall.ESRCH) }}.Try()
	if got.Errno != "ESRCH" || got.Reached {
		t.Errorf("%+v", got)
	}
}
