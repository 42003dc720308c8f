package bench

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/simonvetter/modbus"
)

// still is a device whose step never changes, and which has four registers.
type still struct{ pause time.Duration }

func (s still) HandleHoldingRegisters(r *modbus.HoldingRegistersRequest) ([]uint16, error) {
	if int(r.Addr)+int(r.Quantity) > 4 {
		return nil, modbus.ErrIllegalDataAddress
	}
	time.Sleep(s.pause)
	return []uint16{0, 7, 653, 1}[r.Addr : r.Addr+r.Quantity], nil
}

func (still) HandleCoils(*modbus.CoilsRequest) ([]bool, error) {
	return nil, modbus.ErrIllegalFunction
}

func (still) HandleDiscreteInputs(*modbus.DiscreteInputsRequest) ([]bool, error) {
	return nil, modbus.ErrIllegalFunction
}

func (still) HandleInputRegisters(*modbus.InputRegistersRequest) ([]uint16, error) {
	return nil, modbus.ErrIllegalFunction
}

func serve(t *testing.T, pause time.Duration) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	server, err := modbus.NewServer(&modbus.ServerConfiguration{URL: "tcp://" + address}, still{pause})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	return address
}

func timed(t *testing.T, limit time.Duration, address string, registers int, folder string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return Timed(ctx, Modbus(address, registers), folder, 5)
}

func TestEachReadIsTimedAndEachSampleIsKeptThoughTheStepIsTheSame(t *testing.T) {
	address, folder := serve(t, 20*time.Millisecond), t.TempDir()
	for round := range 2 { // the second finds what the first has kept
		got := timed(t, time.Minute, address, 4, folder)
		if !got.OK || got.Error != "" || got.Samples != 5 || len(got.ReadSeconds) != 5 {
			t.Fatalf("round %d: %+v", round, got)
		}
		for _, seconds := range got.ReadSeconds {
			if seconds < 0.02 {
				t.Errorf("a read that takes 20 ms took %f s", seconds)
			}
		}
		if got.SampleSeconds < 0.1 || got.ConnectSeconds <= 0 {
			t.Errorf("round %d: %+v", round, got)
		}
	}
}

func TestWhatGoesWrongIsSaid(t *testing.T) {
	address := serve(t, 0)
	if got := timed(t, time.Minute, address, 5, t.TempDir()); got.OK || !strings.Contains(got.Error, "read 1") {
		t.Errorf("a device that refuses is %+v", got)
	}
	if got := timed(t, time.Minute, address, 4, "/dev/null/no"); got.OK || got.Error == "" {
		t.Errorf("a folder that cannot be is %+v", got)
	}
	slow := serve(t, 200*time.Millisecond)
	if got := timed(t, 300*time.Millisecond, slow, 4, t.TempDir()); got.OK || got.Error == "" {
		t.Errorf("a device that is too slow is %+v", got)
	}
}
