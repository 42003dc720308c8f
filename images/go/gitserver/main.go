// Command gitserver serves Git repositories over smart HTTP with mutual TLS. What is asked of a
// repository is answered by git itself (git-http-backend, by CGI); the server decides who is let in.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	listen, folder            string
	certificate, key, clients string
	author                    string
	backend                   []string
	execPath                  string
}

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	var given options
	flag.StringVar(&given.listen, "listen", "127.0.0.1:3443", "address to listen on")
	flag.StringVar(&given.folder, "folder", "", "folder of the repositories")
	flag.StringVar(&given.certificate, "certificate", "", "own certificate")
	flag.StringVar(&given.key, "key", "", "its key")
	flag.StringVar(&given.clients, "clients", "", "authority of the clients' certificates")
	flag.StringVar(&given.author, "author", "", "common name of who may push")
	flag.StringVar(&given.execPath, "exec-path", "", "folder of git's programs; git's own if empty")
	flag.Parse()
	given.backend = flag.Args()
	if err := serve(given); err != nil {
		slog.Error("ends", "error", err)
		os.Exit(1)
	}
}

func serve(given options) error {
	if len(given.backend) == 0 {
		return errors.New("usage: gitserver OPTIONS -- COMMAND, which is git http-backend")
	}
	settings, err := mutualTLS(given.clients)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", given.listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler(given),
		TLSConfig:         settings,
		ReadHeaderTimeout: 10 * time.Second,
	}
	ending, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go func() {
		<-ending.Done()
		_ = server.Close()
	}()
	slog.Info("serves", "address", listener.Addr().String())
	err = server.ServeTLS(listener, given.certificate, given.key)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// mutualTLS lets in who shows a certificate by the authority in the file.
func mutualTLS(authority string) (*tls.Config, error) {
	content, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s: no certificate in it", authority)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  clients,
	}, nil
}

// handler lets everyone who is through TLS read, and the author alone push.
func handler(given options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			_, _ = w.Write([]byte("ok\n"))
			return
		}
		user := commonName(r)
		pushes := asksToPush(r)
		began := time.Now()
		slog.Info("asked", "user", user, "path", r.URL.Path, "push", pushes)
		if pushes && user != given.author {
			http.Error(w, "only the author may push", http.StatusForbidden)
			return
		}
		backend(given, user, pushes).ServeHTTP(w, r)
		slog.Info("answered", "user", user, "path", r.URL.Path, "ms", time.Since(began).Milliseconds())
	})
}

// asksToPush is whether the request is part of a push: git asks for the references of
// git-receive-pack first, and then sends to it.
func asksToPush(r *http.Request) bool {
	const service = "git-receive-pack"
	return r.URL.Query().Get("service") == service || strings.HasSuffix(r.URL.Path, "/"+service)
}

func commonName(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return ""
	}
	return r.TLS.PeerCertificates[0].Subject.CommonName
}

// backend is git-http-backend (git-http-backend(1)) for one request. It takes pushes of a user only.
func backend(given options, user string, pushes bool) http.Handler {
	env := []string{
		"GIT_PROJECT_ROOT=" + given.folder,
		"GIT_HTTP_EXPORT_ALL=1",
		"GIT_CONFIG_NOSYSTEM=1",
		"HOME=" + given.folder,
	}
	if given.execPath != "" {
		env = append(env, "GIT_EXEC_PATH="+given.execPath)
	}
	if pushes {
		env = append(env, "REMOTE_USER="+user)
	}
	return &cgi.Handler{
		Path:   given.backend[0],
		Args:   given.backend[1:],
		Env:    env,
		Stderr: os.Stderr,
	}
}
