// Package activator wakes functions on their node when there is something to do, and puts them back
// to sleep when there is not. Nothing in it asks the cloud.
package activator

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"edge-lab/images/functions/internal/broker"
	"edge-lab/images/functions/internal/events"
	"edge-lab/images/functions/internal/journal"
)

// Way is how one function is woken: by commands, or by a manifest that the kubelet finds.
type Way struct {
	Name  string   `json:"name"`
	Start []string `json:"start,omitempty"`
	Stop  []string `json:"stop,omitempty"`
	// Manifest is the pod as a file; `{activation}` in it is another number each time, so that the
	// kubelet takes it for another pod. Into is where it is put.
	Manifest string `json:"manifest,omitempty"`
	Into     string `json:"into,omitempty"`
}

// Config is what the activator is told.
type Config struct {
	Node    string `json:"node"`
	Server  string `json:"server"`
	Journal string `json:"journal"`
	// IdleMs is for how long nothing must be owed before a function is put to sleep.
	IdleMs int   `json:"idle_ms"`
	Ways   []Way `json:"ways"`
}

// Line is one of the journal.
type Line struct {
	What string `json:"what"`
	Way  string `json:"way"`
	Time int64  `json:"time"`
	// Why is what woke it: the event as it was published, or what was owed when the broker was asked.
	Why string `json:"why,omitempty"`
}

// lookEvery is how often the broker is asked what is owed. An event that is published wakes at once.
const lookEvery = 2 * time.Second

// commandLimit is for a command; a unit that starts must not hold up those of other ways.
const commandLimit = time.Minute

// Run wakes and puts to sleep until ctx is done.
func Run(ctx context.Context, c Config) error {
	log, err := journal.Open(c.Journal, func([]byte) {})
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	connection, js, err := broker.Connect(c.Server, "activator")
	if err != nil {
		return err
	}
	defer connection.Close()
	var group sync.WaitGroup
	for _, way := range c.Ways {
		if way.Into != "" {
			// Now, so that the kubelet watches it: it looks for one that is not there ever more rarely.
			if err := os.MkdirAll(filepath.Dir(way.Into), 0o755); err != nil {
				return err
			}
		}
		bell := make(chan struct{}, 1)
		_, err := connection.Subscribe(events.Subject(c.Node, way.Name), func(*nats.Msg) {
			select {
			case bell <- struct{}{}:
			default:
			}
		})
		if err != nil {
			return err
		}
		group.Add(1)
		go func() {
			defer group.Done()
			one := sleeper{way: way, idle: time.Duration(c.IdleMs) * time.Millisecond, log: log}
			one.run(ctx, js, bell)
		}()
	}
	group.Wait()
	return nil
}

type sleeper struct {
	way   Way
	idle  time.Duration
	log   *journal.Journal
	awake bool
	// unknown is whether nobody knows what ran before the activator did: it is started if something
	// is owed, which changes nothing where it runs, and put to sleep if not.
	unknown bool
	owed    time.Time
}

func (s *sleeper) run(ctx context.Context, js jetstream.JetStream, bell <-chan struct{}) {
	s.awake, s.unknown, s.owed = true, true, time.Now()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for first := true; ; first = false {
		if !first {
			select {
			case <-ctx.Done():
				return
			case <-bell:
				s.owed = time.Now()
				s.wake(ctx, "event")
				continue
			case <-ticker.C:
			}
		}
		backlog, err := broker.BacklogOf(ctx, js, s.way.Name)
		if err != nil {
			if !first && ctx.Err() == nil {
				slog.Warn("broker", "way", s.way.Name, "error", err)
			}
			// It is not known whether anything is owed: nothing is put to sleep.
			s.owed = time.Now()
			continue
		}
		switch {
		case backlog.Owes():
			s.owed = time.Now()
			s.wake(ctx, "backlog")
		case s.awake && time.Since(s.owed) >= s.idle:
			s.sleep(ctx)
		}
	}
}

func (s *sleeper) wake(ctx context.Context, why string) {
	if s.awake && !s.unknown {
		return
	}
	at := time.Now()
	if err := s.way.start(ctx, at); err != nil {
		slog.Error("cannot be woken", "way", s.way.Name, "error", err)
		return // tried again at the next look
	}
	s.awake, s.unknown = true, false
	s.note("woke", at, why)
}

func (s *sleeper) sleep(ctx context.Context) {
	if err := s.way.stop(ctx); err != nil {
		slog.Error("cannot be put to sleep", "way", s.way.Name, "error", err)
		return
	}
	s.awake, s.unknown = false, false
	s.note("slept", time.Now(), "")
}

func (s *sleeper) note(what string, at time.Time, why string) {
	line := Line{What: what, Way: s.way.Name, Time: at.UnixNano(), Why: why}
	if err := s.log.Add(line); err != nil {
		slog.Warn("cannot be noted", "what", what, "way", s.way.Name, "error", err)
	}
}

func (w Way) start(ctx context.Context, now time.Time) error {
	if w.Manifest == "" {
		return command(ctx, w.Start)
	}
	text, err := os.ReadFile(w.Manifest)
	if err != nil {
		return err
	}
	pod := strings.ReplaceAll(string(text), "{activation}", fmt.Sprint(now.UnixMilli()))
	// Not there, but beside it: the kubelet reads whatever it finds in the folder.
	folder := filepath.Dir(w.Into)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	draft := folder + ".new"
	if err := os.WriteFile(draft, []byte(pod), 0o644); err != nil {
		return err
	}
	return os.Rename(draft, w.Into)
}

func (w Way) stop(ctx context.Context) error {
	if w.Manifest == "" {
		return command(ctx, w.Stop)
	}
	if err := os.Remove(w.Into); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

func command(ctx context.Context, words []string) error {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	said, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %.200s", words[0], err, said)
	}
	return nil
}
