// Package buffer keeps a sampler's samples on disk until the collector has them.
package buffer

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"

	"edge-lab/images/workload/internal/wire"
)

// One bucket per device: number -> sample. The bucket's own sequence is the highest number
// that was ever given out; it is written in the same transaction as the sample, and deleting
// samples does not turn it back. The state bucket holds one state per device.
var stateBucket = []byte("\x00state")

type state struct {
	LastSeq      uint64 `json:"last_seq"`
	Seen         bool   `json:"seen"`
	Acknowledged uint64 `json:"acknowledged"`
	Waiting      uint64 `json:"waiting"`
}

// Buffer is safe for use by many goroutines.
type Buffer struct {
	db   *bolt.DB
	node string
}

// Open opens or makes the buffer in folder. It waits a while for a process before it, that
// is about to end, to let go of it.
func Open(folder, node string) (*Buffer, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, "samples.db")
	db, err := bolt.Open(path, 0o644, &bolt.Options{Timeout: 20 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(stateBucket)
		return err
	})
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	return &Buffer{db, node}, nil
}

// Close lets go of the file.
func (b *Buffer) Close() error { return b.db.Close() }

// Add keeps a step of a device, unless it is the one kept last. When it returns, the sample
// is on disk. It returns the sample's number, 0 if nothing was added.
func (b *Buffer) Add(device string, seq uint64, sampled time.Time, values json.RawMessage) (uint64, error) {
	// A look without the write lock spares the disk most of the time.
	known := false
	err := b.db.View(func(tx *bolt.Tx) error {
		s, err := load(tx, device)
		known = s.Seen && s.LastSeq == seq
		return err
	})
	if err != nil || known {
		return 0, err
	}
	var number uint64
	err = b.db.Update(func(tx *bolt.Tx) error {
		s, err := load(tx, device)
		if err != nil {
			return err
		}
		bucket, err := tx.CreateBucketIfNotExists([]byte(device))
		if err != nil {
			return err
		}
		if number, err = bucket.NextSequence(); err != nil {
			return err
		}
		text, err := json.Marshal(wire.Sample{
			Node: b.node, Device: device, Number: number, Seq: seq,
			Sampled: sampled.UnixNano(), Values: values,
		})
		if err != nil {
			return err
		}
		if err := bucket.Put(key(number), text); err != nil {
			return err
		}
		s.LastSeq, s.Seen = seq, true
		s.Waiting++
		return save(tx, device, s)
	})
	if err != nil {
		return 0, err
	}
	return number, nil
}

// Oldest returns up to limit samples of each device that wait to be sent, in their order.
func (b *Buffer) Oldest(limit int) ([]wire.Sample, error) {
	var found []wire.Sample
	err := b.db.View(func(tx *bolt.Tx) error {
		return forDevices(tx, func(_ string, bucket *bolt.Bucket) error {
			cursor := bucket.Cursor()
			n := 0
			for k, v := cursor.First(); k != nil && n < limit; k, v = cursor.Next() {
				var s wire.Sample
				if err := json.Unmarshal(v, &s); err != nil {
					return fmt.Errorf("sample %d: %w", binary.BigEndian.Uint64(k), err)
				}
				found = append(found, s)
				n++
			}
			return nil
		})
	})
	return found, err
}

// Acknowledge drops samples that the collector has.
func (b *Buffer) Acknowledge(samples []wire.Sample) error {
	if len(samples) == 0 {
		return nil
	}
	return b.db.Update(func(tx *bolt.Tx) error {
		states := map[string]state{}
		for _, sample := range samples {
			bucket := tx.Bucket([]byte(sample.Device))
			if bucket == nil {
				continue
			}
			s, ok := states[sample.Device]
			if !ok {
				var err error
				if s, err = load(tx, sample.Device); err != nil {
					return err
				}
			}
			k := key(sample.Number)
			if bucket.Get(k) != nil {
				if err := bucket.Delete(k); err != nil {
					return err
				}
				s.Waiting--
			}
			s.Acknowledged = max(s.Acknowledged, sample.Number)
			states[sample.Device] = s
		}
		for device, s := range states {
			if err := save(tx, device, s); err != nil {
				return err
			}
		}
		return nil
	})
}

// Counts returns how far each device's samples are.
func (b *Buffer) Counts() (map[string]wire.Counts, error) {
	found := map[string]wire.Counts{}
	err := b.db.View(func(tx *bolt.Tx) error {
		return forDevices(tx, func(device string, bucket *bolt.Bucket) error {
			s, err := load(tx, device)
			if err != nil {
				return err
			}
			found[device] = wire.Counts{
				Sampled: bucket.Sequence(), Acknowledged: s.Acknowledged,
				Waiting: s.Waiting, LastSeq: s.LastSeq,
			}
			return nil
		})
	})
	return found, err
}

func forDevices(tx *bolt.Tx, do func(device string, bucket *bolt.Bucket) error) error {
	return tx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
		if string(name) == string(stateBucket) {
			return nil
		}
		return do(string(name), bucket)
	})
}

func load(tx *bolt.Tx, device string) (state, error) {
	var s state
	text := tx.Bucket(stateBucket).Get([]byte(device))
	if text == nil {
		return s, nil
	}
	err := json.Unmarshal(text, &s)
	return s, err
}

func save(tx *bolt.Tx, device string, s state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return tx.Bucket(stateBucket).Put([]byte(device), text)
}

func key(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }
