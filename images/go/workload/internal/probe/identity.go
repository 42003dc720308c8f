package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"edge-lab/images/workload/internal/identity"
)

// A server of TLS 1.3 turns a client away after the client's handshake has passed. What is written
// meanwhile may cost the alert (RST), so first there is this much time to read.
const alertWait = time.Second

// Shown says as whom a probe comes.
type Shown struct {
	WorkloadAPI string
	// Folder holds a copied identity, which is shown in the place of the own one.
	Folder string
	// Nothing shows no certificate.
	Nothing bool
}

func (s Shown) open(ctx context.Context) (*identity.Identity, error) {
	if s.Folder != "" {
		return identity.FromFolder(s.Folder)
	}
	return identity.Open(ctx, s.WorkloadAPI)
}

// SVID asks who this process is. With folder, the identity with its key is written there.
func SVID(ctx context.Context, shown Shown, folder string) (Result, error) {
	own, err := shown.open(ctx)
	if err != nil {
		return Result{}, err
	}
	if folder != "" {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return Result{}, err
		}
		files, err := own.Export()
		if err != nil {
			return Result{}, err
		}
		if err := files.Save(folder); err != nil {
			return Result{}, err
		}
	}
	return Result{Value: own.Current()}, nil
}

// MutualTLS asks for /healthz at address, whose server must be peer. Value is the status.
func MutualTLS(ctx context.Context, shown Shown, address, peer string) (Result, error) {
	connection, err := shown.dial(ctx, address, peer)
	if err != nil {
		return Result{}, fmt.Errorf("handshake: %w", err)
	}
	defer func() { _ = connection.Close() }()
	if err := refused(connection); err != nil {
		return Result{}, fmt.Errorf("read before write: %w", err)
	}
	client := http.Client{Transport: &http.Transport{
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
			return connection, nil
		},
		DisableKeepAlives: true,
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/healthz", nil)
	if err != nil {
		return Result{}, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return Result{}, fmt.Errorf("answer: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if err != nil {
		return Result{}, fmt.Errorf("answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return Result{Value: answer.StatusCode}, fmt.Errorf("answer: %s: %s", answer.Status, text)
	}
	return Result{Value: answer.StatusCode}, nil
}

func (s Shown) dial(ctx context.Context, address, peer string) (*tls.Conn, error) {
	if s.Nothing {
		// Whoever has no identity has no authorities to judge the server by either.
		dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
		connection, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		return connection.(*tls.Conn), nil
	}
	own, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	return own.Dial(ctx, address, peer)
}

// refused reads for a moment: nil if nothing comes.
func refused(connection *tls.Conn) error {
	if err := connection.SetReadDeadline(time.Now().Add(alertWait)); err != nil {
		return err
	}
	_, err := connection.Read(make([]byte, 1))
	switch {
	case err == nil:
		return errors.New("the server speaks before it is asked")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return connection.SetReadDeadline(time.Time{})
	}
	return err
}
