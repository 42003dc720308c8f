package journal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func lines(t *testing.T, path string) []string {
	t.Helper()
	var found []string
	log, err := Open(path, func(line []byte) { found = append(found, string(line)) })
	if err != nil {
		t.Fatal(err)
	}
	_ = log.Close()
	return found
}

func add(t *testing.T, path string, records ...any) {
	t.Helper()
	log, err := Open(path, func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	for _, record := range records {
		if err := log.Add(record); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLinesAreThereAfterTheNextOpening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "log.jsonl")
	add(t, path, map[string]int{"n": 1})
	add(t, path, map[string]int{"n": 2})
	if got := strings.Join(lines(t, path), " "); got != `{"n":1} {"n":2}` {
		t.Fatal(got)
	}
}

func TestATornLineTakesNoOtherWithIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	add(t, path, map[string]int{"n": 1})
	content, _ := os.ReadFile(path)
	end := strings.IndexByte(string(content), 0)
	copy(content[end:], `{"n":`)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	add(t, path, map[string]int{"n": 2})
	if got := strings.Join(lines(t, path), " "); got != `{"n":1} {"n":2}` {
		t.Fatal(got)
	}
}

func TestRoomIsReservedBeforeItIsNeeded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	add(t, path, map[string]int{"n": 1})
	about, err := os.Stat(path)
	if err != nil || about.Size() != Reserved {
		t.Fatal(about, err)
	}
	long := strings.Repeat("x", Reserved)
	add(t, path, long, map[string]int{"n": 2})
	if got := lines(t, path); len(got) != 3 {
		t.Fatal(len(got))
	}
}
