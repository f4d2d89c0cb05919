package uplink

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/command"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/gen/sensor/v1/sensorv1connect"
	"github.com/yagura-edr/yagura/internal/sensor/identity"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// Facts are what a host says of itself when it enrols.
type Facts struct {
	Hostname  []byte
	Version   string
	MachineID []byte // SHA-256 of the machine id
}

// Enroll turns a token into an identity in dir. The key is made here and never leaves. Nothing is sent
// before the server has shown a certificate of the token's CA, and nothing is kept before its authority
// has the token's hash.
func Enroll(ctx context.Context, dir string, token command.Token, facts Facts, proxy Proxy) (*identity.Identity, error) {
	if err := identity.Room(dir); err != nil {
		return nil, err
	}
	key, csr, err := identity.NewKey()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(token.URL)
	if err != nil {
		return nil, fmt.Errorf("address of the server: %w", err)
	}
	tr, err := transport(pinnedByHash(token.CA, u.Hostname()), proxy, &book{})
	if err != nil {
		return nil, err
	}
	defer tr.CloseIdleConnections()
	client := sensorv1connect.NewSensorsClient(&http.Client{Transport: tr}, token.URL, connect.WithReadMaxBytes(1<<20))
	res, err := client.Enroll(ctx, connect.NewRequest(&sensorv1.EnrollRequest{
		Secret: token.Secret, Csr: csr, Hostname: facts.Hostname, Os: sense.OS.String(), Version: facts.Version, MachineId: facts.MachineID,
	}))
	if err != nil {
		return nil, fmt.Errorf("enrol at %s: %w", token.URL, err)
	}
	id, err := identity.Accept(res.Msg, token, key)
	if err != nil {
		return nil, fmt.Errorf("enrol at %s: %w", token.URL, err)
	}
	if err := id.Keep(dir); err != nil {
		return nil, err
	}
	return id, nil
}

// pinnedByHash believes a server whose chain contains the CA with this hash and whose leaf that CA signed.
func pinnedByHash(ca [32]byte, name string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection checks against the hash in the token instead
		VerifyConnection: func(s tls.ConnectionState) error {
			roots, middle := x509.NewCertPool(), x509.NewCertPool()
			found := false
			for _, c := range s.PeerCertificates {
				if sha256.Sum256(c.Raw) == ca {
					roots.AddCert(c)
					found = true
				} else {
					middle.AddCert(c)
				}
			}
			if !found {
				return identity.ErrForeignServer
			}
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, DNSName: name})
			return err
		},
	}
}

// Try opens a connection to a server the way Run would and closes it; with an identity the server must be ours.
func Try(ctx context.Context, server string, id *identity.Identity, p Proxy) error {
	conf := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true} //nolint:gosec // only whether the way is open; nothing is sent
	if id != nil {
		conf = id.TLS()
	}
	tr, err := transport(conf, p, &book{})
	if err != nil {
		return err
	}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server, nil)
	if err != nil {
		return fmt.Errorf("address of the server: %w", err)
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}
