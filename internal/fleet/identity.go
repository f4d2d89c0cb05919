package fleet

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Identity is who a connection proved to be. Nothing a payload says can change it.
type Identity struct {
	Tenant      tenant.ID
	Host        event.HostID
	Certificate *x509.Certificate
	cut         <-chan struct{}
}

// Revoked is closed at the moment the host is revoked: long streams watch it.
func (i Identity) Revoked() <-chan struct{} { return i.cut }

// maxVerified bounds the memory of checked certificates: 32,768 of about 1 KiB each.
const maxVerified = 32768

type proven struct {
	tenant tenant.ID
	host   event.HostID
}

type peerKey struct{}

// Peer puts the client certificate of a connection where Identify finds it. The TLS layer has proved
// that the other side holds its key; whether the certificate is ours is judged for each call.
func Peer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			r = r.WithContext(context.WithValue(r.Context(), peerKey{}, r.TLS.PeerCertificates[0]))
		}
		next.ServeHTTP(w, r)
	})
}

// Identify says which host is calling. An expired certificate is an error.
func (f *Fleet) Identify(ctx context.Context) (Identity, error) {
	return f.identify(ctx, 0)
}

// Prove says whose a certificate is, for a connection that has proven its key and called nothing yet.
func (f *Fleet) Prove(cert *x509.Certificate) (Identity, error) { return f.prove(cert, 0) }

func (f *Fleet) identify(ctx context.Context, grace time.Duration) (Identity, error) {
	cert, _ := ctx.Value(peerKey{}).(*x509.Certificate)
	if cert == nil {
		return Identity{}, ErrNoCertificate
	}
	return f.prove(cert, grace)
}

func (f *Fleet) prove(cert *x509.Certificate, grace time.Duration) (Identity, error) {
	sum := sha256.Sum256(cert.Raw)
	f.mu.Lock()
	p, seen := f.verified[sum]
	f.mu.Unlock()
	if !seen {
		var err error
		if p, err = f.ca.verify(cert); err != nil {
			return Identity{}, err
		}
		f.mu.Lock()
		if len(f.verified) >= maxVerified {
			clear(f.verified)
		}
		f.verified[sum] = p
		f.mu.Unlock()
	}
	at := time.Now()
	if f.span.late().Before(cert.NotBefore) {
		return Identity{}, fmt.Errorf("this server's clock says %s, and the certificate is valid from %s on: %w", at.UTC().Format(time.RFC3339), cert.NotBefore.UTC().Format(time.RFC3339), ErrEarly)
	}
	if f.span.early().After(cert.NotAfter.Add(grace)) {
		return Identity{}, fmt.Errorf("this server's clock says %s, and the certificate ended at %s: %w", at.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339), ErrExpired)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.hosts[p.host]
	if m == nil || m.Tenant != p.tenant {
		return Identity{}, fmt.Errorf("%w (%s)", ErrUnknownHost, p.host)
	}
	if m.Revoked != 0 {
		return Identity{}, ErrRevoked
	}
	return Identity{Tenant: p.tenant, Host: p.host, Certificate: cert, cut: m.cut}, nil
}

// verify checks that a certificate is one of ours, leaving its dates aside, and reads its name.
func (a *authority) verify(cert *x509.Certificate) (proven, error) {
	var p proven
	if len(cert.URIs) != 1 || cert.URIs[0].Scheme != "spiffe" || cert.URIs[0].Host != "yagura" {
		return p, ErrForeign
	}
	t, h, _ := strings.Cut(strings.TrimPrefix(cert.URIs[0].Path, "/"), "/")
	var err1, err2 error
	p.tenant, err1 = tenant.Parse(t)
	p.host, err2 = event.ParseHostID(h)
	if errors.Join(err1, err2) != nil {
		return p, ErrForeign
	}
	by, ok := a.known(p.tenant)
	if !ok {
		return p, ErrForeign
	}
	// The intermediate is from our own folder, so its signature settles whose the leaf is. Dates are judged
	// for each call: Renew takes leaves that are older than a renewed intermediate may be.
	if cert.IsCA || !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || cert.CheckSignatureFrom(by.cert) != nil {
		return p, ErrForeign
	}
	return p, nil
}

// known gives the intermediate of a tenant that has one; unlike tenantPair it never makes one, since
// the tenant's name comes from a stranger here.
func (a *authority) known(t tenant.ID) (keyPair, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p, ok := a.tenants[t]; ok {
		return p, true
	}
	p, err := load(a.dir + "/tenant/" + t.String())
	if err != nil {
		return p, false
	}
	a.tenants[t] = p
	return p, true
}

// TLS gives the configuration of the sensors' listener: TLS 1.3, our certificate with the root beside it
// (the enrolment token pins the root's hash), a client certificate asked for and not demanded, because
// Enroll has none yet and Renew may bring an expired one.
func (f *Fleet) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequestClientCert,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			p, err := f.ca.serverPair()
			if err != nil {
				return nil, err
			}
			return &tls.Certificate{Certificate: [][]byte{p.cert.Raw, f.ca.root.cert.Raw}, PrivateKey: p.key, Leaf: p.cert}, nil
		},
	}
}

// CA gives the root certificate in DER, and CAHash its SHA-256, as the enrolment token carries it.
func (f *Fleet) CA() []byte { return f.ca.root.cert.Raw }

// CAHash gives the SHA-256 of the root certificate.
func (f *Fleet) CAHash() [32]byte { return f.ca.hash() }
