//go:build spiffe

package identity

import (
	"context"
	"crypto/tls"
	"path/filepath"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"edge-lab/images/workload/internal/wire"
)

// held is an identity from anywhere.
type held struct {
	x509svid.Source
	bundles x509bundle.Source
	close   func() error
}

// ask says why the Workload API gives no identity, where open would wait for one.
func ask(ctx context.Context, address string) error {
	_, err := workloadapi.FetchX509SVID(ctx, workloadapi.WithAddr(address))
	return err
}

func open(ctx context.Context, address string) (source, error) {
	// Keeps the last SVID while the agent is gone, and asks again for as long as the process runs.
	api, err := workloadapi.NewX509Source(
		ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(address)))
	if err != nil {
		return nil, err
	}
	return held{api, api, api.Close}, nil
}

// FromFolder is an identity by files, as somebody has who has copied them.
func FromFolder(folder string) (*Identity, error) {
	svid, err := x509svid.Load(filepath.Join(folder, CertificateFile), filepath.Join(folder, KeyFile))
	if err != nil {
		return nil, err
	}
	bundle, err := x509bundle.Load(svid.ID.TrustDomain(), filepath.Join(folder, AuthoritiesFile))
	if err != nil {
		return nil, err
	}
	var found source = held{svid, bundle, func() error { return nil }}
	i := &Identity{}
	i.source.Store(&found)
	return i, nil
}

func (h held) Close() error { return h.close() }

func (h held) serverConfig(peers []string) (*tls.Config, error) {
	ids := make([]spiffeid.ID, 0, len(peers))
	for _, peer := range peers {
		id, err := spiffeid.FromString(peer)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return tlsconfig.MTLSServerConfig(h, h.bundles, tlsconfig.AuthorizeOneOf(ids...)), nil
}

func (h held) clientConfig(peer string) (*tls.Config, error) {
	id, err := spiffeid.FromString(peer)
	if err != nil {
		return nil, err
	}
	return tlsconfig.MTLSClientConfig(h, h.bundles, tlsconfig.AuthorizeID(id)), nil
}

func (h held) current() (wire.Identity, error) {
	svid, err := h.GetX509SVID()
	if err != nil {
		return wire.Identity{}, err
	}
	leaf := svid.Certificates[0]
	return wire.Identity{
		ID: svid.ID.String(), Serial: leaf.SerialNumber.String(),
		NotBefore: leaf.NotBefore.UnixNano(), NotAfter: leaf.NotAfter.UnixNano(),
	}, nil
}

func (h held) export() (Files, error) {
	svid, err := h.GetX509SVID()
	if err != nil {
		return Files{}, err
	}
	certificate, key, err := svid.Marshal()
	if err != nil {
		return Files{}, err
	}
	bundle, err := h.bundles.GetX509BundleForTrustDomain(svid.ID.TrustDomain())
	if err != nil {
		return Files{}, err
	}
	authorities, err := bundle.Marshal()
	return Files{certificate, key, authorities}, err
}
