package source

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"edge-lab/images/functions/internal/broker"
	"edge-lab/images/functions/internal/events"
	"edge-lab/images/functions/internal/journal"
)

// Storm publishes count events at once, as if that many limits were crossed together. What is stored
// is in the journal afterwards, as a source writes it.
func Storm(
	ctx context.Context, server, node, way string, count, payload int, path string,
) error {
	log, err := journal.Open(path, func([]byte) {})
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	connection, js, err := broker.Connect(server, "storm")
	if err != nil {
		return err
	}
	defer connection.Close()
	began := time.Now()
	type sent struct {
		event  events.Event
		stored jetstream.PubAckFuture
	}
	var all []sent
	for number := range count {
		event := events.Event{
			ID:   events.ID(node, "storm", fmt.Sprint(began.UnixMilli()), uint64(number)),
			Node: node, Way: way, Device: "storm", Point: "storm", Seq: uint64(number),
			Read: time.Now().UnixNano(), Payload: strings.Repeat(".", payload),
		}
		text, err := json.Marshal(event)
		event.Payload = ""
		if err != nil {
			return err
		}
		stored, err := js.PublishAsync(events.Subject(node, way), text, jetstream.WithMsgID(event.ID),
			jetstream.WithExpectStream(events.Stream), jetstream.WithStallWait(broker.AskLimit))
		if err != nil {
			return err
		}
		all = append(all, sent{event, stored})
	}
	refused := 0
	var lines []any
	for _, one := range all {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-one.stored.Ok():
			lines = append(lines, Line{What: "crossed", Time: one.event.Read, Event: &one.event},
				Line{What: "stored", Time: time.Now().UnixNano(), ID: one.event.ID})
		case err := <-one.stored.Err():
			if refused++; refused == 1 {
				fmt.Println(err)
			}
		}
	}
	if err := log.Add(lines...); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"count": count, "refused": refused, "seconds": time.Since(began).Seconds(),
	})
}
