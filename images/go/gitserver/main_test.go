package main

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

const author = "author"

// asked is what a user gets; the backend is a shell that says what it was told.
func asked(t *testing.T, user, method, target string) *httptest.ResponseRecorder {
	t.Helper()
	script := filepath.Join(t.TempDir(), "backend")
	text := "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n%s|%s' \"$REMOTE_USER\" \"$GIT_PROJECT_ROOT\"\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(method, target, nil)
	if user != "" {
		shown := &x509.Certificate{Subject: pkix.Name{CommonName: user}}
		request.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{shown}}
	}
	answer := httptest.NewRecorder()
	handler(options{folder: "/repositories", author: author, backend: []string{script}}).
		ServeHTTP(answer, request)
	return answer
}

func TestReadersReadAndAreNobodyToGit(t *testing.T) {
	answer := asked(t, "reader", http.MethodGet, "/fleet.git/info/refs?service=git-upload-pack")
	if answer.Code != http.StatusOK || answer.Body.String() != "|/repositories" {
		t.Fatalf("%d %q", answer.Code, answer.Body)
	}
}

func TestOnlyTheAuthorPushes(t *testing.T) {
	for _, target := range []string{
		"/fleet.git/info/refs?service=git-receive-pack",
		"/fleet.git/git-receive-pack",
	} {
		for user, code := range map[string]int{
			author: http.StatusOK, "reader": http.StatusForbidden, "": http.StatusForbidden,
		} {
			answer := asked(t, user, http.MethodPost, target)
			if answer.Code != code {
				t.Errorf("%s by %q: %d, not %d", target, user, answer.Code, code)
			}
			if code == http.StatusOK && answer.Body.String() != "author|/repositories" {
				t.Errorf("%s: %q", target, answer.Body)
			}
		}
	}
}

func TestHealth(t *testing.T) {
	if answer := asked(t, "", http.MethodGet, "/healthz"); answer.Code != http.StatusOK {
		t.Fatal(answer.Code)
	}
}

func TestWithoutAnAuthorityItDoesNotServe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mutualTLS(file); err == nil {
		t.Fatal("an empty file is an authority")
	}
}
