package attempt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Attempts of these tests: none of the real ones is ever made here.
var fakes = []Attempt{
	{Name: "open", Do: func() (string, error) { return "a door", nil }},
	{Name: "shut", Do: func() (string, error) { return "a wall", syscall.EPERM }},
	{Name: "argued", Beyond: []syscall.Errno{syscall.EINVAL}, Do: func() (string, error) {
		return "", fmt.Errorf("wrapped: %w", syscall.EINVAL)
	}},
	{Name: "denied", Do: func() (string, error) { return "/api", StatusError(403) }},
	{Name: "hung", Do: func() (string, error) { time.Sleep(time.Hour); return "", nil }},
	{Name: "killed", Do: func() (string, error) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Hour)
		return "", nil
	}},
	{Name: "gone", Do: func() (string, error) { os.Exit(7); return "", nil }},
	{Name: "family", Do: func() (string, error) {
		// A child that keeps the pipe open must not keep the runner.
		command := exec.Command("sleep", "60")
		command.Stdout = os.Stdout
		_ = command.Start()
		os.Exit(0)
		return "", nil
	}},
}

// The test's own program is the one that the runner starts again.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == One {
		chosen, err := Choose(fakes, os.Args[2:])
		if err != nil {
			os.Exit(9)
		}
		_ = json.NewEncoder(os.Stdout).Encode(chosen[0].Try())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestEachAttemptHasItsOwnProcessAndItsOwnEnd(t *testing.T) {
	var out bytes.Buffer
	runner := Runner{Program: os.Args[0], Limit: 2 * time.Second}
	if err := runner.Run(fakes, &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(fakes)+1 || lines[len(fakes)] != fmt.Sprintf(`{"done":%d}`, len(fakes)) {
		t.Fatal(out.String())
	}
	want := map[string]Result{
		"open":   {Ended: Answered, Reached: true},
		"shut":   {Ended: Answered, Errno: "EPERM"},
		"argued": {Ended: Answered, Reached: true, Errno: "EINVAL"},
		"denied": {Ended: Answered, Status: 403},
		"hung":   {Ended: TimedOut},
		"killed": {Ended: Killed},
		"gone":   {Ended: Silent},
		"family": {Ended: Silent},
	}
	for _, line := range lines[:len(fakes)] {
		var got Result
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(line, err)
		}
		one := want[got.Attempt]
		if got.Ended != one.Ended || got.Reached != one.Reached || got.Errno != one.Errno ||
			got.Status != one.Status {
			t.Errorf("%+v, not %+v", got, one)
		}
	}
}

func TestNamesOfAttemptsAreTheirOwn(t *testing.T) {
	options, _, _, err := Parse([]string{
		"--tcp", "a=1.2.3.4:5", "--unix", "b=/run/b", "--modbus-write", "h:502",
		"--host-path", "/x", "--marker", "m", "--api", "https://h", "--token", "/t",
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, one := range append(Kernel(), options.Table()...) {
		if seen[one.Name] || one.Do == nil {
			t.Errorf("%s is there twice, or does nothing", one.Name)
		}
		seen[one.Name] = true
	}
	for _, name := range []string{"mount-tmpfs", "tcp-a", "unix-b", "modbus-write", "api-secrets", "host-path-race"} {
		if !seen[name] {
			t.Errorf("there is no %s", name)
		}
	}
}

func TestOptionsComeThroughToTheProcessOfAnAttempt(t *testing.T) {
	args := []string{"--tcp", "a=h:1", "--tcp", "b=h:2", "--host-path", "/x", "--marker", "m", "tcp-b"}
	options, names, _, err := Parse(args)
	if err != nil || len(names) != 1 || names[0] != "tcp-b" {
		t.Fatal(names, err)
	}
	again, _, _, err := Parse(append(options.Args(), names...))
	if err != nil || fmt.Sprint(again) != fmt.Sprint(options) {
		t.Errorf("%+v, not %+v: %v", again, options, err)
	}
}

func TestMistakesInOptionsAreToldApart(t *testing.T) {
	for _, args := range [][]string{
		{"--tcp", "nowhere"}, {"--tcp", "=h:1"}, {"--seconds", "0"}, {"--host-path", "/x"}, {"--dance"},
	} {
		if _, _, _, err := Parse(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
	if _, err := Choose(fakes, []string{"dance"}); err == nil {
		t.Error("an attempt that there is not is chosen")
	}
	if chosen, err := Choose(fakes, []string{"shut", "open"}); err != nil || chosen[0].Name != "open" {
		t.Error("not in the table's order")
	}
}

// -- what can be tried here without harm: our own sockets and folders ------------------------

func TestAConnectionThatIsRefusedIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	place := listener.Addr().String()
	try := func() Result { return Attempt{Name: "tcp", Do: connecting("tcp", place)}.Try() }
	if got := try(); !got.Reached {
		t.Errorf("open: %+v", got)
	}
	_ = listener.Close()
	if got := try(); got.Reached || got.Errno != "ECONNREFUSED" {
		t.Errorf("closed: %+v", got)
	}
}

// A device of one register that takes writes, or answers them with an exception.
func answering(t *testing.T, writable bool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		peer, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = peer.Close() }()
		for {
			asked := make([]byte, 12)
			if _, err := io.ReadFull(peer, asked); err != nil {
				return
			}
			body := []byte{asked[6], asked[7], 2, 0, 42}
			if asked[7] == writeRegister {
				body = asked[6:]
				if !writable || asked[11] != 42 {
					body = []byte{asked[6], asked[7] | 0x80, 1}
				}
			}
			answer := append([]byte{asked[0], asked[1], 0, 0, 0, byte(len(body))}, body...)
			if _, err := peer.Write(answer); err != nil {
				return
			}
		}
	}()
	return listener.Addr().String()
}

func TestAWriteToADeviceWritesWhatItHolds(t *testing.T) {
	for _, writable := range []bool{true, false} {
		place := answering(t, writable)
		one := Attempt{Name: "modbus-write", Do: func() (string, error) { return modbusWrite(place, 1, 100) }}
		if got := one.Try(); got.Reached != writable {
			t.Errorf("writable %v: %+v", writable, got)
		}
	}
}

func TestOfAFolderOfTheNodeOnlyWhatLiesBesideItIsOutside(t *testing.T) {
	above := t.TempDir()
	path := filepath.Join(above, "mount")
	for file, text := range map[string]string{"mount/inside": "in", "outside": "secret", "other": "x"} {
		_ = os.MkdirAll(filepath.Join(above, "mount"), 0o755)
		if err := os.WriteFile(filepath.Join(above, file), []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Not mounted anywhere: here `..` leads out, which is what the attempts must notice.
	open := HostPath{path, "outside", "secret"}
	for name, do := range map[string]func() (string, error){
		"read": open.read, "write": open.write, "parent": open.parent,
		"symlink": open.symbolicLink, "hard link": open.hardLink, "race": open.race, "swap": open.swap,
	} {
		if got := (Attempt{Name: name, Do: do}).Try(); !got.Reached {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for name, one := range map[string]HostPath{
		"absent": {path, "absent", "secret"}, "another": {path, "other", "secret"},
	} {
		if got := (Attempt{Name: name, Do: one.parent}).Try(); got.Reached {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if left, _ := os.ReadDir(path); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}

func TestARaceInWhichNothingMovedIsNoAnswer(t *testing.T) {
	raceLength = 100 * time.Millisecond
	defer func() { raceLength = 2 * time.Second }()
	host := HostPath{t.TempDir(), "absent", "secret"}
	try := func() Result { return Attempt{Name: "race", Do: host.race}.Try() }
	if got := try(); got.Ended != Answered || got.Reached || got.Errno != "ENOENT" {
		t.Errorf("moved: %+v", got)
	}
	swap := func() Result { return Attempt{Name: "swap", Do: host.swap}.Try() }
	if got := swap(); got.Ended != Answered || got.Reached || got.Errno != "ENOENT" {
		t.Errorf("swapped: %+v", got)
	}
	// A folder with something in it is in the way of each rename.
	if err := os.MkdirAll(host.at("high", "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := try(); got.Ended != Silent || got.Reached || got.Errno != "" {
		t.Errorf("not moved: %+v", got)
	}
	if err := os.MkdirAll(host.at("swap", "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := swap(); got.Ended == Answered && got.Errno == "ENOENT" || got.Reached {
		t.Errorf("not swapped: %+v", got)
	}
}

func TestTheFirstDiskIsReadFromTheKernelsTable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "partitions")
	text := "major minor  #blocks  name\n\n  11 0 1 sr0\n 253 16 8388608 vdb\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if major, minor := firstDisk(file); major != 253 || minor != 16 {
		t.Errorf("%d:%d", major, minor)
	}
	if major, minor := firstDisk("/nowhere"); major != virtioMajor || minor != virtioMinor {
		t.Errorf("%d:%d", major, minor)
	}
}
