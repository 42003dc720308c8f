// Package config reads the sampler's configuration.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Protocols that a device may speak.
const (
	Modbus = "modbus-tcp"
	OPCUA  = "opcua"
)

// Sequence is the name of the point that counts a device's steps.
const Sequence = "sequence"

// Point is one quantity of a device and where it is found.
type Point struct {
	Name string `json:"name"`
	// Register and Kind (uint16, int32, uint32) say where it lies in Modbus.
	Register uint16 `json:"register,omitempty"`
	Kind     string `json:"kind,omitempty"`
	// Node is its NodeId in OPC UA.
	Node string `json:"node,omitempty"`
}

// Device is one device to be sampled.
type Device struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
	// Address is HOST:PORT for Modbus, an opc.tcp:// URL for OPC UA.
	Address string  `json:"address"`
	Unit    uint8   `json:"unit,omitempty"`
	Points  []Point `json:"points"`
}

// Security is what an OPC UA client shows and trusts: PEM files.
type Security struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	Authority   string `json:"authority"`
}

// Identity is how the sampler proves to the collector who it is, and whom it takes for the
// collector: a SPIFFE ID.
type Identity struct {
	WorkloadAPI string `json:"workload_api"`
	Collector   string `json:"collector"`
}

// Config is all that a sampler is told.
type Config struct {
	Node      string    `json:"node"`
	Collector string    `json:"collector"`
	PollMs    int       `json:"poll_ms"`
	Folder    string    `json:"folder"`
	Listen    string    `json:"listen"`
	Security  Security  `json:"security"`
	Devices   []Device  `json:"devices"`
	Identity  *Identity `json:"identity"`
}

// Poll is the time between two reads of a device.
func (c Config) Poll() time.Duration { return time.Duration(c.PollMs) * time.Millisecond }

// Read reads and checks the file at path.
func Read(path string) (Config, error) {
	var c Config
	text, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func (c Config) check() error {
	switch {
	case c.Node == "":
		return errors.New("node is missing")
	case c.Collector == "":
		return errors.New("collector is missing")
	case c.Folder == "":
		return errors.New("folder is missing")
	case (c.Identity != nil) != strings.HasPrefix(c.Collector, "https://"):
		return fmt.Errorf("collector %s: https needs an identity, and an identity https", c.Collector)
	case c.Identity != nil && (c.Identity.WorkloadAPI == "" || c.Identity.Collector == ""):
		return errors.New("identity needs workload_api and collector")
	case c.PollMs < 10:
		return fmt.Errorf("poll_ms is %d, the least is 10", c.PollMs)
	}
	seen := map[string]bool{}
	for _, d := range c.Devices {
		if d.Name == "" || seen[d.Name] {
			return fmt.Errorf("device %q: its name is missing or taken", d.Name)
		}
		seen[d.Name] = true
		if d.Protocol != Modbus && d.Protocol != OPCUA {
			return fmt.Errorf("device %s: unknown protocol %q", d.Name, d.Protocol)
		}
		if len(d.Points) == 0 || d.Points[0].Name != Sequence {
			return fmt.Errorf("device %s: its first point must be %q", d.Name, Sequence)
		}
	}
	return nil
}
