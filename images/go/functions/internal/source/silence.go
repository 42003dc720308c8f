package source

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// silence is a broker that is connected and does not answer.
type silence struct {
	config     Config
	connection interface{ IsConnected() bool }
	since      time.Time
}

// note takes the outcome of a publish, and starts the broker anew when it was silent for too long.
func (s *silence) note(ctx context.Context, err error) {
	var answered *jetstream.APIError
	switch {
	case len(s.config.Restart) == 0, ctx.Err() != nil:
		return
	case err == nil, errors.As(err, &answered), !s.connection.IsConnected():
		s.since = time.Time{}
		return
	case s.since.IsZero():
		// It has been silent for as long as this publish has waited.
		s.since = time.Now()
		return
	case time.Since(s.since) < time.Duration(s.config.RestartAfterMs)*time.Millisecond:
		return
	}
	slog.Error("broker does not answer, it is started anew", "error", err)
	s.since = time.Time{}
	words := s.config.Restart
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := exec.CommandContext(limited, words[0], words[1:]...).Run(); err != nil {
		slog.Error("cannot be started anew", "error", err)
	}
}
