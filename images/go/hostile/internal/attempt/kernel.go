package attempt

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

const (
	afVsock         = 40
	atFdCwd         = ^uintptr(99) // -100
	openTreeClone   = 1
	perfSoftware    = 1
	perfAttrSize    = 112
	bpfMapCreate    = 0
	bpfMapArray     = 2
	processKeyring  = ^uintptr(1) // -2
	sessionKeyring  = ^uintptr(2) // -3
	keyctlReadKey   = 11
	readImpliesExec = 0x0400000
	kcmpFile        = 0
	ptraceSeize     = 0x4206
	syslogReadAll   = 3
	noDescriptor    = ^uintptr(0) // -1
	handleOfInode   = 1           // FILEID_INO32_GEN of ext4 and others
	rootInode       = 2
	wrongKexecFlags = 0x8000
	manySegments    = 1000
)

// descriptor makes a call that gives a file descriptor, and closes it.
func descriptor(number uintptr, args ...uintptr) error {
	value, err := call(number, args...)
	if err == nil {
		_ = syscall.Close(int(value))
	}
	return err
}

func call(number uintptr, args ...uintptr) (uintptr, error) {
	var six [6]uintptr
	copy(six[:], args)
	value, _, errno := syscall.Syscall6(number, six[0], six[1], six[2], six[3], six[4], six[5])
	if errno != 0 {
		return 0, errno
	}
	return value, nil
}

func mounted(kind string) (string, error) {
	folder, err := os.MkdirTemp("", "mount")
	if err != nil {
		return "a folder", err
	}
	defer func() { _ = os.Remove(folder) }()
	if err := syscall.Mount("none", folder, kind, 0, ""); err != nil {
		return "", err
	}
	return "mounted and unmounted", syscall.Unmount(folder, syscall.MNT_DETACH)
}

func unsharing(flags uintptr) func() (string, error) {
	return func() (string, error) { return "", unshared(flags) }
}

func fsopen() (string, error) {
	name := []byte("tmpfs\x00")
	err := descriptor(sysFsopen, uintptr(unsafe.Pointer(&name[0])), 0)
	runtime.KeepAlive(name)
	return "", err
}

func openTree() (string, error) {
	path := []byte("/\x00")
	err := descriptor(sysOpenTree, atFdCwd, uintptr(unsafe.Pointer(&path[0])), openTreeClone)
	runtime.KeepAlive(path)
	return "", err
}

func ioUring() (string, error) {
	var params [120]byte
	err := descriptor(sysIoUringSetup, 8, uintptr(unsafe.Pointer(&params[0])))
	runtime.KeepAlive(&params)
	return "", err
}

// bpfMap makes a map of one entry. A program or a wrong size would tell less: newer kernels look at
// the size before they ask for the right to it.
func bpfMap() (string, error) {
	attributes := [18]uint32{bpfMapArray, 4, 4, 1}
	err := descriptor(sysBpf, bpfMapCreate, uintptr(unsafe.Pointer(&attributes[0])),
		unsafe.Sizeof(attributes))
	runtime.KeepAlive(&attributes)
	return "", err
}

func userfaultfd() (string, error) {
	return "", descriptor(sysUserfaultfd, syscall.O_CLOEXEC)
}

// perfEvent counts the CPU time of this process, the kernel's share of it too.
func perfEvent() (string, error) {
	attributes := [perfAttrSize / 4]uint32{perfSoftware, perfAttrSize}
	err := descriptor(sysPerfEventOpen, uintptr(unsafe.Pointer(&attributes[0])), 0, noDescriptor,
		noDescriptor, 0)
	runtime.KeepAlive(&attributes)
	return "", err
}

// initModule has a module of no length: the kernel says that it is none, if it lets us.
func initModule() (string, error) {
	nothing := []byte{0}
	_, err := call(sysInitModule, uintptr(unsafe.Pointer(&nothing[0])), 0,
		uintptr(unsafe.Pointer(&nothing[0])))
	runtime.KeepAlive(nothing)
	return "", err
}

func finitModule() (string, error) {
	nothing := []byte{0}
	_, err := call(sysFinitModule, noDescriptor, uintptr(unsafe.Pointer(&nothing[0])), 0)
	runtime.KeepAlive(nothing)
	return "", err
}

// kexecLoad has flags that there are not and more segments than are allowed: nothing is loaded.
func kexecLoad() (string, error) {
	_, err := call(sysKexecLoad, 0, manySegments, 0, wrongKexecFlags)
	return "", err
}

// openByHandle opens the root folder of the disk that /etc/hosts lies on, which is the node's.
func openByHandle() (string, error) {
	file, err := os.Open("/etc/hosts")
	if err != nil {
		return "a file of the node's disk", err
	}
	defer func() { _ = file.Close() }()
	handle := struct {
		size, kind        uint32
		inode, generation uint32
	}{8, handleOfInode, rootInode, 0}
	err = descriptor(sysOpenByHandleAt, file.Fd(), uintptr(unsafe.Pointer(&handle)),
		syscall.O_RDONLY|syscall.O_DIRECTORY)
	runtime.KeepAlive(&handle)
	return "", err
}

// addKey puts a key on the keyring of this process, which ends with it.
func addKey() (string, error) {
	kind, name := []byte("user\x00"), []byte("edge-lab\x00")
	_, err := call(sysAddKey, uintptr(unsafe.Pointer(&kind[0])), uintptr(unsafe.Pointer(&name[0])),
		uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)), processKeyring)
	runtime.KeepAlive(kind)
	runtime.KeepAlive(name)
	return "", err
}

func keyctlRead() (string, error) {
	_, err := call(sysKeyctl, keyctlReadKey, sessionKeyring, 0, 0)
	return "", err
}

func personality() (string, error) {
	_, err := call(sysPersonality, readImpliesExec)
	return "", err
}

func kcmp() (string, error) {
	self := uintptr(os.Getpid())
	_, err := call(sysKcmp, self, self, kcmpFile, 0, 0)
	return "", err
}

func pidfdOpen() (string, error) { return "", descriptor(sysPidfdOpen, 1, 0) }

func memfdSecret() (string, error) { return "", descriptor(sysMemfdSecret, 0) }

func socket(family, kind, protocol int) func() (string, error) {
	return func() (string, error) {
		made, err := syscall.Socket(family, kind|syscall.SOCK_CLOEXEC, protocol)
		if err == nil {
			_ = syscall.Close(made)
		}
		return "", err
	}
}

// setHostname sets the name that there is.
func setHostname() (string, error) {
	name, err := os.Hostname()
	if err != nil {
		return "the name", err
	}
	return name, syscall.Sethostname([]byte(name))
}

// ptraceInit attaches to process 1 without stopping it; the end of this process lets it go.
func ptraceInit() (string, error) {
	runtime.LockOSThread()
	_, err := call(syscall.SYS_PTRACE, ptraceSeize, 1, 0, 0)
	return fmt.Sprintf("process 1 is %q", program(1)), err
}

func program(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func kernelLog() (string, error) {
	text := make([]byte, 1<<16)
	count, err := syscall.Klogctl(syslogReadAll, text)
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(string(text[:count]), "\n")
	return first, nil
}
