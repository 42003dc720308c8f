package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	standInCommand = "stand-in"
	cgroups        = "/sys/fs/cgroup"
	killed         = 128 + int(syscall.SIGKILL)
	// standInBegins is for a process to begin on an emulated node.
	standInBegins = time.Minute
)

// Files of a bundle, beside those of the shim.
func standInPath(bundle string) string { return filepath.Join(bundle, "stand-in.pid") }
func startedPath(bundle string) string { return filepath.Join(bundle, "started.fifo") }
func innerPath(bundle string) string   { return filepath.Join(bundle, "runsc.pid") }

func startingPath(bundle string) string { return filepath.Join(bundle, "starting") }
func releasedPath(bundle string) string { return filepath.Join(bundle, "released") }

// create makes a sandbox as runsc does, or a container of one with a process that stands in for it.
func create(c call) error {
	bundle := c.bundle()
	container, err := readSpec(bundle)
	if err != nil {
		return err
	}
	if !container.inSandbox() {
		pass(c.args())
	}
	if err := syscall.Mkfifo(startedPath(bundle), 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", startedPath(bundle), err)
	}
	process, err := beginStandIn(c, bundle, container.Linux.CgroupsPath)
	if err != nil {
		return err
	}
	if err := run(c.withPidFile(innerPath(bundle)).args()); err != nil {
		_ = process.Kill()
		return err
	}
	if path := c.option("--pid-file"); path != "" {
		return os.WriteFile(path, []byte(strconv.Itoa(process.Pid)), 0o600)
	}
	return nil
}

// withPidFile is the same call with another pid file: the sandbox's number is not the container's.
func (c call) withPidFile(path string) call {
	changed := append([]string{}, c.rest...)
	for at, arg := range changed {
		if arg == "--pid-file" && at+1 < len(changed) {
			changed[at+1] = path
		}
	}
	return c.with(c.command, changed...)
}

// beginStandIn starts the process with the streams of this one, which are the container's. When this
// process ends the shim becomes its parent, and sees it exit.
func beginStandIn(c call, bundle, cgroup string) (*os.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, append([]string{standInCommand, bundle, c.id()}, c.global...)...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return nil, err
	}
	number := []byte(strconv.Itoa(command.Process.Pid))
	err = os.WriteFile(standInPath(bundle), number, 0o600)
	if err == nil && cgroup != "" {
		folder := filepath.Join(cgroups, cgroup)
		if err = os.MkdirAll(folder, 0o755); err == nil {
			err = os.WriteFile(filepath.Join(folder, "cgroup.procs"), number, 0o600)
		}
	}
	if err != nil {
		_ = command.Process.Kill()
		return nil, err
	}
	return command.Process, nil
}

// standIn waits until the container has been started, then for its program, and returns the exit
// status of that. Its arguments are the bundle, the container and the shim's options.
func standIn(args []string) int {
	bundle, id, global := args[0], args[1], args[2:]
	// Signals for the container go to the sandbox.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	started, err := os.OpenFile(startedPath(bundle), os.O_RDONLY, 0)
	if err != nil {
		return killed
	}
	read, _ := started.Read(make([]byte, 1))
	_ = started.Close()
	if read == 0 {
		return killed
	}
	for {
		var result struct {
			ExitStatus *int `json:"exitStatus"`
		}
		if ask(call{global, "wait", []string{id}}, &result) && result.ExitStatus != nil {
			return *result.ExitStatus
		}
		var state struct {
			Status string `json:"status"`
		}
		if !ask(call{global, "state", []string{id}}, &state) || state.Status != "running" {
			// The sandbox is gone, and its programs with it.
			return killed
		}
		time.Sleep(time.Second)
	}
}

// ask says whether runsc answered, in JSON.
func ask(c call, answer any) bool {
	text, err := exec.Command(runsc, c.args()...).Output()
	return err == nil && json.Unmarshal(text, answer) == nil
}

// start starts a sandbox, or a container of one with the streams of the process that stands in.
func start(c call) error {
	bundle := c.bundle()
	container, err := readSpec(bundle)
	if err != nil {
		return err
	}
	if !container.inSandbox() {
		return startSandbox(c)
	}
	pid, err := standInOf(bundle, c.id())
	if err != nil {
		return err
	}
	command := exec.Command(runsc, c.args()...)
	var streams [3]*os.File
	for number, mode := range []int{os.O_RDONLY | syscall.O_NONBLOCK, os.O_WRONLY, os.O_WRONLY} {
		// Opened anew, not duplicated: whoever reads them sees their end when the container has ended.
		streams[number], err = os.OpenFile(fmt.Sprintf("/proc/%d/fd/%d", pid, number), mode, 0)
		if err != nil {
			return err
		}
		defer streams[number].Close()
	}
	command.Stdin, command.Stdout, command.Stderr = streams[0], streams[1], streams[2]
	// From here on there may be a program, also where this process does not live to see it.
	if err := os.WriteFile(startingPath(bundle), nil, 0o600); err != nil {
		return err
	}
	if err := command.Run(); err != nil {
		return fmt.Errorf("runsc: %w: %s", err, lastError(c.option("--log")))
	}
	return release(bundle)
}

// release tells the process that stands in that there is a program to wait for, once.
func release(bundle string) error {
	if exists(releasedPath(bundle)) {
		return nil
	}
	for deadline := time.Now().Add(standInBegins); ; time.Sleep(10 * time.Millisecond) {
		gate, err := os.OpenFile(startedPath(bundle), os.O_WRONLY|syscall.O_NONBLOCK, 0)
		// On a busy node it may not be there to read yet.
		if errors.Is(err, syscall.ENXIO) && time.Now().Before(deadline) {
			continue
		}
		if err != nil {
			return err
		}
		defer gate.Close()
		if _, err = gate.Write([]byte{1}); err != nil {
			return err
		}
		return os.WriteFile(releasedPath(bundle), nil, 0o600)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// kill sends a signal. The shim knows other words for "it has ended" than runsc has.
func kill(c call) error {
	bundle := c.bundle()
	pid, missing := standInOf(bundle, c.id())
	if missing == nil && !exists(startingPath(bundle)) {
		// There is no program yet that could get it.
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	err := run(c.args())
	if err == nil && missing == nil {
		// A start that was broken off has not done it.
		err = release(bundle)
	}
	if err != nil && hasEnded(err.Error()) {
		return errors.New("container not running")
	}
	return err
}

func hasEnded(text string) bool {
	for _, words := range []string{
		"sandbox is not running", "cannot signal container", "no such process", "not running",
		"does not exist", "file does not exist",
	} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// remove removes the container, the process that stands in for it, and its cgroup.
func remove(c call) error {
	bundle := c.bundle()
	err := run(c.args())
	if pid, missing := standInOf(bundle, c.id()); missing == nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	} else if err != nil && exists(standInPath(bundle)) {
		// The shim takes it for ended, and would ask for this again and again.
		_ = run(c.with("kill", c.id(), "KILL").args())
		err = run(c.args())
	}
	if container, unread := readSpec(bundle); unread == nil && container.inSandbox() {
		if path := container.Linux.CgroupsPath; path != "" {
			_ = os.Remove(filepath.Join(cgroups, path))
		}
	}
	return err
}

// standInOf is the number of the process that stands in for a container and is still alive.
func standInOf(bundle, id string) (int, error) {
	text, err := os.ReadFile(standInPath(bundle))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", standInPath(bundle), err)
	}
	// The number may be another process's by now.
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(line), standInCommand) ||
		!strings.Contains(string(line), id) {
		return 0, fmt.Errorf("container not running")
	}
	return pid, nil
}
