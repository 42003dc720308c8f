package activator

import (
	"os"
	"path/filepath"
	"testing"

	"edge-lab/images/functions/internal/journal"
)

func sleeping(t *testing.T) (*sleeper, string) {
	t.Helper()
	folder := t.TempDir()
	log, err := journal.Open(filepath.Join(folder, "log"), func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	mark := filepath.Join(folder, "runs")
	way := Way{Name: "process", Start: []string{"touch", mark}, Stop: []string{"rm", "-f", mark}}
	return &sleeper{way: way, log: log}, mark
}

func runs(mark string) bool {
	_, err := os.Stat(mark)
	return err == nil
}

// The broker may not answer the first query after a boot: later events must still wake functions.
func TestAnActivatorThatDoesNotKnowWhatRunsStartsItWhenSomethingIsOwed(t *testing.T) {
	s, mark := sleeping(t)
	s.awake, s.unknown = true, true
	s.wake(t.Context(), "backlog")
	if !runs(mark) || s.unknown {
		t.Fatal("not started")
	}
}

func TestWhatIsKnownToRunIsNotStartedAgain(t *testing.T) {
	s, mark := sleeping(t)
	s.awake = true
	s.wake(t.Context(), "event")
	if runs(mark) {
		t.Fatal("started again")
	}
}

func TestWhatIsPutToSleepIsWokenAgain(t *testing.T) {
	s, mark := sleeping(t)
	s.wake(t.Context(), "event")
	s.sleep(t.Context())
	if runs(mark) || s.awake {
		t.Fatal("runs on")
	}
	s.wake(t.Context(), "event")
	if !runs(mark) {
		t.Fatal("not woken")
	}
}
