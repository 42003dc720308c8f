package buffer

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"edge-lab/images/workload/internal/wire"
)

var values = json.RawMessage(`{"force":12.5}`)

// TestMain lets the test binary be the process that a test kills.
func TestMain(m *testing.M) {
	if folder := os.Getenv("BUFFER_TEST_ADD_TO"); folder != "" {
		addForEver(folder)
	}
	os.Exit(m.Run())
}

func addForEver(folder string) {
	b, err := Open(folder, "edge")
	if err != nil {
		panic(err)
	}
	counts, err := b.Counts()
	if err != nil {
		panic(err)
	}
	for seq := counts["press"].LastSeq + 1; ; seq++ {
		number, err := b.Add("press", seq, time.Now(), values)
		if err != nil {
			panic(err)
		}
		// What is printed was promised to be on disk.
		if _, err := os.Stdout.WriteString(strconv.FormatUint(number, 10) + "\n"); err != nil {
			os.Exit(0)
		}
	}
}

func open(t *testing.T, folder string) *Buffer {
	t.Helper()
	b, err := Open(folder, "edge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func add(t *testing.T, b *Buffer, device string, seq uint64) uint64 {
	t.Helper()
	number, err := b.Add(device, seq, time.Unix(1, 0), values)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func oldest(t *testing.T, b *Buffer, limit int) []wire.Sample {
	t.Helper()
	found, err := b.Oldest(limit)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEachDeviceIsNumberedFromOne(t *testing.T) {
	b := open(t, t.TempDir())
	for i, device := range []string{"press", "press", "boiler", "press"} {
		want := []uint64{1, 2, 1, 3}[i]
		if got := add(t, b, device, uint64(100+i)); got != want {
			t.Errorf("sample %d of %s has number %d, not %d", i, device, got, want)
		}
	}
	found := oldest(t, b, 2)
	if len(found) != 3 || found[0].Device != "boiler" || found[2].Number != 2 {
		t.Errorf("the oldest two of each are %+v", found)
	}
}

func TestAStepIsKeptOnce(t *testing.T) {
	folder := t.TempDir()
	b := open(t, folder)
	add(t, b, "press", 7)
	if number := add(t, b, "press", 7); number != 0 {
		t.Errorf("the same step was kept again, as %d", number)
	}
	if err := b.Acknowledge(oldest(t, b, 10)); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	if number := add(t, open(t, folder), "press", 7); number != 0 {
		t.Errorf("after a restart the same step was kept again, as %d", number)
	}
}

func TestNumbersAreNotReusedAfterAcknowledgementAndRestart(t *testing.T) {
	folder := t.TempDir()
	b := open(t, folder)
	for seq := uint64(1); seq <= 3; seq++ {
		add(t, b, "press", seq)
	}
	if err := b.Acknowledge(oldest(t, b, 10)); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	b = open(t, folder)
	if number := add(t, b, "press", 4); number != 4 {
		t.Errorf("the number after 3 is %d", number)
	}
	counts, err := b.Counts()
	if err != nil {
		t.Fatal(err)
	}
	want := wire.Counts{Sampled: 4, Acknowledged: 3, Waiting: 1, LastSeq: 4}
	if counts["press"] != want {
		t.Errorf("counts are %+v, not %+v", counts["press"], want)
	}
}

func TestAcknowledgingTwiceCountsOnce(t *testing.T) {
	b := open(t, t.TempDir())
	add(t, b, "press", 1)
	add(t, b, "press", 2)
	first := oldest(t, b, 1)
	for range 2 {
		if err := b.Acknowledge(first); err != nil {
			t.Fatal(err)
		}
	}
	counts, _ := b.Counts()
	if counts["press"].Waiting != 1 || len(oldest(t, b, 10)) != 1 {
		t.Errorf("counts are %+v", counts["press"])
	}
}

func TestWhatWasPromisedSurvivesAKill(t *testing.T) {
	folder := t.TempDir()
	promised := uint64(0)
	for round := range 3 {
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), "BUFFER_TEST_ADD_TO="+folder)
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 20 && lines.Scan(); n++ {
			number, err := strconv.ParseUint(lines.Text(), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if number <= promised {
				t.Fatalf("round %d gave out %d again, after %d", round, number, promised)
			}
			promised = number
		}
		_ = command.Process.Kill()
		_ = command.Wait()
	}
	found := oldest(t, open(t, folder), 1_000_000)
	if uint64(len(found)) < promised {
		t.Fatalf("%d of %d promised samples are left", len(found), promised)
	}
	for i, sample := range found {
		if sample.Number != uint64(i+1) || sample.Seq != uint64(i+1) {
			t.Fatalf("sample %d has number %d and step %d", i+1, sample.Number, sample.Seq)
		}
	}
}
