package sampler

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/simonvetter/modbus"

	"edge-lab/images/workload/internal/collector"
	"edge-lab/images/workload/internal/config"
	"edge-lab/images/workload/internal/wire"
)

// plc is a Modbus device whose sequence number grows with each read.
type plc struct {
	mutex sync.Mutex
	seq   uint32
}

func (p *plc) HandleHoldingRegisters(r *modbus.HoldingRegistersRequest) ([]uint16, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.seq++
	block := []uint16{uint16(p.seq >> 16), uint16(p.seq), 653, 0xFFFF, 0xFFFE}
	return block[r.Addr : r.Addr+r.Quantity], nil
}

func (p *plc) HandleCoils(*modbus.CoilsRequest) ([]bool, error) {
	return nil, modbus.ErrIllegalFunction
}

func (p *plc) HandleDiscreteInputs(*modbus.DiscreteInputsRequest) ([]bool, error) {
	return nil, modbus.ErrIllegalFunction
}

func (p *plc) HandleInputRegisters(*modbus.InputRegistersRequest) ([]uint16, error) {
	return nil, modbus.ErrIllegalFunction
}

func startPLC(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	server, err := modbus.NewServer(&modbus.ServerConfiguration{URL: "tcp://" + address}, &plc{seq: 70000})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	return address
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not seen: %s", what)
		}
	}
}

func TestEverySampleArrivesOnceThroughAnOutageAndARestart(t *testing.T) {
	store, err := collector.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	var mutex sync.Mutex
	out, lostAnswers := true, 2
	handler := store.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mutex.Lock()
		down, lose := out, !out && lostAnswers > 0
		if lose {
			lostAnswers--
		}
		mutex.Unlock()
		switch {
		case down:
			http.Error(w, "out", http.StatusServiceUnavailable)
		case lose:
			// Stored, but the sampler does not hear of it.
			handler.ServeHTTP(httptest.NewRecorder(), r)
			http.Error(w, "lost", http.StatusBadGateway)
		default:
			handler.ServeHTTP(w, r)
		}
	}))
	defer server.Close()

	c := config.Config{
		Node: "edge", Collector: server.URL, PollMs: 10, Folder: t.TempDir(),
		Devices: []config.Device{{
			Name: "boiler", Protocol: config.Modbus, Address: startPLC(t),
			Points: []config.Point{
				{Name: config.Sequence, Register: 0, Kind: "uint32"},
				{Name: "temperature", Register: 2, Kind: "uint16"},
				{Name: "energy", Register: 3, Kind: "int32"},
			},
		}},
	}
	status := func() wire.Counts {
		var s wire.SamplerStatus
		text, err := os.ReadFile(filepath.Join(c.Folder, StatusFile))
		if err != nil || json.Unmarshal(text, &s) != nil {
			return wire.Counts{}
		}
		return s.Devices["boiler"]
	}
	for round := range 2 {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- Run(ctx, c) }()
		eventually(t, "samples wait", func() bool { return status().Waiting > 5 || round > 0 })
		mutex.Lock()
		out = false
		mutex.Unlock()
		before := status().Acknowledged
		eventually(t, "samples are acknowledged", func() bool {
			return status().Acknowledged > before+5
		})
		cancel()
		if err := <-done; err != nil {
			t.Fatalf("the sampler ended with %v", err)
		}
	}
	counts, err := store.Counts()
	if err != nil || len(counts) != 1 {
		t.Fatalf("counts are %v, %v", counts, err)
	}
	got := counts[0]
	if got.First != 1 || got.Arrived != got.Last || got.Repeated == 0 || got.Conflicts != 0 {
		t.Errorf("counts are %+v", got)
	}
}

func TestADiskThatCannotBeWrittenEndsTheSampler(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(context.Background(), config.Config{Folder: file, PollMs: 10}); err == nil {
		t.Error("it ran without a place to keep samples")
	}
}
