// Package probe makes single reads and connections, for tests that ask what can be reached.
package probe

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/simonvetter/modbus"

	"edge-lab/images/workload/internal/config"
	"edge-lab/images/workload/internal/device"
)

// Result is what is printed; exactly one of Error and the others says something.
type Result struct {
	OK        bool      `json:"ok"`
	Error     string    `json:"error,omitempty"`
	Registers []uint16  `json:"registers,omitempty"`
	Readings  []Reading `json:"readings,omitempty"`
	Value     any       `json:"value,omitempty"`
	Seconds   float64   `json:"seconds"`
}

// Reading is the value of an OPC UA node, with its source's time in ns since 1970.
type Reading struct {
	Value     any   `json:"value"`
	Timestamp int64 `json:"timestamp"`
}

// Modbus reads count holding registers from address on.
func Modbus(target string, address, count uint16) (Result, error) {
	client, err := device.DialModbus(target, 1)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = client.Close() }()
	registers, err := client.ReadRegisters(address, count, modbus.HOLDING_REGISTER)
	return Result{Registers: registers}, err
}

// OPCUA reads nodes in one session, by one request.
func OPCUA(ctx context.Context, url string, nodes []string, security config.Security) (Result, error) {
	wanted := make([]*ua.ReadValueID, 0, len(nodes))
	for _, node := range nodes {
		id, err := ua.ParseNodeID(node)
		if err != nil {
			return Result{}, fmt.Errorf("node %s: %w", node, err)
		}
		wanted = append(wanted, &ua.ReadValueID{NodeID: id, AttributeID: ua.AttributeIDValue})
	}
	client, err := device.DialOPCUA(ctx, url, security)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = client.Close(ctx) }()
	found, err := device.ReadNodes(ctx, client, wanted)
	if err != nil {
		return Result{}, err
	}
	result := Result{}
	for _, value := range found {
		result.Readings = append(result.Readings, Reading{
			Value: value.Value.Value(), Timestamp: value.SourceTimestamp.UnixNano(),
		})
	}
	return result, nil
}

// TCP opens a connection and closes it.
func TCP(ctx context.Context, target string) (Result, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
	if err != nil {
		return Result{}, err
	}
	return Result{}, connection.Close()
}

// Timed runs a probe and fills in how it went.
func Timed(limit time.Duration, probe func(ctx context.Context) (Result, error)) Result {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	type outcome struct {
		Result
		error
	}
	began := time.Now()
	done := make(chan outcome, 1)
	go func() {
		result, err := probe(ctx)
		done <- outcome{result, err}
	}()
	var found outcome
	select {
	case found = <-done:
	case <-ctx.Done():
		found.error = fmt.Errorf("no answer within %s", limit)
	}
	result := found.Result
	result.Seconds = time.Since(began).Seconds()
	result.OK = found.error == nil
	if found.error != nil {
		result.Error = found.error.Error()
	}
	return result
}
