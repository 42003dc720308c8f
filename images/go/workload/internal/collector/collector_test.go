package collector

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"edge-lab/images/workload/internal/wire"
)

func sample(number uint64, values string) wire.Sample {
	return wire.Sample{
		Node: "edge", Device: "press", Number: number, Seq: number + 100,
		Sampled: int64(number), Values: json.RawMessage(values),
	}
}

func open(t testing.TB, folder string) *Collector {
	t.Helper()
	c, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func store(t testing.TB, c *Collector, samples ...wire.Sample) wire.Accepted {
	t.Helper()
	accepted, err := c.Store(samples, time.Unix(0, 42))
	if err != nil {
		t.Fatal(err)
	}
	return accepted
}

func counts(t *testing.T, c *Collector) wire.Arrived {
	t.Helper()
	found, err := c.Counts()
	if err != nil || len(found) != 1 {
		t.Fatalf("counts are %+v, %v", found, err)
	}
	return found[0]
}

func TestASampleIsStoredOnceAndRepeatsAreCounted(t *testing.T) {
	folder := t.TempDir()
	c := open(t, folder)
	store(t, c, sample(1, `{"a":1}`), sample(2, `{"a":2.50}`))
	_ = c.Close()
	c = open(t, folder)
	if got := store(t, c, sample(2, `{"a":2.50}`), sample(3, `{"a":3}`)); got != (wire.Accepted{Stored: 1, Repeated: 1}) {
		t.Errorf("accepted %+v", got)
	}
	want := wire.Arrived{Node: "edge", Device: "press", Arrived: 3, First: 1, Last: 3, Repeated: 1}
	if got := counts(t, c); got != want {
		t.Errorf("counts are %+v, not %+v", got, want)
	}
	var out bytes.Buffer
	if err := c.Write(&out, "edge", "press", 1); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"values":{"a":2.50}`) ||
		!strings.Contains(lines[0], `"received":42`) {
		t.Errorf("samples after 1 are %q", lines)
	}
}

func TestOtherContentUnderATakenNumberIsAConflictAndStaysInSight(t *testing.T) {
	c := open(t, t.TempDir())
	store(t, c, sample(1, `{"a":1}`), sample(2, `{"a":2}`))
	for range 2 {
		if got := store(t, c, sample(1, `{"a":9}`)); got.Repeated != 1 {
			t.Errorf("accepted %+v", got)
		}
	}
	want := wire.Arrived{
		Node: "edge", Device: "press", Arrived: 2, First: 1, Last: 2, Repeated: 2, Conflicts: 1,
	}
	if got := counts(t, c); got != want {
		t.Errorf("counts are %+v, not %+v", got, want)
	}
	var out bytes.Buffer
	_ = c.Write(&out, "", "", 0)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], `{"a":1}`) ||
		!strings.Contains(lines[1], `{"a":9}`) || !strings.Contains(lines[2], `{"a":2}`) {
		t.Errorf("samples are %q", lines)
	}
}

func TestABatchThatIsNoneIsRefused(t *testing.T) {
	server := httptest.NewServer(open(t, t.TempDir()).Handler())
	defer server.Close()
	for _, body := range []string{"", "nonsense", `{"samples":[{"node":"","device":"d","number":1}]}`, `{"samples":[{"node":"n","device":"d"}]}`} {
		response, err := http.Post(server.URL+"/samples", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("%q is answered with %s", body, response.Status)
		}
	}
}
