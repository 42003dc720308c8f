package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	execStandInCommand = "exec-stand-in"
	execRunCommand     = "exec-run"
)

// execute runs one more program in a container, as for a probe.
//
// The shim ends one that takes too long by a signal to the process in the pid file. For runsc that is
// a process that only waits: the program would go on, and hold the streams that the shim waits for.
// Here it is a process whose end is noticed, whatever its reason, and takes the program along.
func execute(c call) error {
	pidFile := c.option("--pid-file")
	if pidFile == "" || c.option("--console-socket") != "" || !slices.Contains(c.rest, "--detach") {
		pass(c.args())
	}
	internal := pidFile + ".sandbox"
	_ = os.Remove(internal)
	run := c.with("exec", attached(c.rest, internal)...)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	standIn := exec.Command(self, append([]string{execStandInCommand, internal, c.id()}, run.args()...)...)
	standIn.Stdin, standIn.Stdout, standIn.Stderr = os.Stdin, os.Stdout, os.Stderr
	standIn.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := standIn.Start(); err != nil {
		return err
	}
	// It is not waited for here: whoever sees it end first has its exit status, and that is the shim.
	for !exists(internal) {
		if hasExited(standIn.Process.Pid) && !exists(internal) {
			return fmt.Errorf("runsc exec: %s", lastError(c.option("--log")))
		}
		time.Sleep(10 * time.Millisecond)
	}
	return os.WriteFile(pidFile, []byte(strconv.Itoa(standIn.Process.Pid)), 0o600)
}

// attached are the same options for a runsc that stays until the program has ended.
func attached(rest []string, internal string) []string {
	found := []string{"--internal-pid-file", internal}
	for at := 0; at < len(rest); at++ {
		switch {
		case rest[at] == "--pid-file":
			at++
		case rest[at] != "--detach":
			found = append(found, rest[at])
		}
	}
	return found
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// hasExited says whether a child has ended, without asking for its exit status.
func hasExited(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, fields, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(fields, "Z")
}

// execStandIn holds a pipe open while it lives, and ends as the program does.
func execStandIn(args []string) int {
	reader, writer, err := os.Pipe()
	if err != nil {
		return killed
	}
	defer writer.Close()
	self, err := os.Executable()
	if err != nil {
		return killed
	}
	runner := exec.Command(self, append([]string{execRunCommand}, args...)...)
	runner.Stdin, runner.Stdout, runner.Stderr = os.Stdin, os.Stdout, os.Stderr
	runner.ExtraFiles = []*os.File{reader}
	if err := runner.Start(); err != nil {
		return killed
	}
	_ = reader.Close()
	return exitStatus(runner.Wait())
}

// execRun runs runsc until the program has ended, and kills that when the pipe is closed before.
func execRun(args []string) int {
	internal, id, line := args[0], args[1], args[2:]
	command := exec.Command(runsc, line...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := command.Start(); err != nil {
		return killed
	}
	ended := make(chan int, 1)
	go func() { ended <- exitStatus(command.Wait()) }()
	abandoned := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(3, "stand-in"))
		close(abandoned)
	}()
	select {
	case status := <-ended:
		return status
	case <-abandoned:
		if pid, err := os.ReadFile(internal); err == nil {
			killLine := killOf(line, id, strings.TrimSpace(string(pid)))
			_ = exec.Command(runsc, killLine...).Run()
		}
		_ = command.Process.Kill()
		return killed
	}
}

// killOf is the line that kills one process of a container, with the options of the line that
// started it.
func killOf(line []string, id, pid string) []string {
	global := line[:slices.Index(line, "exec")]
	return append(slices.Clone(global), "kill", "--pid", pid, id, "KILL")
}

func exitStatus(err error) int {
	var failed *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed) && failed.Exited():
		return failed.ExitCode()
	default:
		return killed
	}
}
