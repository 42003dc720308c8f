// Package sampler reads devices, keeps each new step on disk, and hands it to the collector.
package sampler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"edge-lab/images/workload/internal/buffer"
	"edge-lab/images/workload/internal/config"
	"edge-lab/images/workload/internal/device"
	"edge-lab/images/workload/internal/identity"
	"edge-lab/images/workload/internal/wire"
)

// StatusFile is written to the sampler's folder every statusEvery: a node that is cut off
// can be asked without the help of its container runtime.
const StatusFile = "status.json"

const (
	batchSize   = 200
	sendLimit   = 15 * time.Second
	statusEvery = 500 * time.Millisecond
	// A post costs both ends a transaction on disk, however few samples are in it: what comes
	// within this time of the last one goes together.
	gatherFor  = 800 * time.Millisecond
	firstPause = 250 * time.Millisecond
	// Short enough for a test to see that a healed link is used again.
	longestPause = 5 * time.Second
)

// Sampler is one node's sampler.
type Sampler struct {
	config  config.Config
	buffer  *buffer.Buffer
	client  *http.Client
	started time.Time
	added   chan struct{}

	// identity is nil where the collector asks for none.
	identity *identity.Identity

	mutex   sync.Mutex
	devices map[string]*health
	sending health
	handed  time.Time
}

type health struct {
	errors    uint64
	lastError string
	connected bool
	sent      uint64
}

// Run samples until ctx is done.
func Run(ctx context.Context, c config.Config) error {
	kept, err := buffer.Open(c.Folder, c.Node)
	if err != nil {
		return err
	}
	defer func() { _ = kept.Close() }()
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 1,
	}
	s := &Sampler{
		config: c, buffer: kept, started: time.Now(), added: make(chan struct{}, 1),
		devices: map[string]*health{},
		client:  &http.Client{Timeout: sendLimit, Transport: transport},
	}
	for _, d := range c.Devices {
		s.devices[d.Name] = &health{}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.Identity != nil {
		s.identity = identity.Start(ctx, c.Identity.WorkloadAPI)
		transport.DialTLSContext = func(ctx context.Context, _, address string) (net.Conn, error) {
			return s.identity.Dial(ctx, address, c.Identity.Collector)
		}
	}
	var failed error
	var once sync.Once
	var group sync.WaitGroup
	start := func(what func(context.Context) error) {
		group.Add(1)
		go func() {
			defer group.Done()
			if err := what(ctx); err != nil && !errors.Is(err, context.Canceled) {
				once.Do(func() { failed = err })
				cancel()
			}
		}()
	}
	for _, d := range c.Devices {
		start(func(ctx context.Context) error { return s.sample(ctx, d) })
	}
	start(s.send)
	start(s.writeStatus)
	if c.Listen != "" {
		start(func(ctx context.Context) error { return Serve(ctx, c.Listen, s.Handler()) })
	}
	slog.Info("sampling", "node", c.Node, "devices", len(c.Devices), "collector", c.Collector)
	group.Wait()
	return failed
}

// -- devices -------------------------------------------------------------------------------

// sample reads one device for ever. It ends only with ctx, or if the disk fails.
func (s *Sampler) sample(ctx context.Context, d config.Device) error {
	pause := firstPause
	for ctx.Err() == nil {
		err := s.connection(ctx, d, func() { pause = firstPause })
		var disk *diskError
		if errors.As(err, &disk) {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		s.note(d.Name, func(h *health) {
			if h.connected || h.lastError != err.Error() {
				slog.Warn("device", "device", d.Name, "error", err)
			}
			h.errors++
			h.connected, h.lastError = false, err.Error()
		})
		rest(ctx, &pause)
	}
	return ctx.Err()
}

type diskError struct{ error }

// connection opens a device and reads it until something goes wrong.
func (s *Sampler) connection(ctx context.Context, d config.Device, works func()) error {
	open, err := device.Open(ctx, d, s.config.Security)
	if err != nil {
		return err
	}
	defer open.Close()
	ticker := time.NewTicker(s.config.Poll())
	defer ticker.Stop()
	for {
		reading, err := open.Read(ctx)
		if err != nil {
			return err
		}
		s.note(d.Name, func(h *health) {
			if !h.connected {
				slog.Info("device connected", "device", d.Name, "seq", reading.Seq)
			}
			h.connected = true
		})
		works()
		number, err := s.buffer.Add(d.Name, reading.Seq, reading.Time, reading.Values)
		if err != nil {
			return &diskError{err}
		}
		if number > 0 {
			select {
			case s.added <- struct{}{}:
			default:
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (s *Sampler) note(name string, do func(*health)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	do(s.devices[name])
}

// rest waits for pause, which doubles up to longestPause.
func rest(ctx context.Context, pause *time.Duration) {
	// Two samplers that lost the same link should not come back at the same moment.
	wait := *pause/2 + rand.N(*pause/2+1)
	*pause = min(2**pause, longestPause)
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}

// -- collector -----------------------------------------------------------------------------

func (s *Sampler) send(ctx context.Context) error {
	pause := firstPause
	for ctx.Err() == nil {
		waiting, err := s.buffer.Oldest(batchSize)
		if err != nil {
			return err
		}
		if len(waiting) == 0 {
			select {
			case <-ctx.Done():
			case <-s.added:
			}
			continue
		}
		if err := s.post(ctx, waiting); err != nil {
			if ctx.Err() != nil {
				break
			}
			s.client.CloseIdleConnections()
			s.mutex.Lock()
			if s.sending.connected || s.sending.lastError == "" {
				slog.Warn("collector", "error", err, "waiting", len(waiting))
			}
			s.sending.errors++
			s.sending.connected, s.sending.lastError = false, err.Error()
			s.mutex.Unlock()
			rest(ctx, &pause)
			continue
		}
		pause = firstPause
		s.mutex.Lock()
		if !s.sending.connected {
			slog.Info("collector answers", "handed over", len(waiting))
		}
		s.sending.connected = true
		s.handed = time.Now()
		s.mutex.Unlock()
		if err := s.buffer.Acknowledge(waiting); err != nil {
			return err
		}
		if len(waiting) < batchSize {
			select {
			case <-ctx.Done():
			case <-time.After(gatherFor):
			}
		}
	}
	return ctx.Err()
}

func (s *Sampler) post(ctx context.Context, samples []wire.Sample) error {
	body, err := json.Marshal(wire.Batch{Samples: samples})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(
		ctx, http.MethodPost, s.config.Collector+"/samples", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	s.mutex.Lock()
	for _, sample := range samples {
		if h := s.devices[sample.Device]; h != nil {
			h.sent++
		}
	}
	s.mutex.Unlock()
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err != nil {
		return err
	}
	var accepted wire.Accepted
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the collector answers %s: %.200s", response.Status, text)
	}
	if err := json.Unmarshal(text, &accepted); err != nil {
		return fmt.Errorf("the collector answers %.200q: %w", text, err)
	}
	if accepted.Stored+accepted.Repeated != len(samples) {
		return fmt.Errorf("of %d samples the collector took %d", len(samples),
			accepted.Stored+accepted.Repeated)
	}
	return nil
}

// -- status --------------------------------------------------------------------------------

// Status is how the sampler is now.
func (s *Sampler) Status() (wire.SamplerStatus, error) {
	status := wire.SamplerStatus{
		Node: s.config.Node, Time: time.Now().UnixNano(), Started: s.started.UnixNano(),
		Devices: map[string]wire.Counts{},
	}
	counts, err := s.buffer.Counts()
	if err != nil {
		return status, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for name, h := range s.devices {
		c := counts[name]
		c.Sent, c.ReadErrors, c.Connected, c.LastError = h.sent, h.errors, h.connected, h.lastError
		status.Devices[name] = c
	}
	status.SendErrors, status.LastError = s.sending.errors, s.sending.lastError
	if !s.handed.IsZero() {
		status.Handed = s.handed.UnixNano()
	}
	if s.identity != nil {
		status.Identity = s.identity.Current()
	}
	return status, nil
}

// Handler serves /healthz and /counts.
func (s *Sampler) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) {
		status, err := s.Status()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(status)
	})
	return mux
}

// Serve runs an HTTP server until ctx is done.
func Serve(ctx context.Context, address string, handler http.Handler) error {
	server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *Sampler) writeStatus(ctx context.Context) error {
	ticker := time.NewTicker(statusEvery)
	defer ticker.Stop()
	path := filepath.Join(s.config.Folder, StatusFile)
	for {
		status, err := s.Status()
		if err != nil {
			return err
		}
		text, err := json.Marshal(status)
		if err != nil {
			return err
		}
		// Not synced: it is about a running process and means nothing after a reboot.
		if err := os.WriteFile(path+".new", append(text, '\n'), 0o644); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
