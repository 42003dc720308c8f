package collector

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"edge-lab/images/workload/internal/wire"
)

// The bodies are whatever a peer on the cloud's network sends: the collector asks nobody who it is.
var bodies = []string{
	"", "nonsense", "null", "[]", `{"samples":null}`,
	`{"samples":[{"node":"n","device":"d","number":1,"values":{"a":1.50}}]}`,
	`{"samples":[{"node":"n","device":"d","number":1}]}`,
	`{"samples":[{"node":"n","device":"d","number":1,"values":{ "a" : "<&>" }}]}`,
	`{"samples":[{"node":"n","device":"d","number":18446744073709551615,"values":null}]}`,
	`{"samples":[{"node":"n\u0000","device":"d","number":1}]}`,
	`{"samples":[{"node":"n","device":"d","number":1,"values":[1]},{"node":"n","device":"d","number":1,"values":[2]}]}`,
	`{"samples":[{"node":"` + strings.Repeat("n", 40_000) + `","device":"d","number":1}]}`,
}

func post(c *Collector, body string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodPost, "/samples", strings.NewReader(body))
	c.Handler().ServeHTTP(answer, request)
	return answer
}

// FuzzPost sends a body twice: it is refused, or stored once, and all of it is found again.
func FuzzPost(f *testing.F) {
	for _, body := range bodies {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c := open(t, t.TempDir())
		var first, again wire.Accepted
		answer := post(c, body)
		if answer.Code == http.StatusBadRequest {
			if counts, err := c.Counts(); err != nil || len(counts) != 0 {
				t.Fatalf("a refused body has left %+v, %v", counts, err)
			}
			return
		}
		if answer.Code != http.StatusOK {
			t.Fatalf("it is answered with %d: %s", answer.Code, answer.Body)
		}
		if err := json.Unmarshal(answer.Body.Bytes(), &first); err != nil {
			t.Fatal(err)
		}
		before, err := c.Counts()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(post(c, body).Body.Bytes(), &again); err != nil {
			t.Fatal(err)
		}
		if again.Stored != 0 || again.Repeated != first.Stored+first.Repeated {
			t.Fatalf("first %+v, and the same again %+v", first, again)
		}
		after, err := c.Counts()
		if err != nil {
			t.Fatal(err)
		}
		stored, others := uint64(0), uint64(0)
		for i := range after {
			if after[i].Conflicts != before[i].Conflicts {
				t.Fatalf("the same again is a conflict: %+v, then %+v", before[i], after[i])
			}
			stored, others = stored+after[i].Arrived, others+after[i].Conflicts
		}
		if stored != uint64(first.Stored) {
			t.Fatalf("%d samples were stored, and %d are counted", first.Stored, stored)
		}
		lines := written(t, c, 0)
		if uint64(len(lines)) != stored+others {
			t.Fatalf("%d lines for %d samples and %d conflicts", len(lines), stored, others)
		}
	})
}

// written are the samples with a number above after, as the collector gives them.
func written(t *testing.T, c *Collector, after uint64) []wire.Sample {
	t.Helper()
	var out bytes.Buffer
	if err := c.Write(&out, "", "", after); err != nil {
		t.Fatal(err)
	}
	var found []wire.Sample
	decoder := json.NewDecoder(&out)
	for decoder.More() {
		var sample wire.Sample
		if err := decoder.Decode(&sample); err != nil {
			t.Fatal(err)
		}
		found = append(found, sample)
	}
	return found
}

// FuzzGet asks with any query: it is refused, or answered with what there is above the number.
func FuzzGet(f *testing.F) {
	for _, query := range []string{
		"", "after=1", "after=18446744073709551615", "after=-1", "node=edge&device=press",
		"node=%00counters", "after=1&after=2", "%", "node=edge;after=1",
	} {
		f.Add(query)
	}
	c := open(f, f.TempDir())
	store(f, c, sample(1, `{"a":1}`), sample(2, `{"a":2}`), sample(1<<64-1, `{"a":3}`))
	f.Fuzz(func(t *testing.T, query string) {
		request := httptest.NewRequest(http.MethodGet, "/samples", nil)
		request.URL = &url.URL{Path: "/samples", RawQuery: query}
		answer := httptest.NewRecorder()
		c.Handler().ServeHTTP(answer, request)
		if answer.Code == http.StatusBadRequest {
			return
		}
		if answer.Code != http.StatusOK {
			t.Fatalf("it is answered with %d: %s", answer.Code, answer.Body)
		}
		decoder := json.NewDecoder(answer.Body)
		for decoder.More() {
			var found wire.Sample
			if err := decoder.Decode(&found); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestNothingComesAfterTheHighestNumber(t *testing.T) {
	c := open(t, t.TempDir())
	store(t, c, sample(1, `{"a":1}`), sample(1<<64-1, `{"a":2}`))
	if found := written(t, c, 1<<64-2); len(found) != 1 {
		t.Errorf("after the last but one: %+v", found)
	}
	if found := written(t, c, 1<<64-1); len(found) != 0 {
		t.Errorf("after the last: %+v", found)
	}
}
