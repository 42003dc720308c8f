package attempt

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	patience = 8 * time.Second
	// The API server answers every request: without an answer in this time, an emulated node is busy.
	apiPatience = 30 * time.Second
)

// connecting makes a connection and says nothing on it. Silence is ETIMEDOUT, as the kernel calls it.
func connecting(network, place string) func() (string, error) {
	return func() (string, error) {
		peer, err := net.DialTimeout(network, place, patience)
		if err == nil {
			_ = peer.Close()
		}
		return place, timely(err)
	}
}

func timely(err error) error {
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		return fmt.Errorf("%v: %w", err, syscall.ETIMEDOUT)
	}
	return err
}

// Functions of Modbus.
const (
	readHolding   = 3
	writeRegister = 6
)

// modbusWrite writes to a holding register what it holds: a write that changes nothing, and that a
// device could refuse.
func modbusWrite(place string, unit, register int) (string, error) {
	peer, err := net.DialTimeout("tcp", place, patience)
	if err != nil {
		return place, timely(err)
	}
	defer func() { _ = peer.Close() }()
	_ = peer.SetDeadline(time.Now().Add(patience))
	read, err := modbusAsk(peer, 1, unit, readHolding, register, 1)
	if err != nil {
		return place + ": read", timely(err)
	}
	if len(read) != 3 {
		return place + ": read", os.ErrInvalid
	}
	value := int(binary.BigEndian.Uint16(read[1:]))
	_, err = modbusAsk(peer, 2, unit, writeRegister, register, value)
	return fmt.Sprintf("%s: register %d holds %d", place, register, value), timely(err)
}

// modbusAsk gives what follows the function code of the answer.
func modbusAsk(peer io.ReadWriter, transaction, unit, function, first, second int) ([]byte, error) {
	request := binary.BigEndian.AppendUint16(nil, uint16(transaction))
	request = append(request, 0, 0, 0, 6, byte(unit), byte(function))
	request = binary.BigEndian.AppendUint16(request, uint16(first))
	request = binary.BigEndian.AppendUint16(request, uint16(second))
	if _, err := peer.Write(request); err != nil {
		return nil, err
	}
	head := make([]byte, 8)
	if _, err := io.ReadFull(peer, head); err != nil {
		return nil, err
	}
	rest := make([]byte, max(0, int(binary.BigEndian.Uint16(head[4:]))-2))
	if _, err := io.ReadFull(peer, rest); err != nil {
		return nil, err
	}
	if int(head[7]) != function {
		return nil, fmt.Errorf("exception % x", rest)
	}
	return rest, nil
}
