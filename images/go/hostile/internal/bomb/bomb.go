// Package bomb uses up what a pod is given, up to a limit of its own, and says how far it got.
//
// What stops it is for the pod's limits to do. A pod that is killed has said how far it was.
package bomb

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"edge-lab/images/hostile/internal/errnos"
)

// Child is the word by which the program is started as a process that only is there.
const Child = "wait"

// Progress is a line: how far it has got, the last one with what stopped it.
type Progress struct {
	Bomb    string `json:"bomb"`
	Limit   int    `json:"limit"`
	Reached int    `json:"reached"`
	Done    bool   `json:"done"`
	Errno   string `json:"errno"`
	Detail  string `json:"detail"`
}

// Place is where a bomb goes off.
type Place struct {
	Folder string // where files are made
	Peer   string // host:port that datagrams are sent to
}

// step uses up the one with this number; done frees all.
type step func(number int) error

type kind struct {
	every int // steps between lines
	start func(place Place) (step, func())
}

var kinds = map[string]kind{
	"fork":   {25, processes},
	"memory": {16, memory},
	"files":  {256, openFiles},
	"disk":   {16, disk},
	"inodes": {1000, inodes},
	"cpu":    {1, spinning},
	"cache":  {1, caching},
	"flood":  {1, flooding},
	"idle":   {1, idling},
}

const log = "log" // its lines are the bomb

// Known says whether there is a bomb of that name.
func Known(name string) bool {
	_, ok := kinds[name]
	return ok || name == log
}

// Explode goes on until the limit, or until something stops it. It says so, keeps what it took until
// hold returns, and gives it back.
func Explode(name string, limit int, place Place, out io.Writer, hold func()) error {
	if name == log {
		err := chatter(limit, out)
		hold()
		return err
	}
	return explode(name, kinds[name], limit, place, out, hold)
}

func explode(name string, kind kind, limit int, place Place, out io.Writer, hold func()) error {
	lines := json.NewEncoder(out)
	progress := Progress{Bomb: name, Limit: limit}
	next, done := kind.start(place)
	defer done()
	for progress.Reached < limit {
		if err := next(progress.Reached); err != nil {
			progress.Errno, progress.Detail = errnos.Of(err), err.Error()
			break
		}
		progress.Reached++
		if progress.Reached%kind.every == 0 && progress.Reached < limit {
			if err := lines.Encode(progress); err != nil {
				return err
			}
		}
	}
	progress.Done = true
	err := lines.Encode(progress)
	hold()
	return err
}

// Wait is what a process does that only is there: until its parent has ended, ten minutes at most.
func Wait() {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Minute):
	}
}

func processes(Place) (step, func()) {
	reader, writer, err := os.Pipe()
	var started []*exec.Cmd
	next := func(int) error {
		if err != nil {
			return err
		}
		command := exec.Command("/proc/self/exe", Child)
		command.Stdin = reader
		if err := command.Start(); err != nil {
			return err
		}
		started = append(started, command)
		return nil
	}
	return next, func() {
		if err == nil {
			_, _ = reader.Close(), writer.Close()
		}
		for _, command := range started {
			_ = command.Process.Kill()
			_ = command.Wait()
		}
	}
}

const mebibyte = 1 << 20

func memory(Place) (step, func()) {
	var held [][]byte
	next := func(number int) error {
		room, err := syscall.Mmap(-1, 0, mebibyte, syscall.PROT_READ|syscall.PROT_WRITE,
			syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			return err
		}
		for at := 0; at < len(room); at += os.Getpagesize() {
			room[at] = byte(number)
		}
		held = append(held, room)
		return nil
	}
	return next, func() {
		for _, room := range held {
			_ = syscall.Munmap(room)
		}
	}
}

// openFiles opens pipes: two files a call, which counts where system calls are slow.
func openFiles(Place) (step, func()) {
	var held []int
	spare := false // the second end of the last pipe, not counted yet
	next := func(int) error {
		if spare {
			spare = false
			return nil
		}
		var ends [2]int
		if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
			return err
		}
		held = append(held, ends[0], ends[1])
		spare = true
		return nil
	}
	return next, func() {
		for _, file := range held {
			_ = syscall.Close(file)
		}
	}
}

func disk(place Place) (step, func()) {
	file, err := os.CreateTemp(place.Folder, "bomb")
	room := make([]byte, mebibyte)
	next := func(number int) error {
		if err != nil {
			return err
		}
		room[0] = byte(number)
		if _, err := file.Write(room); err != nil {
			return err
		}
		return file.Sync()
	}
	return next, func() {
		if err == nil {
			_, _ = file.Close(), os.Remove(file.Name())
		}
	}
}

func inodes(place Place) (step, func()) {
	own, err := os.MkdirTemp(place.Folder, "bomb")
	next := func(number int) error {
		if err != nil {
			return err
		}
		file, err := os.Create(filepath.Join(own, fmt.Sprint(number)))
		if err != nil {
			return err
		}
		return file.Close()
	}
	return next, func() {
		if err == nil {
			_ = os.RemoveAll(own)
		}
	}
}

// spinning keeps all CPUs busy; each step is a second of it.
func spinning(Place) (step, func()) {
	ended := make(chan struct{})
	for range runtime.NumCPU() {
		go func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
			}
		}()
	}
	next := func(int) error {
		time.Sleep(time.Second)
		return nil
	}
	return next, func() { close(ended) }
}

// cachedMebibytes is the size of the file that passes through the page cache again and again.
const cachedMebibytes = 256

// caching writes and reads a file; each step is a second of it.
func caching(place Place) (step, func()) {
	file, err := os.CreateTemp(place.Folder, "cache")
	room := make([]byte, mebibyte)
	var count int64
	next := func(int) error {
		if err != nil {
			return err
		}
		for until := time.Now().Add(time.Second); time.Now().Before(until); count++ {
			at := count % cachedMebibytes * mebibyte
			if _, err := file.WriteAt(room, at); err != nil {
				return err
			}
			if _, err := file.ReadAt(room, at); err != nil {
				return err
			}
		}
		return nil
	}
	return next, func() {
		if err == nil {
			_, _ = file.Close(), os.Remove(file.Name())
		}
	}
}

const datagramLength = 1200 // bytes, which no network of a lab takes apart

// flooding sends datagrams as fast as they are taken; each step is a second of it. That nobody listens
// there is no error of it.
func flooding(place Place) (step, func()) {
	peer, err := net.Dial("udp", place.Peer)
	datagram := make([]byte, datagramLength)
	next := func(int) error {
		if err != nil {
			return err
		}
		for until := time.Now().Add(time.Second); time.Now().Before(until); {
			_, _ = peer.Write(datagram)
		}
		return nil
	}
	return next, func() {
		if err == nil {
			_ = peer.Close()
		}
	}
}

// idling takes nothing: a second of it is what the others are compared with.
func idling(Place) (step, func()) {
	next := func(int) error {
		time.Sleep(time.Second)
		return nil
	}
	return next, func() {}
}

// chatter writes `limit` KiB of log.
func chatter(limit int, out io.Writer) error {
	line := strings.Repeat("x", 1023) + "\n"
	for range limit {
		if _, err := io.WriteString(out, line); err != nil {
			return err
		}
	}
	return json.NewEncoder(out).Encode(Progress{Bomb: log, Limit: limit, Reached: limit, Done: true})
}
