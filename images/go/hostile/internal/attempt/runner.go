package attempt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Words by which the program is started again: for one attempt, and for a process that does nothing.
const (
	One  = "attempt"
	Idle = "nothing"
)

// Done is the last line of a run: without it, not all was tried.
type Done struct {
	Done int `json:"done"`
}

// Runner tries each attempt in a process of its own, so that one that hangs, or ends its process, does
// not take the others with it.
type Runner struct {
	Program string
	Args    []string
	Limit   time.Duration
}

// Run writes a line for each attempt as soon as it has ended.
func (runner Runner) Run(attempts []Attempt, out io.Writer) error {
	lines := json.NewEncoder(out)
	for _, one := range attempts {
		if err := lines.Encode(runner.try(one.Name)); err != nil {
			return err
		}
	}
	return lines.Encode(Done{len(attempts)})
}

func (runner Runner) try(name string) Result {
	var said, complained bytes.Buffer
	args := append(append([]string{One}, runner.Args...), name)
	command := exec.Command(runner.Program, args...)
	command.Stdout, command.Stderr = &said, &complained
	// A group of its own, and a pipe that is not waited for longer than this: what it may have started
	// goes with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.WaitDelay = time.Second
	if err := command.Start(); err != nil {
		return Result{Attempt: name, Ended: Silent, Detail: "not started: " + err.Error()}
	}
	late := make(chan struct{})
	timer := time.AfterFunc(runner.Limit, func() {
		close(late)
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	})
	err := command.Wait()
	inTime := timer.Stop()
	_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	var result Result
	if json.Unmarshal(said.Bytes(), &result) == nil && result.Attempt == name {
		return result
	}
	if !inTime {
		<-late
		return Result{Attempt: name, Ended: TimedOut, Detail: fmt.Sprintf("after %s", runner.Limit)}
	}
	return ended(name, err, complained.String())
}

// ended is the result of a process that has said nothing.
func ended(name string, err error, complaint string) Result {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return Result{Attempt: name, Ended: Killed, Detail: status.Signal().String()}
		}
	}
	detail := fmt.Sprint(err)
	if line, _, _ := strings.Cut(strings.TrimSpace(complaint), "\n"); line != "" {
		detail += ": " + line
	}
	return Result{Attempt: name, Ended: Silent, Detail: detail}
}

// unshared starts a process that does nothing in new namespaces. Another process, since a user
// namespace is only for one without threads. The error is that of unshare(2): how the process ends
// does not matter, and one that made a PID namespace cannot have threads.
func unshared(flags uintptr) error {
	command := exec.Command("/proc/self/exe", Idle)
	command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: flags}
	if err := command.Start(); err != nil {
		return err
	}
	// One that cannot have threads may wait for ever for what it has asked for (seen on riscv64).
	_ = command.Process.Kill()
	_ = command.Wait()
	return nil
}
