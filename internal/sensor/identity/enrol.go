package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Errors of an answer that does not fit the token.
var (
	ErrForeignServer    = errors.New("this is not the server of the enrolment token")
	ErrForeignAuthority = errors.New("this is not the authority of the enrolment token")
)

// Room makes the folder of an identity; an error when one is there already.
func Room(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, identityFile)); err == nil {
		return fmt.Errorf("this host is already enrolled (%s): remove %s to enrol it as a new host", dir, filepath.Join(dir, identityFile))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	return nil
}

// NewKey makes the key of a host and what it asks a certificate with. The key never leaves the host.
func NewKey() (key *ecdsa.PrivateKey, csr []byte, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	csr, err = request(key)
	return key, csr, err
}

func request(key *ecdsa.PrivateKey) ([]byte, error) {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "yagura-sensor"}}, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	return csr, nil
}

// Accept checks an answer to Enroll against the token. What it gives is kept by nobody before Keep.
func Accept(res *sensorv1.EnrollResponse, token command.Token, key *ecdsa.PrivateKey) (*Identity, error) {
	if sha256.Sum256(res.Ca) != token.CA {
		return nil, fmt.Errorf("the server sends another CA: %w", ErrForeignServer)
	}
	if len(res.AuthorityKey) != ed25519.PublicKeySize || command.AuthorityHash(res.AuthorityKey) != token.Authority {
		return nil, fmt.Errorf("the server names another authority for commands: %w", ErrForeignAuthority)
	}
	t, err := tenant.Parse(res.TenantId)
	if err != nil || t != token.Tenant {
		return nil, fmt.Errorf("the server answers for tenant %q, the token is for %s: %w", res.TenantId, token.Tenant, ErrForeignServer)
	}
	id := &Identity{URL: token.URL, Tenant: t, Authority: res.AuthorityKey, Key: key}
	if id.Host, err = event.ParseHostID(res.HostId); err != nil {
		return nil, err
	}
	if id.CA, err = x509.ParseCertificate(res.Ca); err != nil {
		return nil, fmt.Errorf("CA: %w", err)
	}
	if err := id.take(res.Certificate); err != nil {
		return nil, err
	}
	if len(res.OperatorList) > 0 {
		chain := id.Chain()
		if err := chain.Adopt(res.OperatorList); err != nil {
			return nil, fmt.Errorf("operator list: %w", err)
		}
		id.list = res.OperatorList
	}
	return id, nil
}

// Keep writes a new identity into the folder that Room made.
func (id *Identity) Keep(dir string) error {
	id.dir = dir
	if err := id.save(); err != nil {
		return fmt.Errorf("keep identity: %w", err)
	}
	return nil
}
