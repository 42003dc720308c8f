// Package collector keeps what samplers hand over, each sample once.
package collector

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"edge-lab/images/workload/internal/wire"
)

// One bucket per node and device: number -> sample; counters hold what was repeated. Another
// sample under a number that is taken must not be lost from sight: it is kept behind the first,
// under number and a count, and shown with all the others.
var countersBucket = []byte("\x00counters")

const (
	separator = "\x00"
	bodyLimit = 64 << 20
	// numberSize is the length of a key that is a number alone.
	numberSize = 8
	// nameLimit is Kubernetes' own for names of nodes; the store has one for keys.
	nameLimit = 253
)

type counters struct {
	Arrived   uint64 `json:"arrived"`
	Repeated  uint64 `json:"repeated"`
	Conflicts uint64 `json:"conflicts"`
}

// Collector is safe for use by many goroutines.
type Collector struct{ db *bolt.DB }

// Open opens or makes the store in folder.
func Open(folder string) (*Collector, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, "collected.db")
	db, err := bolt.Open(path, 0o644, &bolt.Options{Timeout: 20 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(countersBucket)
		return err
	})
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	return &Collector{db}, nil
}

// Close lets go of the file.
func (c *Collector) Close() error { return c.db.Close() }

// Store keeps samples. When it returns, all of them are on disk. A number that is there
// already is counted, and not stored again.
func (c *Collector) Store(samples []wire.Sample, received time.Time) (wire.Accepted, error) {
	var accepted wire.Accepted
	err := c.db.Update(func(tx *bolt.Tx) error {
		accepted = wire.Accepted{}
		for _, sample := range samples {
			var err error
			// As it will be stored: blanks and the like do not make it another sample.
			if sample.Values, err = json.Marshal(sample.Values); err != nil {
				return err
			}
			name := []byte(sample.Node + separator + sample.Device)
			bucket, err := tx.CreateBucketIfNotExists(name)
			if err != nil {
				return err
			}
			counted, err := loadCounters(tx, name)
			if err != nil {
				return err
			}
			key, known := place(bucket, sample)
			switch {
			case known:
				accepted.Repeated++
				counted.Repeated++
			case len(key) > numberSize:
				accepted.Repeated++
				counted.Repeated++
				counted.Conflicts++
				slog.Error("another sample under a number that is taken", "node", sample.Node,
					"device", sample.Device, "number", sample.Number)
			default:
				accepted.Stored++
				counted.Arrived++
			}
			if !known {
				sample.Received = received.UnixNano()
				text, err := json.Marshal(sample)
				if err != nil {
					return err
				}
				if err := bucket.Put(key, text); err != nil {
					return err
				}
			}
			text, err := json.Marshal(counted)
			if err != nil {
				return err
			}
			if err := tx.Bucket(countersBucket).Put(name, text); err != nil {
				return err
			}
		}
		return nil
	})
	return accepted, err
}

// place returns the key that a sample belongs under, and whether it is there already.
func place(bucket *bolt.Bucket, sample wire.Sample) (key []byte, known bool) {
	number := binary.BigEndian.AppendUint64(nil, sample.Number)
	others := uint64(0)
	cursor := bucket.Cursor()
	for k, v := cursor.Seek(number); bytes.HasPrefix(k, number); k, v = cursor.Next() {
		if same(v, sample) {
			return nil, true
		}
		others++
	}
	if others == 0 {
		return number, false
	}
	return binary.BigEndian.AppendUint64(number, others), false
}

func same(stored []byte, sample wire.Sample) bool {
	var there wire.Sample
	if json.Unmarshal(stored, &there) != nil {
		return false
	}
	return there.Seq == sample.Seq && there.Sampled == sample.Sampled &&
		bytes.Equal(there.Values, sample.Values)
}

func loadCounters(tx *bolt.Tx, name []byte) (counters, error) {
	var found counters
	text := tx.Bucket(countersBucket).Get(name)
	if text == nil {
		return found, nil
	}
	err := json.Unmarshal(text, &found)
	return found, err
}

// Counts says what there is, by node and device.
func (c *Collector) Counts() ([]wire.Arrived, error) {
	found := []wire.Arrived{}
	err := c.each("", "", func(tx *bolt.Tx, node, device string, bucket *bolt.Bucket) error {
		counted, err := loadCounters(tx, []byte(node+separator+device))
		if err != nil {
			return err
		}
		arrived := wire.Arrived{
			Node: node, Device: device, Arrived: counted.Arrived,
			Repeated: counted.Repeated, Conflicts: counted.Conflicts,
		}
		if k, _ := bucket.Cursor().First(); k != nil {
			arrived.First = binary.BigEndian.Uint64(k)
		}
		if k, _ := bucket.Cursor().Last(); k != nil {
			arrived.Last = binary.BigEndian.Uint64(k)
		}
		found = append(found, arrived)
		return nil
	})
	return found, err
}

// Write writes samples as JSON lines; node and device may be empty for all, and only
// numbers above after are written.
func (c *Collector) Write(w io.Writer, node, device string, after uint64) error {
	out := bufio.NewWriter(w)
	if after == math.MaxUint64 {
		return nil
	}
	err := c.each(node, device, func(_ *bolt.Tx, _, _ string, bucket *bolt.Bucket) error {
		cursor := bucket.Cursor()
		k, v := cursor.Seek(binary.BigEndian.AppendUint64(nil, after+1))
		for ; k != nil; k, v = cursor.Next() {
			if _, err := out.Write(v); err != nil {
				return err
			}
			if err := out.WriteByte('\n'); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

func (c *Collector) each(
	node, device string, do func(tx *bolt.Tx, node, device string, bucket *bolt.Bucket) error,
) error {
	return c.db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
			of, what, ok := strings.Cut(string(name), separator)
			if !ok || of == "" || (node != "" && of != node) || (device != "" && what != device) {
				return nil
			}
			return do(tx, of, what, bucket)
		})
	})
}

// -- HTTP ----------------------------------------------------------------------------------

// Handler serves POST and GET /samples, /counts and /healthz.
func (c *Collector) Handler() http.Handler {
	mux := c.reading()
	mux.HandleFunc("POST /samples", c.post)
	return mux
}

// ReadingHandler serves what Handler does, but takes no samples.
func (c *Collector) ReadingHandler() http.Handler { return c.reading() }

// TakingHandler serves POST /samples and /healthz.
func (c *Collector) TakingHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthy)
	mux.HandleFunc("POST /samples", c.post)
	return mux
}

func healthy(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }

func (c *Collector) reading() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthy)
	mux.HandleFunc("GET /samples", c.get)
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) {
		counts, err := c.Counts()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(counts)
	})
	return mux
}

func (c *Collector) post(w http.ResponseWriter, r *http.Request) {
	var batch wire.Batch
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit)).Decode(&batch); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, s := range batch.Samples {
		if s.Node == "" || s.Device == "" || s.Number == 0 ||
			len(s.Node) > nameLimit || len(s.Device) > nameLimit ||
			strings.Contains(s.Node+s.Device, separator) {
			http.Error(w, "a sample needs node, device and number", http.StatusBadRequest)
			return
		}
	}
	accepted, err := c.Store(batch.Samples, time.Now())
	if err != nil {
		slog.Error("store", "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(accepted)
}

func (c *Collector) get(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	after := uint64(0)
	if text := query.Get("after"); text != "" {
		var err error
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	if err := c.Write(w, query.Get("node"), query.Get("device"), after); err != nil {
		slog.Error("write", "error", err)
	}
}
