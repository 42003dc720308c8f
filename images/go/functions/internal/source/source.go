// Package source watches limits of devices, and publishes an event for each crossing.
//
// A crossing is in the source's journal before it is published, and is published until the broker
// says that it is stored: over restarts of both. The journal is what functions owe.
package source

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/simonvetter/modbus"

	"edge-lab/images/functions/internal/broker"
	"edge-lab/images/functions/internal/events"
	"edge-lab/images/functions/internal/journal"
)

// Device is one that speaks Modbus TCP. Its step number is in the registers 0 and 1.
type Device struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Unit    uint8  `json:"unit"`
}

// Config is what the source is told.
type Config struct {
	Node    string `json:"node"`
	Server  string `json:"server"`
	Journal string `json:"journal"`
	PollMs  int    `json:"poll_ms"`
	// Ways take turns, event by event, so that what the node does meanwhile is in all of them.
	Ways    []string       `json:"ways"`
	Devices []Device       `json:"devices"`
	Limits  []events.Limit `json:"limits"`
	// PayloadBytes is what an event carries to its function beside the value.
	PayloadBytes int `json:"payload_bytes"`
	// Restart is the command that starts the broker anew, and RestartAfterMs for how long it must
	// have been connected and without an answer before. nats-server 2.15.1 gives none for a stream
	// to which it could once not write, though there is room again, and says that it is well.
	Restart        []string `json:"restart,omitempty"`
	RestartAfterMs int      `json:"restart_after_ms,omitempty"`
}

// Line is one of the journal: `looks` when the source begins, `reads` when it has read a device for the
// first time since then, `crossed`, `rearmed`, and `stored` when the broker has an event.
type Line struct {
	What string `json:"what"`
	Time int64  `json:"time"`
	// Limit is the name of a limit, for `rearmed`.
	Limit string `json:"limit,omitempty"`
	// Device is what was read.
	Device string `json:"device,omitempty"`
	// ID is that of the event that is stored.
	ID    string        `json:"id,omitempty"`
	Event *events.Event `json:"event,omitempty"`
}

const (
	readLimit = 10 * time.Second
	firstWait = 250 * time.Millisecond
	mostWait  = 5 * time.Second
	queueSize = 4096
)

// Source is one node's.
type Source struct {
	config  Config
	log     *journal.Journal
	watches map[string]*events.Watch
	count   int
	queue   chan events.Event
}

// Run watches until ctx is done.
func Run(ctx context.Context, c Config) error {
	s := &Source{config: c, watches: map[string]*events.Watch{}, queue: make(chan events.Event, queueSize)}
	for _, limit := range c.Limits {
		s.watches[limit.Name()] = &events.Watch{}
	}
	owed, err := s.recover(c.Journal)
	if err != nil {
		return err
	}
	defer func() { _ = s.log.Close() }()
	connection, js, err := broker.Connect(c.Server, "source")
	if err != nil {
		return err
	}
	defer connection.Close()
	s.note(Line{What: "looks", Time: time.Now().UnixNano()})
	unanswered := &silence{config: c, connection: connection}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for _, event := range owed {
			s.publish(ctx, js, event, unanswered)
		}
		for {
			select {
			case <-ctx.Done():
				return
			case event := <-s.queue:
				s.publish(ctx, js, event, unanswered)
			}
		}
	}()
	seen := make(chan sight)
	for _, device := range c.Devices {
		go s.read(ctx, device, seen)
	}
	for {
		select {
		case <-ctx.Done():
			<-sent
			return nil
		case one := <-seen:
			s.see(ctx, one)
		}
	}
}

// note adds a line about the source itself to the journal, and says whether it could.
func (s *Source) note(line Line) bool {
	err := s.log.Add(line)
	if err != nil {
		slog.Warn("cannot be noted", "what", line.What, "error", err)
	}
	return err == nil
}

// recover takes up what the journal says: limits that are armed, and events that are not stored.
func (s *Source) recover(path string) ([]events.Event, error) {
	var order []string
	owed := map[string]events.Event{}
	log, err := journal.Open(path, func(text []byte) {
		var line Line
		if json.Unmarshal(text, &line) != nil {
			return
		}
		switch {
		case line.What == "crossed" && line.Event != nil:
			s.count++
			order = append(order, line.Event.ID)
			owed[line.Event.ID] = *line.Event
			if watch := s.watches[line.Event.Device+"."+line.Event.Point]; watch != nil {
				watch.Armed, watch.Known = false, true
			}
		case line.What == "rearmed":
			if watch := s.watches[line.Limit]; watch != nil {
				watch.Armed, watch.Known = true, true
			}
		case line.What == "stored":
			delete(owed, line.ID)
		}
	})
	s.log = log
	var found []events.Event
	for _, id := range order {
		if event, left := owed[id]; left {
			found = append(found, event)
		}
	}
	return found, err
}

// -- devices -------------------------------------------------------------------------------

type sight struct {
	limit events.Limit
	seq   uint64
	value int64
	at    time.Time
}

func (s *Source) read(ctx context.Context, device Device, seen chan<- sight) {
	wait := firstWait
	said, noted := "", false
	for ctx.Err() == nil {
		err := s.connection(ctx, device, seen, func(at time.Time) {
			noted = noted || s.note(Line{What: "reads", Time: at.UnixNano(), Device: device.Name})
			if said != "" {
				slog.Info("device is back", "device", device.Name)
			}
			wait, said = firstWait, ""
		})
		if ctx.Err() != nil {
			return
		}
		if err.Error() != said {
			said = err.Error()
			slog.Warn("device", "device", device.Name, "error", said)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, mostWait)
	}
}

func (s *Source) connection(ctx context.Context, device Device, seen chan<- sight, works func(time.Time)) error {
	client, err := modbus.NewClient(&modbus.ClientConfiguration{
		URL: "tcp://" + device.Address, Timeout: readLimit, Logger: log.New(io.Discard, "", 0),
	})
	if err != nil {
		return err
	}
	if err := client.Open(); err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if err := client.SetUnitId(device.Unit); err != nil {
		return err
	}
	var limits []events.Limit
	last := uint16(1)
	for _, limit := range s.config.Limits {
		if limit.Device == device.Name {
			limits = append(limits, limit)
			last = max(last, limit.Register+registers(limit.Kind)-1)
		}
	}
	ticker := time.NewTicker(time.Duration(s.config.PollMs) * time.Millisecond)
	defer ticker.Stop()
	for {
		block, err := client.ReadRegisters(0, last+1, modbus.HOLDING_REGISTER)
		if err != nil {
			return err
		}
		at := time.Now()
		if len(block) != int(last)+1 {
			return fmt.Errorf("%d registers instead of %d", len(block), last+1)
		}
		works(at)
		seq := uint64(block[0])<<16 | uint64(block[1])
		for _, limit := range limits {
			select {
			case seen <- sight{limit, seq, decode(block, limit), at}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func registers(kind string) uint16 {
	if kind == "int32" || kind == "uint32" {
		return 2
	}
	return 1
}

func decode(block []uint16, limit events.Limit) int64 {
	high := block[limit.Register]
	switch limit.Kind {
	case "int32":
		return int64(int32(uint32(high)<<16 | uint32(block[limit.Register+1])))
	case "uint32":
		return int64(uint32(high)<<16 | uint32(block[limit.Register+1]))
	case "int16":
		return int64(int16(high))
	}
	return int64(high)
}

// -- events --------------------------------------------------------------------------------

func (s *Source) see(ctx context.Context, one sight) {
	watch := s.watches[one.limit.Name()]
	before := *watch
	line := Line{Time: one.at.UnixNano()}
	switch watch.See(one.limit, one.value) {
	case events.Nothing:
		return
	case events.Rearmed:
		line.What, line.Limit = "rearmed", one.limit.Name()
	case events.Crossed:
		limit := one.limit
		line.What = "crossed"
		line.Event = &events.Event{
			ID:   events.ID(s.config.Node, limit.Device, limit.Point, one.seq),
			Node: s.config.Node, Way: s.config.Ways[s.count%len(s.config.Ways)],
			Device: limit.Device, Point: limit.Point,
			Seq: one.seq, Value: one.value, Read: one.at.UnixNano(),
		}
	}
	if err := s.log.Add(line); err != nil {
		// Seen again at the next read, if the value is still there.
		*watch = before
		slog.Error("cannot be noted", "what", line.What, "error", err)
		return
	}
	if line.Event != nil {
		s.count++
		select {
		case s.queue <- *line.Event:
		case <-ctx.Done():
		}
	}
}

// publish does it until the broker has stored the event.
func (s *Source) publish(
	ctx context.Context, js jetstream.JetStream, event events.Event, unanswered *silence,
) {
	err := broker.Again(ctx, "event "+event.ID, func(ctx context.Context) error {
		event.Payload = strings.Repeat(".", s.config.PayloadBytes)
		err := Publish(ctx, js, event)
		unanswered.note(ctx, err)
		return err
	})
	if err != nil {
		return // the next process does it
	}
	line := Line{What: "stored", Time: time.Now().UnixNano(), ID: event.ID}
	if err := s.log.Add(line); err != nil {
		slog.Warn("cannot be noted", "what", line.What, "id", event.ID, "error", err)
	}
}

// Publish gives one event to the broker and waits until it is stored. The same event may be published
// again: the broker takes it once within broker.RepeatedFor, and functions once for ever.
func Publish(ctx context.Context, js jetstream.JetStream, event events.Event) error {
	text, err := json.Marshal(event)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, broker.AskLimit)
	defer cancel()
	_, err = js.Publish(ctx, events.Subject(event.Node, event.Way), text,
		jetstream.WithMsgID(event.ID), jetstream.WithExpectStream(events.Stream))
	return err
}
