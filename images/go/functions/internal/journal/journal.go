// Package journal has a log of JSON lines, each of which is on the disk when Add returns.
//
// Its room is reserved in steps, so that it goes on for a while when the disk is full. A line that a
// loss of power tore is passed over.
package journal

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Reserved is how many bytes are reserved at once: about two thousand lines.
const Reserved = 512 << 10

// Journal is one log. It may be used by several goroutines, but by one process alone.
type Journal struct {
	mutex sync.Mutex
	file  *os.File
	end   int64
	size  int64
}

// Open opens or makes a log, and gives each whole line of it to see.
func Open(path string, see func(line []byte)) (*Journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	written := bytes.TrimRight(content, "\x00")
	j := &Journal{file: file, end: int64(len(written)), size: int64(len(content))}
	if len(written) > 0 && written[len(written)-1] != '\n' {
		// Torn: the next line must not be taken with it.
		if _, err := file.WriteAt([]byte("\n"), j.end); err != nil {
			_ = file.Close()
			return nil, err
		}
		j.end++
		j.size = max(j.size, j.end)
	}
	for _, line := range bytes.Split(written, []byte("\n")) {
		if json.Valid(line) {
			see(line)
		}
	}
	return j, nil
}

// Add writes records. After an error the log is as it was.
func (j *Journal) Add(records ...any) error {
	var line []byte
	for _, record := range records {
		text, err := json.Marshal(record)
		if err != nil {
			return err
		}
		line = append(append(line, text...), '\n')
	}
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.end+int64(len(line)) > j.size {
		length := max(Reserved, int64(len(line)))
		if err := syscall.Fallocate(int(j.file.Fd()), 0, j.size, length); err != nil {
			return err
		}
		j.size += length
	}
	if _, err := j.file.WriteAt(line, j.end); err != nil {
		return err
	}
	if err := syscall.Fdatasync(int(j.file.Fd())); err != nil {
		return err
	}
	j.end += int64(len(line))
	return nil
}

// Close ends the use of the log.
func (j *Journal) Close() error { return j.file.Close() }
