package attempt

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

const mostOfAnAnswer = 1 << 20

// API are requests to an API server with the token of a pod.
type API struct {
	URL       string
	TokenFile string
	Account   string // NAMESPACE/NAME of a service account whose token is requested; none if empty
}

// Attempts in their order. The first is what anyone with a good token may do.
func (api API) Attempts() []Attempt {
	paths := []struct{ name, path string }{
		{"api-version", "/version"},
		{"api-nodes", "/api/v1/nodes?limit=1"},
		{"api-pods", "/api/v1/pods?limit=1"},
		{"api-secrets", "/api/v1/secrets?limit=1"},
	}
	var found []Attempt
	for _, one := range paths {
		found = append(found, Attempt{Name: one.name, Do: func() (string, error) {
			_, err := api.ask(Request{URL: api.URL, Path: one.path})
			return one.path, err
		}})
	}
	if api.Account != "" {
		found = append(found, Attempt{Name: "api-token-request", Do: api.requestToken})
	}
	return found
}

func (api API) ask(request Request) ([]byte, error) {
	token, err := os.ReadFile(api.TokenFile)
	if err != nil {
		return nil, err
	}
	request.Token = strings.TrimSpace(string(token))
	return request.send(client(nil))
}

// requestToken asks for a token of another service account; it is thrown away.
func (api API) requestToken() (string, error) {
	request, err := tokenRequest(api.URL, api.Account)
	if err != nil {
		return "", err
	}
	answer, err := api.ask(request)
	if err != nil {
		return request.Path, err
	}
	return request.Path, isGranted(answer, api.Account)
}

// The shortest life of a token that an API server grants.
const tokenSeconds = 600

func tokenRequest(url, account string) (Request, error) {
	space, name, ok := strings.Cut(account, "/")
	if !ok || space == "" || name == "" {
		return Request{}, fmt.Errorf("%q is not NAMESPACE/NAME", account)
	}
	body := fmt.Sprintf(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest",`+
		`"spec":{"expirationSeconds":%d}}`, tokenSeconds)
	return Request{
		URL:    url,
		Method: http.MethodPost,
		Path:   "/api/v1/namespaces/" + space + "/serviceaccounts/" + name + "/token",
		Body:   body,
		Wants:  http.StatusCreated,
	}, nil
}

// isGranted says whether the answer has a token of that account.
func isGranted(answer []byte, account string) error {
	var granted struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	if err := json.Unmarshal(answer, &granted); err != nil {
		return fmt.Errorf("no TokenRequest: %v", err)
	}
	return isOf(granted.Status.Token, "system:serviceaccount:"+strings.Replace(account, "/", ":", 1))
}

// Request is one, with its defaults: GET, and 200.
type Request struct {
	URL, Method, Path, Body, Token string
	Wants                          int // a status
}

// send gives the answer; StatusError if it has another status.
func (request Request) send(client http.Client) ([]byte, error) {
	made, err := http.NewRequest(request.Method, strings.TrimSuffix(request.URL, "/")+request.Path,
		strings.NewReader(request.Body))
	if err != nil {
		return nil, err
	}
	if request.Body != "" {
		made.Header.Set("Content-Type", "application/json")
	}
	if request.Token != "" {
		made.Header.Set("Authorization", "Bearer "+request.Token)
	}
	answer, err := client.Do(made)
	if err != nil {
		return nil, fmt.Errorf("no answer: %w", timely(err))
	}
	defer func() { _ = answer.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, mostOfAnAnswer))
	if wants := max(request.Wants, http.StatusOK); answer.StatusCode != wants {
		return nil, StatusError(answer.StatusCode)
	}
	return text, nil
}

// client does not verify who answers: it is not what is tried.
func client(certificates []tls.Certificate) http.Client {
	config := tls.Config{InsecureSkipVerify: true, Certificates: certificates}
	return http.Client{Timeout: apiPatience, Transport: &http.Transport{TLSClientConfig: &config}}
}

// withCertificate shows the certificate of a file that also has its key.
func withCertificate(file string) (http.Client, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return http.Client{}, err
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return http.Client{}, err
	}
	return client([]tls.Certificate{pair}), nil
}
