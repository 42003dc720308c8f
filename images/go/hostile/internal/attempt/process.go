package attempt

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

const (
	tagOption = "--tag"
	tokenPath = "var/run/secrets/kubernetes.io/serviceaccount/token"
	firstPage = 0x10000 // of no program; see ownStart
)

// Process are attempts at the process of another pod, which is found by the tag that it was given.
type Process struct {
	Name    string // of the attempts
	Tag     string
	Subject string // of the token that the other pod has
}

// Attempts in their order.
func (process Process) Attempts() []Attempt {
	return []Attempt{
		{Name: "seize-" + process.Name, Do: process.seize},
		// The address comes after the check.
		{Name: "memory-" + process.Name, Beyond: []syscall.Errno{syscall.EFAULT}, Do: process.memory},
		{Name: "token-" + process.Name, Do: process.token},
	}
}

// find gives the first process with the tag; ESRCH if none of those that are seen has it.
func (process Process) find(proc string) (int, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return 0, err
	}
	seen := 0
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		seen++
		text, _ := os.ReadFile(filepath.Join(proc, entry.Name(), "cmdline"))
		words := strings.Split(string(text), "\x00")
		for at := range len(words) - 1 {
			if words[at] == tagOption && words[at+1] == process.Tag {
				return pid, nil
			}
		}
	}
	if seen == 0 {
		return 0, fmt.Errorf("%w: no process is seen, not even this one", errNothingTried)
	}
	return 0, fmt.Errorf("none of %d processes is %s: %w", seen, process.Tag, syscall.ESRCH)
}

// seize attaches without stopping it (PTRACE_ATTACH, which stops, is checked in the same way); the
// end of this process lets it go.
func (process Process) seize() (string, error) {
	pid, err := process.find("/proc")
	if err != nil {
		return "", err
	}
	runtime.LockOSThread()
	_, err = call(syscall.SYS_PTRACE, ptraceSeize, uintptr(pid), 0, 0)
	return fmt.Sprintf("process %d is %q", pid, program(pid)), err
}

// What process_vm_readv(2) is given. Variables of the program, which are never moved: the process of
// an attempt makes one call.
var (
	firstBytes [4]byte
	localSide  = syscall.Iovec{Base: &firstBytes[0]}
	remoteSide struct{ base, length uintptr }
)

// memory reads the first bytes of its program.
func (process Process) memory() (string, error) {
	pid, err := process.find("/proc")
	if err != nil {
		return "", err
	}
	maps, _ := os.ReadFile("/proc/self/maps")
	localSide.SetLen(len(firstBytes))
	remoteSide.base, remoteSide.length = ownStart(string(maps)), uintptr(len(firstBytes))
	_, err = call(sysProcessVmReadv, uintptr(pid), uintptr(unsafe.Pointer(&localSide)), 1,
		uintptr(unsafe.Pointer(&remoteSide)), 1, 0)
	return fmt.Sprintf("process %d has %q at %#x", pid, firstBytes[:], remoteSide.base), err
}

// ownStart is where this program begins: the other pod's does too, since it is the same and is not
// moved.
func ownStart(maps string) uintptr {
	first, _, _ := strings.Cut(maps, "-")
	start, err := strconv.ParseUint(first, 16, 64)
	if err != nil {
		return firstPage
	}
	return uintptr(start)
}

// token reads the service account token of the other pod by the root folder of its process.
func (process Process) token() (string, error) {
	pid, err := process.find("/proc")
	if err != nil {
		return "", err
	}
	path := fmt.Sprintf("/proc/%d/root/%s", pid, tokenPath)
	return path, tokenOf(path, process.Subject)
}
