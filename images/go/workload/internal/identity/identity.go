// Package identity gives this process a SPIFFE identity by the Workload API of its node. Only
// programs built with the tag spiffe can have one: the default workload has no gRPC in it.
package identity

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"edge-lab/images/workload/internal/wire"
)

// DefaultAddress is the socket of the node's agent.
const DefaultAddress = "unix:///run/spire/agent/agent.sock"

// source is an identity that is there, and stays up to date.
type source interface {
	serverConfig(peers []string) (*tls.Config, error)
	clientConfig(peer string) (*tls.Config, error)
	current() (wire.Identity, error)
	export() (Files, error)
	Close() error
}

// Files are an identity as PEM: certificates, key, and the authorities of its trust domain.
type Files struct{ Certificate, Key, Authorities []byte }

// Names of the files of a copied identity.
const (
	CertificateFile = "svid.pem"
	KeyFile         = "svid.key"
	AuthoritiesFile = "bundle.pem"
)

// Save writes the identity to folder, as FromFolder reads it.
func (f Files) Save(folder string) error {
	for name, content := range map[string][]byte{
		CertificateFile: f.Certificate, KeyFile: f.Key, AuthoritiesFile: f.Authorities,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// ErrNone says that the Workload API has not given an identity so far.
var ErrNone = errors.New("no identity from the Workload API yet")

// Identity is who this process is, once the Workload API has said so.
type Identity struct{ source atomic.Pointer[source] }

// Start asks the Workload API at address until it answers or ctx is done. It returns at once: the
// sampler reads its devices, whoever it is.
func Start(ctx context.Context, address string) *Identity {
	i := &Identity{}
	go func() {
		opened, err := open(ctx, address)
		if err != nil {
			if ctx.Err() == nil {
				slog.Error("identity", "error", err)
			}
			return
		}
		i.source.Store(&opened)
		if now, err := opened.current(); err == nil {
			slog.Info("identity", "id", now.ID, "serial", now.Serial)
		}
		<-ctx.Done()
		_ = opened.Close()
	}()
	return i
}

// Open asks once for the identity: an error says why there is none.
func Open(ctx context.Context, address string) (*Identity, error) {
	if err := ask(ctx, address); err != nil {
		return nil, err
	}
	opened, err := open(ctx, address)
	if err != nil {
		return nil, err
	}
	i := &Identity{}
	i.source.Store(&opened)
	return i, nil
}

func (i *Identity) now() (source, error) {
	if found := i.source.Load(); found != nil {
		return *found, nil
	}
	return nil, ErrNone
}

// Current is the SVID that is shown now; nil if there is none.
func (i *Identity) Current() *wire.Identity {
	found, err := i.now()
	if err != nil {
		return nil
	}
	shown, err := found.current()
	if err != nil {
		return nil
	}
	return &shown
}

// Export is the identity as files.
func (i *Identity) Export() (Files, error) {
	found, err := i.now()
	if err != nil {
		return Files{}, err
	}
	return found.export()
}

// ServerConfig admits the SPIFFE IDs of peers, and nobody else.
func (i *Identity) ServerConfig(peers []string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			found, err := i.now()
			if err != nil {
				return nil, err
			}
			config, err := found.serverConfig(peers)
			if err != nil {
				return nil, err
			}
			// A resumed session is not verified anew (crypto/tls: VerifyPeerCertificate is not
			// called), and its ticket would outlive the SVID's rotation.
			config.SessionTicketsDisabled = true
			return config, nil
		},
	}
}

// Dial connects to a server that must be peer, a SPIFFE ID.
func (i *Identity) Dial(ctx context.Context, address, peer string) (*tls.Conn, error) {
	found, err := i.now()
	if err != nil {
		return nil, err
	}
	config, err := found.clientConfig(peer)
	if err != nil {
		return nil, err
	}
	plain, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(plain, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, err
	}
	return secured, nil
}

// Serve runs handler over TLS for peers until ctx is done. Who is turned away is logged, with why.
func (i *Identity) Serve(
	ctx context.Context, address string, peers []string, handler http.Handler,
) error {
	server := &http.Server{
		Addr: address, Handler: whileValid(handler), ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: i.ServerConfig(peers),
		ErrorLog:  slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServeTLS("", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// whileValid ends connections whose certificate is over: TLS looks at it in the handshake alone.
func whileValid(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown := r.TLS.PeerCertificates[0]
		if time.Now().After(shown.NotAfter) {
			w.Header().Set("Connection", "close")
			text := fmt.Sprintf("the certificate of this connection ended %s",
				shown.NotAfter.UTC().Format(time.RFC3339))
			http.Error(w, text, http.StatusForbidden)
			return
		}
		handler.ServeHTTP(w, r)
	})
}
