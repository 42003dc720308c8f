package attempt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	inside = "inside"
	deep   = "deep"
)

var raceLength = 2 * time.Second // tests have less time

// HostPath are attempts at a folder of the node that is mounted here, and at what lies beside it.
type HostPath struct {
	Path    string // where it is mounted
	Outside string // the name of a file beside the folder on the node
	Marker  string // what that file holds
}

// Attempts in their order; each cleans up after itself.
func (host HostPath) Attempts() []Attempt {
	return []Attempt{
		{Name: "host-path-read", Do: host.read},
		{Name: "host-path-write", Do: host.write},
		{Name: "host-path-mknod", Do: host.makeNode},
		{Name: "host-path-parent", Do: host.parent},
		{Name: "host-path-symlink", Do: host.symbolicLink},
		{Name: "host-path-hardlink", Do: host.hardLink},
		{Name: "host-path-race", Do: host.race},
		{Name: "host-path-swap", Do: host.swap},
	}
}

func (host HostPath) at(names ...string) string {
	return host.Path + "/" + strings.Join(names, "/") // not cleaned: the kernel is to see `..`
}

// has reads a file; it is reached if it holds what only the file outside holds.
func (host HostPath) has(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(text)) != host.Marker {
		return fmt.Errorf("another file is there: %q", text[:min(len(text), 40)])
	}
	return nil
}

func (host HostPath) read() (string, error) {
	text, err := os.ReadFile(host.at(inside))
	return strings.TrimSpace(string(text)), err
}

func (host HostPath) write() (string, error) {
	path := host.at("written")
	return path, os.WriteFile(path, []byte(host.Marker+"\n"), 0o644)
}

func (host HostPath) makeNode() (string, error) {
	path := host.at("device")
	defer func() { _ = os.Remove(path) }()
	return path, syscall.Mknod(path, syscall.S_IFCHR|0o600, device(memoryMajor, memoryMinor))
}

func (host HostPath) parent() (string, error) {
	path := host.at("..", host.Outside)
	return path, host.has(path)
}

func (host HostPath) symbolicLink() (string, error) {
	path := host.at("link")
	defer func() { _ = os.Remove(path) }()
	if err := os.Symlink(filepath.Join("..", host.Outside), path); err != nil {
		return "symlink", err
	}
	return path, host.has(path)
}

func (host HostPath) hardLink() (string, error) {
	path := host.at("hard")
	defer func() { _ = os.Remove(path) }()
	if err := os.Link(host.at("..", host.Outside), path); err != nil {
		return "link", err
	}
	return path, host.has(path)
}

// race opens a file by way of `..` while the folder it goes through is moved to and fro: a server
// that walks the path step by step may then climb out of the mount.
func (host HostPath) race() (string, error) {
	high, low := host.at("high"), host.at(deep, "low")
	defer func() { _, _ = os.RemoveAll(high), os.RemoveAll(host.at(deep)) }()
	if err := os.MkdirAll(low, 0o755); err != nil {
		return "folders", err
	}
	var ended atomic.Bool
	moved := make(chan int)
	go func() {
		count := 0
		for !ended.Load() {
			if os.Rename(low, high) == nil && os.Rename(high, low) == nil {
				count++
			}
		}
		moved <- count
	}()
	tried, err := 0, error(syscall.ENOENT)
	for until := time.Now().Add(raceLength); time.Now().Before(until) && err != nil; tried++ {
		for _, path := range []string{
			host.at(deep, "low", "..", "..", "..", host.Outside),
			host.at("high", "..", "..", host.Outside),
		} {
			if found := host.has(path); found == nil || !errors.Is(found, syscall.ENOENT) {
				err = found
			}
		}
	}
	ended.Store(true)
	count := <-moved
	if count == 0 && errors.Is(err, syscall.ENOENT) {
		err = errNothingTried // a folder that never moved is no race
	}
	return fmt.Sprintf("moved %d times, tried %d times", count, tried), err
}

// swap opens a name that is by turns a file of the folder and a symbolic link out of it: a server that
// looks first and opens then may look at the one and open the other.
func (host HostPath) swap() (string, error) {
	name, plain := host.at("swap"), host.at("plain")
	target := filepath.Join("..", host.Outside)
	defer func() { _, _ = os.Remove(name), os.Remove(plain) }()
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		return "file", err
	}
	var ended atomic.Bool
	swapped := make(chan int)
	go func() {
		count := 0
		for !ended.Load() {
			_ = os.Remove(name)
			linked := os.Symlink(target, name)
			_ = os.Remove(name)
			if os.Link(plain, name) == nil && linked == nil {
				count++
			}
		}
		swapped <- count
	}()
	tried, err := 0, error(syscall.ENOENT)
	var number syscall.Errno
	for until := time.Now().Add(raceLength); time.Now().Before(until) && err != nil; tried++ {
		found := host.has(name)
		if found == nil || errors.As(found, &number) && number != syscall.ENOENT {
			err = found
		}
	}
	ended.Store(true)
	count := <-swapped
	if count == 0 && errors.Is(err, syscall.ENOENT) {
		err = errNothingTried
	}
	return fmt.Sprintf("swapped %d times, tried %d times", count, tried), err
}
