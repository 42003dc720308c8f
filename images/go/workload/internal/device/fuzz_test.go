package device

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"testing"

	"edge-lab/images/workload/internal/config"
)

// block are the registers that bytes of an answer hold.
func block(content []byte) []uint16 {
	var found []uint16
	for ; len(content) > 1; content = content[2:] {
		found = append(found, binary.BigEndian.Uint16(content))
	}
	return found
}

// FuzzDecode takes any block apart for points anywhere: an error, or values that are JSON.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{0, 1, 0, 2, 2, 141, 255, 255, 255, 254}, uint16(0), uint16(2), "uint32")
	f.Add([]byte{}, uint16(65535), uint16(0), "int32")
	f.Add([]byte{0, 1}, uint16(1), uint16(65535), "uint16")
	f.Fuzz(func(t *testing.T, content []byte, first, register uint16, kind string) {
		some := []config.Point{
			{Name: config.Sequence, Register: first, Kind: "uint32"},
			{Name: "point", Register: register, Kind: kind},
		}
		_, values, err := decode(block(content), first, some)
		if err == nil && !json.Valid(values) {
			t.Errorf("%q is no JSON", values)
		}
	})
}

// FuzzModbusAnswer has a device that answers with anything, and hangs up: a reading, or an error.
func FuzzModbusAnswer(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 1, 0, 0, 0, 13, 1, 3, 10, 0, 1, 0, 2, 2, 141, 255, 255, 255, 254})
	f.Add([]byte{0, 1, 0, 0, 0, 3, 1, 0x83, 2})
	f.Add([]byte{0, 1, 0, 0, 255, 255, 1, 3, 255})
	f.Add([]byte{0, 1, 0, 0, 0, 0})
	f.Add([]byte{0, 2, 0, 0, 0, 4, 1, 3, 1, 0})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = listener.Close() })
	answers := make(chan []byte)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(connection, make([]byte, 12)) // the request
			_, _ = connection.Write(<-answers)
			_ = connection.Close()
		}
	}()
	d := config.Device{Name: "d", Protocol: config.Modbus, Address: listener.Addr().String(), Points: points}
	f.Fuzz(func(t *testing.T, answer []byte) {
		open, err := Open(context.Background(), d, config.Security{})
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		go func() { answers <- answer }()
		reading, err := open.Read(context.Background())
		if err == nil && !json.Valid(reading.Values) {
			t.Errorf("%q is no JSON", reading.Values)
		}
	})
}
