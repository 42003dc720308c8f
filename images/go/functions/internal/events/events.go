// Package events has what a device's limit gives rise to, and how that is called on the broker.
package events

import (
	"fmt"
	"strings"
)

// Event is one crossing of a limit, once and for all: its ID is made of the device's own step.
type Event struct {
	ID     string `json:"id"`
	Node   string `json:"node"`
	Way    string `json:"way"`
	Device string `json:"device"`
	Point  string `json:"point"`
	// Seq is the number of the device's step, which is in its ground truth.
	Seq   uint64 `json:"seq"`
	Value int64  `json:"value"`
	// Read is when the node had read it, ns since 1970.
	Read int64 `json:"read"`
	// Payload is what else an event carries to its function; logs leave it out.
	Payload string `json:"payload,omitempty"`
}

// Stream is the name of a node's stream of events.
const Stream = "EVENTS"

// CloudStream has copies of the events of all edge nodes, on the server.
const CloudStream = "CLOUD_EVENTS"

// Subject is where events of a node for one way are published. It begins with the node's name, so
// that no other node's stream takes them when their brokers are connected.
func Subject(node, way string) string { return fmt.Sprintf("events.%s.%s", node, way) }

// Consumer is the name of the durable consumer of one way.
func Consumer(way string) string { return "handle-" + way }

// ID of a crossing.
func ID(node, device, point string, seq uint64) string {
	return strings.Join([]string{node, device, point, fmt.Sprint(seq)}, ".")
}

// Limit is a limit of one point of a device. Over Above it is crossed, once, until the value has
// been below AgainBelow.
type Limit struct {
	Device     string `json:"device"`
	Point      string `json:"point"`
	Register   uint16 `json:"register"`
	Kind       string `json:"kind"`
	Above      int64  `json:"above"`
	AgainBelow int64  `json:"again_below"`
}

// Name of the limit, unique on a node.
func (l Limit) Name() string { return l.Device + "." + l.Point }

// Watch is one limit being watched.
type Watch struct {
	// Armed is whether the next value over the limit crosses it.
	Armed bool
	// Known is whether any value was seen: without one, a value over the limit may have been there
	// for long.
	Known bool
}

// Change is what a value does.
type Change int

const (
	Nothing Change = iota
	Crossed
	Rearmed
)

// See takes the next value.
func (w *Watch) See(l Limit, value int64) Change {
	known := w.Known
	w.Known = true
	switch {
	case value > l.Above && w.Armed:
		w.Armed = false
		return Crossed
	case value < l.AgainBelow && (!w.Armed || !known):
		w.Armed = true
		return Rearmed
	}
	return Nothing
}
