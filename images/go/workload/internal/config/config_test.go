package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const good = `{"node":"edge","collector":"http://10.0.0.1:9100","poll_ms":250,"folder":"/f",
"devices":[{"name":"boiler","protocol":"modbus-tcp","address":"10.0.0.2:502",
"points":[{"name":"sequence","register":0,"kind":"uint32"}]}]}`

func read(t *testing.T, text string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Read(path)
}

func TestAGoodConfigurationIsRead(t *testing.T) {
	c, err := read(t, good)
	if err != nil || c.Devices[0].Points[0].Kind != "uint32" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for mistake, word := range map[string][3]string{
		"no node":      {`"edge"`, `""`, "node"},
		"no collector": {`"http://10.0.0.1:9100"`, `""`, "collector"},
		"no folder":    {`"/f"`, `""`, "folder"},
		"polls wildly": {`250`, `1`, "poll_ms"},
		"protocol":     {`modbus-tcp`, `profibus`, "profibus"},
		"first point":  {`"sequence"`, `"other"`, "sequence"},
		"no JSON":      {`{"node"`, `node`, "invalid"},
		"nameless":     {`"boiler"`, `""`, "name"},
		"unknown peer": {`http:`, `https:`, "identity"},
		"plain text": {`"node"`, `"identity":{"workload_api":"unix:///s","collector":"spiffe://d/c"},
"node"`, "https"},
		"peer without name": {`"collector":"http:`,
			`"identity":{"workload_api":"unix:///s"},"collector":"https:`, "workload_api"},
	} {
		_, err := read(t, strings.Replace(good, word[0], word[1], 1))
		if err == nil || !strings.Contains(err.Error(), word[2]) {
			t.Errorf("%s: %v", mistake, err)
		}
	}
}
