package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

type link bool

func (l link) IsConnected() bool { return bool(l) }

var errSilent = context.DeadlineExceeded

func silent(t *testing.T, connected bool) (*silence, func() bool) {
	t.Helper()
	mark := filepath.Join(t.TempDir(), "restarted")
	config := Config{Restart: []string{"touch", mark}, RestartAfterMs: 20_000}
	return &silence{config: config, connection: link(connected)}, func() bool {
		_, err := os.Stat(mark)
		return err == nil
	}
}

func TestABrokerThatIsSilentForLongIsStartedAnew(t *testing.T) {
	s, restarted := silent(t, true)
	s.note(t.Context(), errSilent)
	s.note(t.Context(), errSilent)
	if restarted() {
		t.Fatal("at once")
	}
	s.since = time.Now().Add(-time.Minute)
	s.note(t.Context(), errSilent)
	if !restarted() || !s.since.IsZero() {
		t.Fatal("never")
	}
}

func TestABrokerThatAnswersIsLeftAlone(t *testing.T) {
	refused := errors.Join(errors.New("publish"), &jetstream.APIError{Code: 503})
	for _, outcome := range []error{nil, refused} {
		s, restarted := silent(t, true)
		s.since = time.Now().Add(-time.Minute)
		s.note(t.Context(), outcome)
		s.note(t.Context(), errSilent)
		if restarted() {
			t.Fatal(outcome)
		}
	}
}

func TestABrokerThatIsNotThereIsLeftToSystemd(t *testing.T) {
	s, restarted := silent(t, false)
	s.since = time.Now().Add(-time.Minute)
	s.note(t.Context(), errSilent)
	if restarted() {
		t.Fatal("restarted")
	}
}
