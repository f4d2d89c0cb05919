package identity

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// take accepts a certificate for our key.
func (id *Identity) take(der []byte) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	if pub, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || !pub.Equal(id.Key.Public()) {
		return errors.New("the server sends a certificate for another key")
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	id.cert = cert
	return nil
}

// Expiry is when the certificate ends.
func (id *Identity) Expiry() time.Time {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.cert.NotAfter
}

// TLS shows our certificate, and believes only a server that our CA signed.
func (id *Identity) TLS() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(id.CA)
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    roots, // the system's store is not asked
		Time:       id.Now,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			id.mu.Lock()
			defer id.mu.Unlock()
			return &tls.Certificate{Certificate: [][]byte{id.cert.Raw}, PrivateKey: id.Key, Leaf: id.cert}, nil
		},
	}
}

// backdate is how far the server sets the start of a certificate back.
const backdate = 48 * time.Hour

// Now is the host's clock, but never before the newest signed time that this sensor has seen: a clock set
// back must neither lock the host out nor bring an old certificate back to life.
func (id *Identity) Now() time.Time {
	id.mu.Lock()
	defer id.mu.Unlock()
	now := time.Now()
	if signed := id.cert.NotBefore.Add(backdate); signed.After(now) {
		return signed
	}
	return now
}

// RenewalDue says that half of the certificate's life is over; hosts differ by a tenth of it.
func (id *Identity) RenewalDue() bool {
	id.mu.Lock()
	from, to := id.cert.NotBefore.Add(backdate), id.cert.NotAfter
	id.mu.Unlock()
	life := to.Sub(from)
	if life <= 0 {
		return true
	}
	//nolint:gosec // it spreads renewals: the same for a host each time, no secret
	jitter := time.Duration(rand.New(rand.NewPCG(uint64(id.Host[14]), uint64(id.Host[15]))).Int64N(int64(life)/10 + 1))
	return id.Now().After(from.Add(life/2 + jitter))
}

// Request asks for a new certificate of the same key.
func (id *Identity) Request() ([]byte, error) { return request(id.Key) }

// Renew takes a new certificate and keeps it.
func (id *Identity) Renew(der []byte) error {
	if err := id.take(der); err != nil {
		return err
	}
	return id.save()
}
