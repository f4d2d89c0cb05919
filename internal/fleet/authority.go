package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/durable"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// authority is the certificate authority of one installation. The root signs the listener's certificate
// and one intermediate for each tenant; an intermediate signs that tenant's hosts, so one tenant's key
// cannot make a host of another. It names machines only: it is not what commands are signed with.
type authority struct {
	dir   string
	names []string
	span  span
	root  keyPair

	mu      sync.Mutex // guards tenants and server; held while a missing one is made, which happens once each
	tenants map[tenant.ID]keyPair
	server  keyPair
}

type keyPair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func openAuthority(dir string, names []string, s span) (*authority, error) {
	if err := os.MkdirAll(filepath.Join(dir, "tenant"), 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	a := &authority{dir: dir, names: names, span: s, tenants: map[tenant.ID]keyPair{}}
	var err error
	a.root, err = loadOrMake(filepath.Join(dir, "root"), func() (keyPair, error) {
		return a.issue(&x509.Certificate{
			Subject: pkix.Name{CommonName: "Yagura installation CA"}, IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1,
			KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, NotAfter: a.span.late().AddDate(20, 0, 0),
		}, nil)
	})
	if err != nil {
		return nil, err
	}
	if _, err := a.serverPair(); err != nil {
		return nil, err
	}
	return a, nil
}

// kept refuses to make new keys in the place of lost ones: every host that was enrolled with those would be refused
// as a stranger, and nobody told. Who has no backup says so with a file named lost beside them, once.
func kept(dir string, hosts []Host) error {
	watched, lost := 0, ""
	for _, h := range hosts {
		if h.Recording || h.Revoked != 0 {
			continue
		}
		watched++
		for _, name := range []string{"root.pem", filepath.Join("tenant", h.Tenant.String()+".pem")} {
			if _, err := os.Lstat(filepath.Join(dir, name)); lost == "" && errors.Is(err, os.ErrNotExist) {
				lost = filepath.Join(dir, name)
			}
		}
	}
	if lost == "" {
		return nil
	}
	if err := os.Remove(filepath.Join(dir, lostFile)); err == nil {
		return nil
	}
	return &LostError{Path: lost, Hosts: watched, Token: filepath.Join(dir, lostFile)}
}

// lostFile is where an operator says that there is no backup.
const lostFile = "lost"

// LostError says that a key is gone with which hosts were enrolled.
type LostError struct {
	Path  string
	Hosts int
	Token string // a file that lets the next start make a new key
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%s is gone, and %d hosts are enrolled with it", e.Path, e.Hosts)
}

// tenantPair gives the intermediate of a tenant.
func (a *authority) tenantPair(t tenant.ID) (keyPair, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p, ok := a.tenants[t]; ok {
		return p, nil
	}
	p, err := loadOrMake(filepath.Join(a.dir, "tenant", t.String()), func() (keyPair, error) {
		return a.issue(&x509.Certificate{
			Subject: pkix.Name{CommonName: "Yagura sensors of " + t.String()}, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
			KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, NotAfter: a.span.late().AddDate(10, 0, 0),
		}, &a.root)
	})
	if err != nil {
		return keyPair{}, err
	}
	a.tenants[t] = p
	return p, nil
}

// serverPair gives the listener's certificate, a new one when the old has less than a month left or
// lacks a name.
func (a *authority) serverPair() (keyPair, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fresh := func(p keyPair) bool {
		if p.cert == nil || !a.span.holds(p.cert, -30*24*time.Hour) || p.cert.CheckSignatureFrom(a.root.cert) != nil {
			return false
		}
		for _, n := range a.names {
			if p.cert.VerifyHostname(n) != nil {
				return false
			}
		}
		return true
	}
	if fresh(a.server) {
		return a.server, nil
	}
	base := filepath.Join(a.dir, "server")
	if p, err := load(base); err == nil && fresh(p) {
		a.server = p
		return p, nil
	}
	want := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Yagura server"}, NotAfter: a.span.late().AddDate(0, 6, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, n := range a.names {
		if ip := net.ParseIP(n); ip != nil {
			if !slices.ContainsFunc(want.IPAddresses, ip.Equal) {
				want.IPAddresses = append(want.IPAddresses, ip)
			}
		} else if !slices.Contains(want.DNSNames, n) {
			want.DNSNames = append(want.DNSNames, n)
		}
	}
	p, err := a.issue(want, &a.root)
	if err != nil {
		return keyPair{}, err
	}
	if err := save(base, p); err != nil {
		return keyPair{}, err
	}
	a.server = p
	return p, nil
}

// leaf signs the certificate of a host. Only the key of the request is used; who the host is, we say.
func (a *authority) leaf(t tenant.ID, h event.HostID, public any) ([]byte, error) {
	by, err := a.tenantPair(t)
	if err != nil {
		return nil, err
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: h.String()}, URIs: []*url.URL{uriOf(t, h)},
		NotBefore: a.span.early().Add(-backdate), NotAfter: a.span.late().Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}, by.cert, public, by.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %s: %w", h, err)
	}
	return der, nil
}

// uriOf is the name in a host's certificate: SPIFFE-style, tenant then host.
func uriOf(t tenant.ID, h event.HostID) *url.URL {
	return &url.URL{Scheme: "spiffe", Host: "yagura", Path: "/" + t.String() + "/" + h.String()}
}

// hash is what the enrolment token pins.
func (a *authority) hash() [32]byte { return sha256.Sum256(a.root.cert.Raw) }

func serialNumber() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	return n, nil
}

// issue makes a key and its certificate, signed by the given pair or by itself.
func (a *authority) issue(c *x509.Certificate, by *keyPair) (keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keyPair{}, fmt.Errorf("make key: %w", err)
	}
	if c.SerialNumber, err = serialNumber(); err != nil {
		return keyPair{}, err
	}
	c.NotBefore = a.span.early().Add(-backdate)
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		return keyPair{}, fmt.Errorf("sign %s: %w", c.Subject.CommonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return keyPair{}, fmt.Errorf("read back %s: %w", c.Subject.CommonName, err)
	}
	return keyPair{cert, key}, nil
}

func loadOrMake(base string, make func() (keyPair, error)) (keyPair, error) {
	p, err := load(base)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return p, err
	}
	if p, err = make(); err != nil {
		return p, err
	}
	return p, save(base, p)
}

// save writes key and certificate as one file, so that a crash cannot leave one without the other.
func save(base string, p keyPair) error {
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	text := slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw}))
	if err := durable.Replace(base+".pem", text); err != nil {
		return fmt.Errorf("keep key: %w", err)
	}
	return nil
}

func load(base string) (keyPair, error) {
	path := base + ".pem"
	text, err := os.ReadFile(path)
	if err != nil {
		return keyPair{}, fmt.Errorf("read key: %w", err)
	}
	var p keyPair
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return keyPair{}, damaged(path)
			}
			p.key, _ = key.(*ecdsa.PrivateKey)
		case "CERTIFICATE":
			if p.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
				return keyPair{}, damaged(path)
			}
		}
	}
	if p.key == nil || p.cert == nil {
		return keyPair{}, damaged(path)
	}
	if !p.key.PublicKey.Equal(p.cert.PublicKey) {
		return keyPair{}, damaged(path)
	}
	return p, nil
}

// damaged says what to do with a key file that holds no key; what the parser of its bytes said helps nobody.
func damaged(path string) error {
	return fmt.Errorf("%s is damaged, it holds no key with its certificate: put it back from a backup; without one move it aside and start again, which then says what that costs", path)
}
