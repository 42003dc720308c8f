// Package device reads devices over the protocol that they speak.
package device

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/ua"
	"github.com/simonvetter/modbus"

	"edge-lab/images/workload/internal/config"
)

// Reading is what a device showed in one read.
type Reading struct {
	Seq    uint64
	Time   time.Time
	Values json.RawMessage
}

// Device is one open connection; after an error it must be closed and opened anew.
type Device interface {
	Read(ctx context.Context) (Reading, error)
	Close()
}

const (
	connectLimit = 15 * time.Second
	readLimit    = 10 * time.Second
)

// Open connects to a device.
func Open(ctx context.Context, d config.Device, s config.Security) (Device, error) {
	switch d.Protocol {
	case config.Modbus:
		return openModbus(d)
	case config.OPCUA:
		return openOPCUA(ctx, d, s)
	default:
		return nil, fmt.Errorf("unknown protocol %q", d.Protocol)
	}
}

// -- Modbus --------------------------------------------------------------------------------

type modbusDevice struct {
	client *modbus.ModbusClient
	points []config.Point
	first  uint16
	count  uint16
}

// DialModbus opens a Modbus TCP connection to HOST:PORT.
func DialModbus(address string, unit uint8) (*modbus.ModbusClient, error) {
	client, err := modbus.NewClient(&modbus.ClientConfiguration{
		URL: "tcp://" + address, Timeout: readLimit,
		Logger: log.New(io.Discard, "", 0),
	})
	if err != nil {
		return nil, err
	}
	if err := client.Open(); err != nil {
		return nil, err
	}
	if err := client.SetUnitId(unit); err != nil {
		_ = client.Close()
		return nil, err
	}
	return client, nil
}

func openModbus(d config.Device) (Device, error) {
	unit := d.Unit
	if unit == 0 {
		unit = 1
	}
	first, end := d.Points[0].Register, uint16(0)
	for _, p := range d.Points {
		first = min(first, p.Register)
		end = max(end, p.Register+registers(p.Kind))
	}
	client, err := DialModbus(d.Address, unit)
	if err != nil {
		return nil, err
	}
	return &modbusDevice{client, d.Points, first, end - first}, nil
}

func registers(kind string) uint16 {
	if kind == "int32" || kind == "uint32" {
		return 2
	}
	return 1
}

func (m *modbusDevice) Read(context.Context) (Reading, error) {
	var r Reading
	block, err := m.client.ReadRegisters(m.first, m.count, modbus.HOLDING_REGISTER)
	if err != nil {
		return r, err
	}
	r.Time = time.Now()
	r.Seq, r.Values, err = decode(block, m.first, m.points)
	return r, err
}

// decode takes a block of registers apart, that begins with register first.
func decode(block []uint16, first uint16, points []config.Point) (uint64, json.RawMessage, error) {
	values := map[string]int64{}
	for _, p := range points {
		at := int(p.Register) - int(first)
		if at < 0 || at+int(registers(p.Kind)) > len(block) {
			return 0, nil, fmt.Errorf("register %d is outside of the answer", p.Register)
		}
		switch p.Kind {
		case "uint16":
			values[p.Name] = int64(block[at])
		case "int32":
			values[p.Name] = int64(int32(uint32(block[at])<<16 | uint32(block[at+1])))
		case "uint32":
			values[p.Name] = int64(uint32(block[at])<<16 | uint32(block[at+1]))
		default:
			return 0, nil, fmt.Errorf("point %s: unknown kind %q", p.Name, p.Kind)
		}
	}
	seq := uint64(values[config.Sequence])
	delete(values, config.Sequence)
	text, err := json.Marshal(values)
	return seq, text, err
}

func (m *modbusDevice) Close() { _ = m.client.Close() }

// -- OPC UA --------------------------------------------------------------------------------

type opcuaDevice struct {
	client *opcua.Client
	names  []string
	nodes  []*ua.ReadValueID
}

// DialOPCUA opens a session: Basic256Sha256, signed and encrypted, anonymous user. The
// server's certificate must come from the authority in s.
func DialOPCUA(ctx context.Context, url string, s config.Security) (*opcua.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	pair, err := tls.LoadX509KeyPair(s.Certificate, s.Key)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	key, ok := pair.PrivateKey.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("client certificate: OPC UA needs an RSA key")
	}
	endpoints, err := opcua.GetEndpoints(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("list endpoints: %w", err)
	}
	endpoint, err := secured(endpoints)
	if err != nil {
		return nil, err
	}
	if err := trusted(endpoint.ServerCertificate, s.Authority); err != nil {
		return nil, fmt.Errorf("the server's certificate: %w", err)
	}
	client, err := opcua.NewClient(url,
		opcua.PrivateKey(key),
		opcua.Certificate(pair.Certificate[0]),
		opcua.SecurityFromEndpoint(endpoint, ua.UserTokenTypeAnonymous),
		opcua.ApplicationName("edge-lab sampler"),
		opcua.RequestTimeout(readLimit),
		// Whoever uses the client connects anew: one place that does it is enough.
		opcua.AutoReconnect(false),
	)
	if err != nil {
		return nil, err
	}
	if err := client.Connect(ctx); err != nil {
		return nil, err
	}
	return client, nil
}

func secured(endpoints []*ua.EndpointDescription) (*ua.EndpointDescription, error) {
	for _, e := range endpoints {
		if e.SecurityPolicyURI == ua.SecurityPolicyURIBasic256Sha256 &&
			e.SecurityMode == ua.MessageSecurityModeSignAndEncrypt {
			return e, nil
		}
	}
	return nil, errors.New("the server offers no Basic256Sha256 with SignAndEncrypt")
}

func trusted(der []byte, authority string) error {
	text, err := os.ReadFile(authority)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s holds no certificate", authority)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	_, err = certificate.Verify(x509.VerifyOptions{Roots: roots})
	return err
}

func openOPCUA(ctx context.Context, d config.Device, s config.Security) (Device, error) {
	device := &opcuaDevice{}
	for _, p := range d.Points {
		id, err := ua.ParseNodeID(p.Node)
		if err != nil {
			return nil, fmt.Errorf("point %s: %w", p.Name, err)
		}
		device.names = append(device.names, p.Name)
		device.nodes = append(device.nodes, &ua.ReadValueID{NodeID: id, AttributeID: ua.AttributeIDValue})
	}
	client, err := DialOPCUA(ctx, d.Address, s)
	if err != nil {
		return nil, err
	}
	device.client = client
	return device, nil
}

func (o *opcuaDevice) Read(ctx context.Context) (Reading, error) {
	var r Reading
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	results, err := ReadNodes(ctx, o.client, o.nodes)
	if err != nil {
		return r, err
	}
	r.Time = time.Now()
	values := map[string]any{}
	for i, result := range results {
		values[o.names[i]] = result.Value.Value()
	}
	seq, ok := values[config.Sequence].(uint32)
	if !ok {
		return r, fmt.Errorf("the sequence is a %T, not a UInt32", values[config.Sequence])
	}
	delete(values, config.Sequence)
	r.Seq = uint64(seq)
	r.Values, err = json.Marshal(values)
	return r, err
}

// ReadNodes reads all nodes in one request; a bad status of one is an error.
func ReadNodes(ctx context.Context, client *opcua.Client, nodes []*ua.ReadValueID) ([]*ua.DataValue, error) {
	response, err := client.Read(ctx, &ua.ReadRequest{
		NodesToRead: nodes, TimestampsToReturn: ua.TimestampsToReturnBoth,
	})
	if err != nil {
		return nil, err
	}
	if len(response.Results) != len(nodes) {
		return nil, fmt.Errorf("asked for %d values, got %d", len(nodes), len(response.Results))
	}
	for i, result := range response.Results {
		if result.Status != ua.StatusOK {
			return nil, fmt.Errorf("%s: %w", nodes[i].NodeID, result.Status)
		}
		if result.Value == nil {
			return nil, fmt.Errorf("%s: no value", nodes[i].NodeID)
		}
	}
	return response.Results, nil
}

func (o *opcuaDevice) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = o.client.Close(ctx)
}
