// Package wire holds what sampler and collector say to each other.
package wire

import "encoding/json"

// Sample is what one device showed at one step, as one node read it.
type Sample struct {
	Node   string `json:"node"`
	Device string `json:"device"`
	// Number counts this node's samples of this device from 1, without a gap.
	Number uint64 `json:"number"`
	// Seq is the device's own number of the step.
	Seq uint64 `json:"seq"`
	// Sampled is the node's clock at the read, ns since 1970.
	Sampled int64 `json:"sampled"`
	// Values are the points by name. They stay as the text that was read: a number
	// that goes through float64 and back may come out another.
	Values json.RawMessage `json:"values"`
	// Received is the collector's clock at the first arrival, ns since 1970.
	Received int64 `json:"received,omitempty"`
}

// Batch is what a sampler hands over at once.
type Batch struct {
	Samples []Sample `json:"samples"`
}

// Accepted answers a Batch: every sample of it is on the collector's disk.
type Accepted struct {
	Stored   int `json:"stored"`
	Repeated int `json:"repeated"`
}

// Counts is how far one device's samples are, on a sampler.
type Counts struct {
	// Sampled is the highest number given out, Acknowledged the highest that the
	// collector has. Waiting are on disk and not acknowledged.
	Sampled      uint64 `json:"sampled"`
	Acknowledged uint64 `json:"acknowledged"`
	Waiting      uint64 `json:"waiting"`
	// Sent counts samples handed to the network, again and again if need be, since
	// the process began.
	Sent       uint64 `json:"sent"`
	LastSeq    uint64 `json:"last_seq"`
	ReadErrors uint64 `json:"read_errors"`
	Connected  bool   `json:"connected"`
	LastError  string `json:"last_error"`
}

// Identity is the certificate that a process shows to its peers, by the Workload API.
type Identity struct {
	ID     string `json:"id"`
	Serial string `json:"serial"`
	// NotBefore and NotAfter bound its validity, ns since 1970.
	NotBefore int64 `json:"not_before"`
	NotAfter  int64 `json:"not_after"`
}

// SamplerStatus is the whole of a sampler.
type SamplerStatus struct {
	Node string `json:"node"`
	// Time is when this was true, Started when the process began; ns since 1970.
	Time       int64             `json:"time"`
	Started    int64             `json:"started"`
	Devices    map[string]Counts `json:"devices"`
	SendErrors uint64            `json:"send_errors"`
	LastError  string            `json:"last_error"`
	// Handed is when the collector last took samples, ns since 1970; 0 if never.
	Handed int64 `json:"handed"`
	// Identity is nil for a sampler that has none.
	Identity *Identity `json:"identity,omitempty"`
}

// Arrived is what a collector has of one device on one node.
type Arrived struct {
	Node     string `json:"node"`
	Device   string `json:"device"`
	Arrived  uint64 `json:"arrived"`
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
	Repeated uint64 `json:"repeated"`
	// Conflicts are samples that came under a taken number with other content.
	Conflicts uint64 `json:"conflicts"`
}
