package device

import (
	"testing"

	"edge-lab/images/workload/internal/config"
)

var points = []config.Point{
	{Name: config.Sequence, Register: 0, Kind: "uint32"},
	{Name: "temperature", Register: 2, Kind: "uint16"},
	{Name: "energy", Register: 3, Kind: "int32"},
}

func TestABlockIsTakenApartHighWordFirst(t *testing.T) {
	seq, values, err := decode([]uint16{1, 2, 653, 0xFFFF, 0xFFFE}, 0, points)
	if err != nil || seq != 65538 || string(values) != `{"energy":-2,"temperature":653}` {
		t.Errorf("got %d, %s, %v", seq, values, err)
	}
}

func TestAShortAnswerIsAnError(t *testing.T) {
	for length := range 5 {
		if _, _, err := decode(make([]uint16, length), 0, points); err == nil {
			t.Errorf("%d registers are taken for five", length)
		}
	}
}

func TestAnUnknownKindIsAnError(t *testing.T) {
	unknown := []config.Point{{Name: config.Sequence, Kind: "float"}}
	if _, _, err := decode([]uint16{1}, 0, unknown); err == nil {
		t.Error("a kind that is not known is read")
	}
}
