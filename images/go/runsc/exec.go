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
	self, err := os.Executable()
	if err != nil {
		return err
	}
	started, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	internal := pidFile + ".sandbox"
	run := c.with("exec", attached(c.rest, internal)...)
	standIn := exec.Command(self, append([]string{execStandInCommand, internal, c.id()}, run.args()...)...)
	standIn.Stdin, standIn.Stdout, standIn.Stderr = os.Stdin, os.Stdout, os.Stderr
	standIn.ExtraFiles = []*os.File{tell}
	standIn.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := standIn.Start(); err != nil {
		return err
	}
	_ = tell.Close()
	// It is not waited for here: whoever sees it end first has its exit status, and that is the shim.
	if read, _ := started.Read(make([]byte, 1)); read == 0 {
		return fmt.Errorf("runsc exec: %s", lastError(c.option("--log")))
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

// execStandIn holds a pipe open while it lives, and ends as the program does.
func execStandIn(args []string) int {
	tell := inherited(3, "started")
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
	runner.ExtraFiles = []*os.File{tell, reader}
	if err := runner.Start(); err != nil {
		return killed
	}
	_, _ = tell.Close(), reader.Close()
	return exitStatus(runner.Wait())
}

// execRun runs runsc until the program has ended, and kills that when the stand-in ends before. It
// tells when the program has started.
func execRun(args []string) int {
	internal, id, line := args[0], args[1], args[2:]
	tell, standIn := inherited(3, "started"), inherited(4, "stand-in")
	command := exec.Command(runsc, line...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := command.Start(); err != nil {
		return killed
	}
	ended := make(chan int, 1)
	go func() { ended <- exitStatus(command.Wait()) }()
	abandoned := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, standIn)
		close(abandoned)
	}()
	pid := ""
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case status := <-ended:
			if pid == "" && numberIn(internal) != "" {
				_ = os.Remove(internal)
				_, _ = tell.Write([]byte{1})
			}
			return status
		case <-abandoned:
			if pid != "" {
				_ = exec.Command(runsc, killOf(line, id, pid)...).Run()
			}
			_ = command.Process.Kill()
			return killed
		case <-look.C:
			if pid = numberIn(internal); pid != "" {
				look.Stop()
				_ = os.Remove(internal)
				_, _ = tell.Write([]byte{1})
			}
		}
	}
}

// inherited is a file of the process that started this one; it goes to no other.
func inherited(number int, name string) *os.File {
	syscall.CloseOnExec(number)
	return os.NewFile(uintptr(number), name)
}

// numberIn is what a pid file holds; empty if it is not there or not written yet.
func numberIn(path string) string {
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(string(text))
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
