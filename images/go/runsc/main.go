// edge-runsc lets containerd's runc shim run containers with gVisor's runsc.
//
// A distribution's runsc comes without the shim that gVisor's own releases have. Behind the shim for
// runc it fails in three ways, which this program mends without replacing anything of either:
//
//   - The shim waits for the process whose number is in the pid file. For every container of a pod
//     runsc writes the number of the sandbox, which lives as long as the pod. Here each container has
//     a process of its own that stands in for it on the node: it holds the container's streams, is in
//     its cgroup, and exits as the program in the sandbox does (standin.go).
//   - A runsc of before August 2024 refuses its own network stack on kernels of 6.11 and newer, since
//     it takes a file that these show in every network namespace for a sign of the node's
//     (sandbox.go).
//   - A program that was started by `exec`, such as a probe, is ended by a signal to the process in the
//     pid file, which leaves it running in the sandbox. Here its process takes it along (exec.go).
//
// Everything else is passed on to runsc as it is.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// runsc is the program that does the work; tests build this one with another.
var runsc = "/usr/bin/runsc"

// settings come before what the shim says. A pod that needs the node's network cannot have it: the
// stack is the sandbox's own, and a Unix socket of the node cannot be opened.
var settings = []string{"--platform=systrap", "--network=sandbox", "--host-uds=none"}

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case standInCommand:
			os.Exit(standIn(os.Args[2:]))
		case execStandInCommand:
			os.Exit(execStandIn(os.Args[2:]))
		case execRunCommand:
			os.Exit(execRun(os.Args[2:]))
		}
	}
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		pass(os.Args[1:])
	}
	call := parse(os.Args[1:])
	var err error
	switch call.command {
	case "create":
		err = create(call)
	case "start":
		err = start(call)
	case "kill":
		err = kill(call)
	case "delete":
		err = remove(call)
	case "exec":
		err = execute(call)
	default:
		pass(call.args())
	}
	if err != nil {
		report(call, err)
		os.Exit(1)
	}
}

// pass replaces this process by runsc.
func pass(args []string) {
	err := syscall.Exec(runsc, append([]string{runsc}, args...), os.Environ())
	fmt.Fprintln(os.Stderr, runsc+": "+err.Error())
	os.Exit(127)
}

// run runs runsc with no streams but its own standard error, and returns what it said there.
func run(args []string) error {
	command := exec.Command(runsc, args...)
	var said strings.Builder
	command.Stderr = &said
	if err := command.Run(); err != nil {
		return fmt.Errorf("runsc: %w: %s", err, strings.TrimSpace(said.String()))
	}
	return nil
}
