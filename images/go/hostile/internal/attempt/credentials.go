package attempt

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Nothing of a token or of a key is ever reported: only whose it is.

// tokenOf reads a file with a token; it is reached if the token is that of the subject.
func tokenOf(path, subject string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return isOf(string(text), subject)
}

func isOf(token, subject string) error {
	found, err := subjectOf(token)
	if err == nil && found != subject {
		err = fmt.Errorf("it is of %q", found)
	}
	return err
}

// subjectOf is whose token it is, by itself; it is not verified.
func subjectOf(token string) (string, error) {
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("no token: %d parts", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", fmt.Errorf("no token: %v", err)
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return "", fmt.Errorf("no token: %v", err)
	}
	return claims.Subject, nil
}

// Kubelet are attempts at the folder of a node's kubelet, by its path.
type Kubelet struct {
	Path    string
	Pod     string // the uid of another pod
	Subject string // of the token that it has
}

// Attempts has one.
func (kubelet Kubelet) Attempts() []Attempt {
	return []Attempt{{Name: "kubelet-token", Do: kubelet.token}}
}

// token reads the token of the other pod, among its volumes.
func (kubelet Kubelet) token() (string, error) {
	folder := filepath.Join(kubelet.Path, "pods", kubelet.Pod, "volumes", "kubernetes.io~projected")
	volumes, err := os.ReadDir(folder)
	if err != nil {
		return folder, err
	}
	err = fmt.Errorf("no volume: %w", syscall.ENOENT)
	for _, volume := range volumes {
		if err = tokenOf(filepath.Join(folder, volume.Name(), "token"), kubelet.Subject); err == nil {
			break
		}
	}
	return folder, err
}

// NodeKey are attempts at the key by which the node is known to the API server, and with it.
type NodeKey struct {
	File       string // with the key, and its certificate
	URL        string // of the API server
	Own, Other string // NAMESPACE/NAME of Secrets: of a pod of this node, and of none
}

// Attempts in their order: those with the key only if there is an API server to show it to.
func (key NodeKey) Attempts() []Attempt {
	found := []Attempt{{Name: "node-key", Do: key.read}}
	for _, one := range []struct{ name, secret string }{
		{"node-secret-own", key.Own}, {"node-secret-other", key.Other},
	} {
		if key.URL != "" && one.secret != "" {
			found = append(found, Attempt{Name: one.name, Do: func() (string, error) {
				return one.secret, key.ask(one.secret)
			}})
		}
	}
	return found
}

func (key NodeKey) read() (string, error) {
	text, err := os.ReadFile(key.File)
	if err == nil && !hasKey(text) {
		err = fmt.Errorf("it has no private key")
	}
	return key.File, err
}

func hasKey(text []byte) bool {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return true
		}
	}
	return false
}

func (key NodeKey) ask(secret string) error {
	path, err := secretPath(secret)
	if err != nil {
		return err
	}
	client, err := withCertificate(key.File)
	if err != nil {
		return err
	}
	_, err = Request{URL: key.URL, Path: path}.send(client)
	return err
}

func secretPath(name string) (string, error) {
	space, name, ok := strings.Cut(name, "/")
	if !ok || space == "" || name == "" || strings.Contains(name, "/") {
		return "", fmt.Errorf("%s/%s is not NAMESPACE/NAME", space, name)
	}
	return "/api/v1/namespaces/" + space + "/secrets/" + name, nil
}
