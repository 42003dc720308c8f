package attempt

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// API are requests to an API server with the token of a pod.
type API struct {
	URL       string
	TokenFile string
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
			return one.path, api.get(one.path)
		}})
	}
	return found
}

// get asks, and keeps nothing of the answer. Who answers is not verified: it is not what is tried.
func (api API) get(path string) error {
	token, err := os.ReadFile(api.TokenFile)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodGet, strings.TrimSuffix(api.URL, "/")+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	client := http.Client{
		Timeout:   patience,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("no answer: %w", timely(err))
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK {
		return StatusError(answer.StatusCode)
	}
	return nil
}
