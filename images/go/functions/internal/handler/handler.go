// Package handler is a function: it does something for each event, once.
package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"edge-lab/images/functions/internal/broker"
	"edge-lab/images/functions/internal/events"
	"edge-lab/images/functions/internal/journal"
)

// When an event is acknowledged.
const (
	After  = "after"
	Before = "before"
	Never  = "never"
)

// Config is what a function is told.
type Config struct {
	Way    string
	Server string
	// Records is the log of what was done.
	Records string
	// Acknowledge is After the record is on the disk. Before is at most once, as many functions are
	// written: an event is lost with the process. Never is a function that forgets to.
	Acknowledge string
	// Forgetful does not look whether an event was handled before.
	Forgetful bool
	// Work is how long the work for one event takes.
	Work time.Duration
}

// Record is one line of the log: `began` once in the life of a process, `handled` for each event
// that was done, `repeated` for each that came again and was not.
type Record struct {
	What      string `json:"what"`
	Way       string `json:"way"`
	Time      int64  `json:"time"`
	Process   int    `json:"process"`
	ID        string `json:"id,omitempty"`
	Seq       uint64 `json:"seq,omitempty"`
	Value     int64  `json:"value,omitempty"`
	Delivered int64  `json:"delivered,omitempty"`
	// Attempt is how often it was delivered, this time among them.
	Attempt uint64 `json:"attempt,omitempty"`
}

const (
	batch    = 16
	waitFor  = 5 * time.Second
	tryAgain = 5 * time.Second
)

// Function is one process of it.
type Function struct {
	config  Config
	log     *journal.Journal
	handled map[string]bool
	began   int64
}

// Run handles events until ctx is done. began is when the process began.
func Run(ctx context.Context, c Config, began time.Time) error {
	f := &Function{config: c, handled: map[string]bool{}, began: began.UnixNano()}
	log, err := journal.Open(c.Records, func(line []byte) {
		var record Record
		if json.Unmarshal(line, &record) == nil && record.What == "handled" {
			f.handled[record.ID] = true
		}
	})
	if err != nil {
		return err
	}
	f.log = log
	defer func() { _ = log.Close() }()
	if err := log.Add(f.record("began", f.began)); err != nil {
		// Without it nobody knows when this process began; events are handled all the same.
		slog.Warn("cannot be recorded", "error", err)
	}
	connection, js, err := broker.Connect(c.Server, "function "+c.Way)
	if err != nil {
		return err
	}
	defer connection.Close()
	var consumer jetstream.Consumer
	find := func(ctx context.Context) error {
		consumer, err = js.Consumer(ctx, events.Stream, events.Consumer(c.Way))
		return err
	}
	if err := broker.Again(ctx, "consumer", find); err != nil {
		return nil // ended before there was anything to do
	}
	for ctx.Err() == nil {
		if err := f.some(ctx, consumer); err != nil {
			slog.Warn("events", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
	return nil
}

// some handles what comes within waitFor.
func (f *Function) some(ctx context.Context, consumer jetstream.Consumer) error {
	limited, cancel := context.WithTimeout(ctx, waitFor)
	defer cancel()
	messages, err := consumer.Fetch(batch, jetstream.FetchContext(limited))
	if err != nil {
		return err
	}
	for message := range messages.Messages() {
		if ctx.Err() != nil {
			_ = message.Nak() // the next process has it at once
			continue
		}
		if err := f.one(ctx, message); err != nil {
			slog.Warn("event", "error", err)
			_ = message.NakWithDelay(tryAgain)
		}
	}
	err = messages.Error()
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (f *Function) one(ctx context.Context, message jetstream.Msg) error {
	delivered := time.Now().UnixNano()
	var event events.Event
	if err := json.Unmarshal(message.Data(), &event); err != nil || event.ID == "" {
		slog.Error("no event", "subject", message.Subject())
		return message.Term()
	}
	about, err := message.Metadata()
	if err != nil {
		return err
	}
	record := f.record("repeated", 0)
	record.ID, record.Seq, record.Value = event.ID, event.Seq, event.Value
	record.Delivered, record.Attempt = delivered, about.NumDelivered
	if f.handled[event.ID] && !f.config.Forgetful {
		record.Time = time.Now().UnixNano()
		if err := f.log.Add(record); err != nil {
			return err
		}
		return f.acknowledge(ctx, message, After)
	}
	if err := f.acknowledge(ctx, message, Before); err != nil {
		return err
	}
	if f.config.Work > 0 {
		// Not ended by ctx: what was begun is done.
		time.Sleep(f.config.Work)
	}
	record.What, record.Time = "handled", time.Now().UnixNano()
	if err := f.log.Add(record); err != nil {
		return err
	}
	f.handled[event.ID] = true
	return f.acknowledge(ctx, message, After)
}

// acknowledge does it if this is when the function does, and waits until the broker says so.
func (f *Function) acknowledge(ctx context.Context, message jetstream.Msg, now string) error {
	if f.config.Acknowledge != now {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), broker.AskLimit)
	defer cancel()
	if err := message.DoubleAck(ctx); err != nil {
		return fmt.Errorf("not acknowledged: %w", err)
	}
	return nil
}

func (f *Function) record(what string, at int64) Record {
	return Record{What: what, Way: f.config.Way, Time: at, Process: os.Getpid()}
}
