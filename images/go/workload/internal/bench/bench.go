// Package bench times what a sampler does all day: it reads a device, and keeps what it has read.
package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"edge-lab/images/workload/internal/buffer"
	"edge-lab/images/workload/internal/config"
	"edge-lab/images/workload/internal/device"
)

// Result is what is printed; all times are of this process's monotonic clock.
type Result struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	// ConnectSeconds is how long the device's connection took to open.
	ConnectSeconds float64 `json:"connect_s"`
	// ReadSeconds has an entry for each read of the device, in their order.
	ReadSeconds []float64 `json:"read_s"`
	// Samples were read and kept on disk, one after the other, in SampleSeconds.
	Samples       int     `json:"samples"`
	SampleSeconds float64 `json:"samples_s"`
}

// Modbus is a device whose first registers are read: its steps, and whatever comes after them.
func Modbus(address string, registers int) config.Device {
	d := config.Device{
		Name: "bench", Protocol: config.Modbus, Address: address,
		Points: []config.Point{{Name: config.Sequence, Kind: "uint32"}},
	}
	for at := 2; at < registers; at++ {
		point := config.Point{Name: fmt.Sprintf("register%d", at), Register: uint16(at), Kind: "uint16"}
		d.Points = append(d.Points, point)
	}
	return d
}

// Timed times until ctx is done; the result says what went wrong.
func Timed(ctx context.Context, d config.Device, folder string, count int) Result {
	done := make(chan Result, 1)
	go func() {
		result, err := run(ctx, d, folder, count)
		result.OK = err == nil
		if err != nil {
			result.Error = err.Error()
		}
		done <- result
	}()
	select {
	case result := <-done:
		return result
	case <-ctx.Done():
		return Result{Error: "not done in time"}
	}
}

// run reads the device count times, and then keeps count samples of it in folder.
//
// A device that shows one step twice would have it kept once, so that the device's period were
// measured: here each read counts as a step of its own.
func run(ctx context.Context, d config.Device, folder string, count int) (Result, error) {
	result := Result{ReadSeconds: make([]float64, 0, count)}
	began := time.Now()
	open, err := device.Open(ctx, d, config.Security{})
	if err != nil {
		return result, err
	}
	defer open.Close()
	result.ConnectSeconds = time.Since(began).Seconds()
	for range count {
		began = time.Now()
		if _, err := open.Read(ctx); err != nil {
			return result, fmt.Errorf("read %d: %w", len(result.ReadSeconds)+1, err)
		}
		result.ReadSeconds = append(result.ReadSeconds, time.Since(began).Seconds())
	}
	kept, err := buffer.Open(folder, "bench")
	if err != nil {
		return result, err
	}
	defer func() { _ = kept.Close() }()
	step, err := lastStep(kept, d.Name)
	if err != nil {
		return result, err
	}
	began = time.Now()
	for range count {
		reading, err := open.Read(ctx)
		if err != nil {
			return result, fmt.Errorf("sample %d: %w", result.Samples+1, err)
		}
		step++
		number, err := kept.Add(d.Name, step, reading.Time, json.RawMessage(reading.Values))
		if err != nil {
			return result, err
		}
		if number != 0 {
			result.Samples++
		}
	}
	result.SampleSeconds = time.Since(began).Seconds()
	return result, nil
}

// lastStep is that of a run before this one, in the same folder.
func lastStep(kept *buffer.Buffer, name string) (uint64, error) {
	counts, err := kept.Counts()
	return counts[name].LastSeq, err
}
