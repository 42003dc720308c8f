package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// startSandbox replaces this process by `runsc start`, which sees an empty /proc/sys/net.
//
// runsc of before August 2024 opens the network namespace of a sandbox and refuses to go on if
// net/core/rmem_default is there: until Linux 6.11 only the node's own namespace had that file. What
// the check is for, that a sandbox does not take the node's interfaces away, is checked here instead.
// Only this one process has the mount, and runsc reads nothing else below it.
func startSandbox(c call) error {
	text, err := os.ReadFile(filepath.Join(c.bundle(), "init.pid"))
	if err != nil {
		return err
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	theirs, err := os.Readlink("/proc/" + strings.TrimSpace(string(text)) + "/ns/net")
	if err != nil {
		return err
	}
	if ours == theirs {
		return errors.New("the sandbox is in the network namespace of the node")
	}
	// The namespace belongs to a thread, and the program that replaces this one goes on in it.
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("mounts of its own: %w", err)
	}
	const flags = syscall.MS_RDONLY | syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC
	if err := syscall.Mount("none", "/proc/sys/net", "tmpfs", flags, "size=4k,mode=0555"); err != nil {
		return fmt.Errorf("an empty /proc/sys/net: %w", err)
	}
	pass(c.args())
	return nil
}
