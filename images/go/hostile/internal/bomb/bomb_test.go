package bomb

import (
	"bytes"
	"encoding/json"
	"strings"
	"syscall"
	"testing"
)

// A bomb that takes nothing, and is stopped at a step.
func fake(stopAt int, freed *bool) kind {
	return kind{2, func(Place) (step, func()) {
		next := func(number int) error {
			if number == stopAt {
				return syscall.EAGAIN
			}
			return nil
		}
		return next, func() { *freed = true }
	}}
}

func exploded(t *testing.T, stopAt, limit int) []Progress {
	t.Helper()
	var out bytes.Buffer
	freed, held := false, false
	hold := func() { held = !freed && out.Len() > 0 }
	if err := explode("fake", fake(stopAt, &freed), limit, Place{}, &out, hold); err != nil || !freed || !held {
		t.Fatal(err, freed, held)
	}
	var found []Progress
	for line := range strings.Lines(out.String()) {
		var one Progress
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		found = append(found, one)
	}
	return found
}

func TestABombSaysHowFarItGotAndWhatStoppedIt(t *testing.T) {
	found := exploded(t, 5, 100)
	if len(found) != 3 || found[1].Done || found[1].Reached != 4 {
		t.Fatalf("%+v", found)
	}
	last := found[2]
	if !last.Done || last.Reached != 5 || last.Errno != "EAGAIN" || last.Limit != 100 {
		t.Errorf("%+v", last)
	}
}

func TestABombEndsAtItsLimit(t *testing.T) {
	found := exploded(t, -1, 4)
	if last := found[len(found)-1]; !last.Done || last.Reached != 4 || last.Errno != "" {
		t.Errorf("%+v", last)
	}
}

func TestChatterIsOfTheLengthThatItSays(t *testing.T) {
	var out bytes.Buffer
	if err := Explode(log, 3, Place{}, &out, func() {}); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "x\n"); lines != 3 {
		t.Errorf("%d lines", lines)
	}
}

func TestOnlyBombsThatThereAreAreKnown(t *testing.T) {
	for _, name := range []string{"fork", "memory", "files", "disk", "inodes", "log", "cpu", "cache", "flood", "idle"} {
		if !Known(name) {
			t.Errorf("%s is not known", name)
		}
	}
	if Known("nuclear") {
		t.Error("there is no such bomb")
	}
}
