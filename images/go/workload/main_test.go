package main

import (
	"errors"
	"net"
	"testing"
)

func TestMistakesInTheCommandLineAreUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"dance"}, {"dump"}, {"dump", "pump"}, {"probe"}, {"probe", "tcp"},
		{"probe", "modbus", "h:1", "x", "2"}, {"probe", "opcua", "u"}, {"collect", "extra"},
	} {
		if err := run(args); !errors.Is(err, errUsage) {
			t.Errorf("%v gives %v", args, err)
		}
	}
}

func TestATCPProbeTellsOpenFromClosed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := run([]string{"probe", "tcp", address, "--limit", "5"}); err != nil {
		t.Errorf("an open port gives %v", err)
	}
	_ = listener.Close()
	if err := run([]string{"probe", "tcp", "--limit", "5", address}); !errors.Is(err, errProbe) {
		t.Errorf("a closed port gives %v", err)
	}
}
