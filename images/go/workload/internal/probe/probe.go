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
	OK        bool     `json:"ok"`
	Error     string   `json:"error,omitempty"`
	Registers []uint16 `json:"registers,omitempty"`
	Value     any      `json:"value,omitempty"`
	Timestamp int64    `json:"timestamp,omitempty"`
	Seconds   float64  `json:"seconds"`
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

// OPCUA reads one node.
func OPCUA(ctx context.Context, url, node string, security config.Security) (Result, error) {
	id, err := ua.ParseNodeID(node)
	if err != nil {
		return Result{}, err
	}
	client, err := device.DialOPCUA(ctx, url, security)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = client.Close(ctx) }()
	results, err := device.ReadNodes(ctx, client,
		[]*ua.ReadValueID{{NodeID: id, AttributeID: ua.AttributeIDValue}})
	if err != nil {
		return Result{}, err
	}
	return Result{
		Value: results[0].Value.Value(), Timestamp: results[0].SourceTimestamp.UnixNano(),
	}, nil
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
