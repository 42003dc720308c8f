package attempt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// opening opens the first of these files that exists, and closes it: nothing is written.
func opening(flags int, paths ...string) func() (string, error) {
	return func() (string, error) {
		var err error
		for _, path := range paths {
			var file int
			file, err = syscall.Open(path, flags|syscall.O_CLOEXEC, 0)
			if err == nil {
				_ = syscall.Close(file)
			}
			if !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ENOTDIR) {
				return path, err
			}
		}
		return strings.Join(paths, " and "), err
	}
}

const memoryMajor, memoryMinor = 1, 1

func device(major, minor int) int { return major<<8 | minor }

// withNode makes a device node in a folder of its own while `use` runs.
func withNode(mode uint32, number int, use func(path string) error) error {
	folder, err := os.MkdirTemp("", "node")
	if err != nil {
		return fmt.Errorf("a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "device")
	if err := syscall.Mknod(path, mode|0o600, number); err != nil {
		return fmt.Errorf("mknod: %w", err)
	}
	return use(path)
}

func readable(path string) error {
	file, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	return syscall.Close(file)
}

// makeMemoryNode makes what /dev/mem is.
func makeMemoryNode() (string, error) {
	number := device(memoryMajor, memoryMinor)
	return "c 1 1", withNode(syscall.S_IFCHR, number, func(string) error { return nil })
}

func openMemoryNode() (string, error) {
	return "c 1 1", withNode(syscall.S_IFCHR, device(memoryMajor, memoryMinor), readable)
}

// openDiskNode opens the first disk of the node for reading, by a device node of its own.
func openDiskNode() (string, error) {
	major, minor := firstDisk("/proc/partitions")
	what := fmt.Sprintf("b %d %d", major, minor)
	return what, withNode(syscall.S_IFBLK, device(major, minor), readable)
}

// The first disk by virtio, where nothing says which disks there are.
const virtioMajor, virtioMinor = 254, 0

func firstDisk(partitions string) (major, minor int) {
	text, err := os.ReadFile(partitions)
	if err != nil {
		return virtioMajor, virtioMinor
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) != 4 {
			continue
		}
		major, err1 := strconv.Atoi(words[0])
		minor, err2 := strconv.Atoi(words[1])
		if err1 == nil && err2 == nil && strings.HasPrefix(words[3], "vd") {
			return major, minor
		}
	}
	return virtioMajor, virtioMinor
}
