//go:build spiffe

package identity

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	sampler   = "spiffe://edge-lab.test/ns/edge-lab/sa/sampler"
	collector = "spiffe://edge-lab.test/ns/edge-lab/sa/collector"
	stranger  = "spiffe://edge-lab.test/ns/edge-lab/sa/stranger"
	limit     = 20 * time.Second
)

// -- an agent ------------------------------------------------------------------------------

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{certificate, key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a authority) svid(t *testing.T, id string, from, to time.Duration) *workload.X509SVID {
	t.Helper()
	key := newKey(t)
	uri, err := url.Parse(id)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, URIs: []*url.URL{uri}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &workload.X509SVID{
		SpiffeId: id, X509Svid: der, X509SvidKey: private, Bundle: a.certificate.Raw,
	}
}

// agent is a Workload API with one identity, which can be replaced; nil is none.
type agent struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	address string
	server  *grpc.Server

	mutex   sync.Mutex
	svid    *workload.X509SVID
	changed chan struct{}
}

func startAgent(t *testing.T, svid *workload.X509SVID) *agent {
	t.Helper()
	// Not t.TempDir: its path may be too long for a socket.
	folder, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	socket := filepath.Join(folder, "agent.sock")
	a := &agent{address: "unix://" + socket, svid: svid, changed: make(chan struct{}), server: grpc.NewServer()}
	workload.RegisterSpiffeWorkloadAPIServer(a.server, a)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = a.server.Serve(listener) }()
	t.Cleanup(a.server.Stop)
	return a
}

func (a *agent) give(svid *workload.X509SVID) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.svid = svid
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *agent) FetchX509SVID(
	_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer,
) error {
	for {
		a.mutex.Lock()
		svid, changed := a.svid, a.changed
		a.mutex.Unlock()
		if svid == nil {
			return status.Error(codes.PermissionDenied, "no identity issued")
		}
		if err := stream.Send(&workload.X509SVIDResponse{Svids: []*workload.X509SVID{svid}}); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return nil
		}
	}
}

// -- a collector ---------------------------------------------------------------------------

// serve runs a server that admits samplers, and returns its address.
func serve(t *testing.T, own *Identity) string {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", own.ServerConfig([]string{sampler}))
	if err != nil {
		t.Fatal(err)
	}
	healthy := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	server := &http.Server{Handler: whileValid(healthy), ReadHeaderTimeout: limit}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

func opened(t *testing.T, a *agent) *Identity {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	found, err := Open(ctx, a.address)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// call says nil if the server answers. It reads before it writes: see probe.MutualTLS.
func call(own *Identity, address, peer string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	connection, err := own.Dial(ctx, address, peer)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	return callOver(connection)
}

func callOver(connection *tls.Conn) error {
	_ = connection.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	_, err := connection.Read(make([]byte, 1))
	if err == nil {
		return errors.New("the server spoke first")
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	_ = connection.SetReadDeadline(time.Now().Add(limit))
	request, err := http.NewRequest(http.MethodGet, "https://collector/healthz", nil)
	if err != nil {
		return err
	}
	if err := request.Write(connection); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// -- tests ---------------------------------------------------------------------------------

func TestOnlyTheRightIdentityIsLetIn(t *testing.T) {
	ours, foreign := newAuthority(t), newAuthority(t)
	address := serve(t, opened(t, startAgent(t, ours.svid(t, collector, -time.Hour, time.Hour))))
	for name, test := range map[string]struct {
		shown *workload.X509SVID
		right bool
	}{
		"the sampler":                {ours.svid(t, sampler, -time.Hour, time.Hour), true},
		"another service account":    {ours.svid(t, stranger, -time.Hour, time.Hour), false},
		"a sampler whose SVID ended": {ours.svid(t, sampler, -time.Hour, -time.Second), false},
		"a sampler of tomorrow":      {ours.svid(t, sampler, time.Hour, 2*time.Hour), false},
		"a foreign authority": {func() *workload.X509SVID {
			svid := foreign.svid(t, sampler, -time.Hour, time.Hour)
			svid.Bundle = ours.certificate.Raw
			return svid
		}(), false},
	} {
		err := call(opened(t, startAgent(t, test.shown)), address, collector)
		if (err == nil) != test.right {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && !strings.Contains(err.Error(), "bad certificate") {
			t.Errorf("%s is refused for another reason: %v", name, err)
		}
	}
}

func TestWhoShowsNothingIsTurnedAway(t *testing.T) {
	ours := newAuthority(t)
	address := serve(t, opened(t, startAgent(t, ours.svid(t, collector, -time.Hour, time.Hour))))
	connection, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		err = callOver(connection)
	}
	if err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("got %v", err)
	}
}

func TestASamplerRefusesWhoeverIsNotTheCollector(t *testing.T) {
	ours := newAuthority(t)
	address := serve(t, opened(t, startAgent(t, ours.svid(t, stranger, -time.Hour, time.Hour))))
	own := opened(t, startAgent(t, ours.svid(t, sampler, -time.Hour, time.Hour)))
	if err := call(own, address, collector); err == nil || !strings.Contains(err.Error(), "unexpected ID") {
		t.Errorf("got %v", err)
	}
	// The control: it is that server's name alone.
	if err := call(own, address, stranger); err != nil {
		t.Error(err)
	}
}

func TestARotatedIdentityIsShownAtTheNextConnection(t *testing.T) {
	ours := newAuthority(t)
	address := serve(t, opened(t, startAgent(t, ours.svid(t, collector, -time.Hour, time.Hour))))
	api := startAgent(t, ours.svid(t, sampler, -time.Hour, -time.Second))
	own := opened(t, api)
	before := own.Current()
	if err := call(own, address, collector); err == nil {
		t.Error("an SVID that is over is let in")
	}
	api.give(ours.svid(t, sampler, -time.Hour, time.Hour))
	eventually(t, "the new SVID is there", func() bool { return own.Current().Serial != before.Serial })
	if err := call(own, address, collector); err != nil {
		t.Error(err)
	}
}

func TestTheLastIdentityIsKeptWhileTheAgentIsGone(t *testing.T) {
	ours := newAuthority(t)
	address := serve(t, opened(t, startAgent(t, ours.svid(t, collector, -time.Hour, time.Hour))))
	api := startAgent(t, ours.svid(t, sampler, -time.Hour, time.Hour))
	own := opened(t, api)
	api.server.Stop()
	if err := call(own, address, collector); err != nil {
		t.Error(err)
	}
}

func TestAConnectionDoesNotOutliveItsCertificate(t *testing.T) {
	ours := newAuthority(t)
	address := serve(t, opened(t, startAgent(t, ours.svid(t, collector, -time.Hour, time.Hour))))
	ends := 2 * time.Second
	own := opened(t, startAgent(t, ours.svid(t, sampler, -time.Hour, ends)))
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	connection, err := own.Dial(ctx, address, collector)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	// The control: before its end it is good.
	if err := callOver(connection); err != nil {
		t.Fatal(err)
	}
	// X.509 counts whole seconds.
	time.Sleep(time.Until(began.Add(ends + time.Second)))
	if err := callOver(connection); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("got %v", err)
	}
}

func TestNoIdentityIsNoneUntilThereIsOne(t *testing.T) {
	api := startAgent(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	own := Start(ctx, api.address)
	if _, err := own.Dial(ctx, "127.0.0.1:1", collector); !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
	if own.Current() != nil {
		t.Error("an identity from nowhere")
	}
	api.give(newAuthority(t).svid(t, sampler, -time.Hour, time.Hour))
	eventually(t, "the identity is there", func() bool { return own.Current() != nil })
}

func TestWhoIsNotRegisteredIsToldSo(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, err := Open(ctx, startAgent(t, nil).address)
	if err == nil || !strings.Contains(err.Error(), "no identity issued") {
		t.Errorf("got %v", err)
	}
}

func TestACopyIsAsGoodAsTheOriginal(t *testing.T) {
	ours := newAuthority(t)
	address := serve(t, opened(t, startAgent(t, ours.svid(t, collector, -time.Hour, time.Hour))))
	own := opened(t, startAgent(t, ours.svid(t, sampler, -time.Hour, time.Hour)))
	files, err := own.Export()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := files.Save(folder); err != nil {
		t.Fatal(err)
	}
	thief, err := FromFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := call(thief, address, collector); err != nil {
		t.Error(err)
	}
}
