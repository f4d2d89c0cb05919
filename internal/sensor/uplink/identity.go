package uplink

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	mrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/durable"
	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/gen/sensor/v1/sensorv1connect"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// ErrNotEnrolled says that this host has no identity yet.
var ErrNotEnrolled = errors.New("this host is not enrolled")

const (
	identityFile = "identity.json"
	keyFile      = "key.pem"
	listFile     = "operators.list"
)

// Identity is who this host is to its server, and whom it believes. It lives in a folder (0700).
type Identity struct {
	URL       string
	Tenant    tenant.ID
	Host      event.HostID
	CA        *x509.Certificate
	Authority ed25519.PublicKey
	Key       *ecdsa.PrivateKey

	dir     string
	replace func(path string, b []byte) error // nil: durable.Replace
	saving  sync.Mutex                        // held while what is known is read and written: the newest is written last

	mu   sync.Mutex // guards cert and list
	cert *x509.Certificate
	list []byte
}

type identityJSON struct {
	URL         string `json:"url"`
	Tenant      string `json:"tenant"`
	Host        string `json:"host"`
	CA          []byte `json:"ca"`
	Authority   []byte `json:"authority"`
	Certificate []byte `json:"certificate"`
}

// Facts are what a host says of itself when it enrols.
type Facts struct {
	Hostname  []byte
	Version   string
	MachineID []byte // SHA-256 of the machine id
}

// Enroll turns a token into an identity in dir. The key is made here and never leaves. Nothing is sent
// before the server has shown a certificate of the token's CA, and nothing is kept before its authority
// has the token's hash.
func Enroll(ctx context.Context, dir string, token command.Token, facts Facts, proxy Proxy) (*Identity, error) {
	if _, err := os.Stat(filepath.Join(dir, identityFile)); err == nil {
		return nil, fmt.Errorf("this host is already enrolled (%s): remove %s to enrol it as a new host", dir, filepath.Join(dir, identityFile))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "yagura-sensor"}}, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
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
		Secret: token.Secret, Csr: csr, Hostname: facts.Hostname, Os: event.Linux.String(), Version: facts.Version, MachineId: facts.MachineID,
	}))
	if err != nil {
		return nil, fmt.Errorf("enrol at %s: %w", token.URL, err)
	}
	id, err := accept(res.Msg, token, key)
	if err != nil {
		return nil, fmt.Errorf("enrol at %s: %w", token.URL, err)
	}
	id.dir = dir
	if err := id.save(); err != nil {
		return nil, fmt.Errorf("keep identity: %w", err)
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
				return ErrForeignServer
			}
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, DNSName: name})
			return err
		},
	}
}

// accept checks an answer to Enroll against the token.
func accept(res *sensorv1.EnrollResponse, token command.Token, key *ecdsa.PrivateKey) (*Identity, error) {
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

// Follow lets an enrolled host find its server at another address: that of a token of the same server, which
// the hashes of its CA and authority prove. Any other token changes nothing. It says whether the address moved.
func (id *Identity) Follow(token command.Token) (bool, error) {
	if token.URL == id.URL || token.Tenant != id.Tenant || token.CA != sha256.Sum256(id.CA.Raw) || token.Authority != command.AuthorityHash(id.Authority) {
		return false, nil
	}
	id.URL = token.URL
	return true, id.save()
}

// LoadIdentity reads what Enroll left.
func LoadIdentity(dir string) (*Identity, error) {
	id, err := readIdentity(dir)
	var path *fs.PathError // of the disk or of rights: the identity itself may be whole
	if err != nil && !errors.Is(err, ErrNotEnrolled) && (!errors.As(err, &path) || errors.Is(err, fs.ErrNotExist)) {
		return nil, fmt.Errorf("the identity of this host is damaged; put %s back from a backup, or remove it and enrol again with a new token of `yagura enroll token`: %w", dir, err)
	}
	return id, err
}

func readIdentity(dir string) (*Identity, error) {
	b, err := os.ReadFile(filepath.Join(dir, identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: run `sudo yagura-sensor enroll` first", ErrNotEnrolled)
	}
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	var j identityJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, fmt.Errorf("read identity %s: %w", filepath.Join(dir, identityFile), err)
	}
	id := &Identity{URL: j.URL, Authority: j.Authority, dir: dir}
	if len(j.Authority) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("identity %s holds no authority key", filepath.Join(dir, identityFile))
	}
	if id.Tenant, err = tenant.Parse(j.Tenant); err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	if id.Host, err = event.ParseHostID(j.Host); err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	if id.CA, err = x509.ParseCertificate(j.CA); err != nil {
		return nil, fmt.Errorf("read identity: CA: %w", err)
	}
	kb, err := os.ReadFile(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(kb)
	if block == nil {
		return nil, fmt.Errorf("key %s is not PEM", filepath.Join(dir, keyFile))
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	var ok bool
	if id.Key, ok = k.(*ecdsa.PrivateKey); !ok {
		return nil, fmt.Errorf("key %s is not ECDSA", filepath.Join(dir, keyFile))
	}
	if err := id.take(j.Certificate); err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	if id.list, err = os.ReadFile(filepath.Join(dir, listFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read operator list: %w", err)
	}
	return id, nil
}

func (id *Identity) save() error {
	id.saving.Lock()
	defer id.saving.Unlock()
	id.mu.Lock()
	j := identityJSON{URL: id.URL, Tenant: id.Tenant.String(), Host: id.Host.String(), CA: id.CA.Raw, Authority: id.Authority, Certificate: id.cert.Raw}
	list := id.list
	id.mu.Unlock()
	b, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return fmt.Errorf("encode identity: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(id.Key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	// The identity last: it is what says that the host is enrolled.
	if err := id.write(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return err
	}
	if len(list) > 0 {
		if err := id.write(listFile, list); err != nil {
			return err
		}
	}
	return id.write(identityFile, append(b, '\n'))
}

func (id *Identity) write(name string, b []byte) error {
	replace := id.replace
	if replace == nil {
		replace = durable.Replace
	}
	return replace(filepath.Join(id.dir, name), b)
}

// KeepList keeps a list that the chain adopted, for the next start.
func (id *Identity) KeepList(list []byte) error {
	id.saving.Lock()
	defer id.saving.Unlock()
	id.mu.Lock()
	id.list = bytes.Clone(list)
	id.mu.Unlock()
	return id.write(listFile, list)
}

// Chain gives what commands are checked against, with the list kept so far if it is whole.
func (id *Identity) Chain() *command.Chain {
	c := &command.Chain{Tenant: id.Tenant, Authority: id.Authority}
	id.mu.Lock()
	list := id.list
	id.mu.Unlock()
	if len(list) > 0 {
		_ = c.Adopt(list) // one that is not ours is as good as none
	}
	return c
}

// Expiry is when the certificate ends.
func (id *Identity) Expiry() time.Time {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.cert.NotAfter
}

func (id *Identity) tls() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(id.CA)
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    roots, // the system's store is not asked
		Time:       id.now,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			id.mu.Lock()
			defer id.mu.Unlock()
			return &tls.Certificate{Certificate: [][]byte{id.cert.Raw}, PrivateKey: id.Key, Leaf: id.cert}, nil
		},
	}
}

// backdate is how far the server sets the start of a certificate back.
const backdate = 48 * time.Hour

// now is the host's clock, but never before the newest signed time that this sensor has seen: a clock set
// back must neither lock the host out nor bring an old certificate back to life.
func (id *Identity) now() time.Time {
	id.mu.Lock()
	defer id.mu.Unlock()
	now := time.Now()
	if signed := id.cert.NotBefore.Add(backdate); signed.After(now) {
		return signed
	}
	return now
}

// Try opens a connection to a server the way Run would and closes it; with an identity the server must be ours.
func Try(ctx context.Context, server string, id *Identity, p Proxy) error {
	conf := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true} //nolint:gosec // only whether the way is open; nothing is sent
	if id != nil {
		conf = id.tls()
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

// renewalDue says that half of the certificate's life is over; hosts differ by a tenth of it.
func (l *Link) renewalDue() bool {
	id := l.o.Identity
	id.mu.Lock()
	from, to := id.cert.NotBefore.Add(backdate), id.cert.NotAfter
	id.mu.Unlock()
	life := to.Sub(from)
	if life <= 0 {
		return true
	}
	//nolint:gosec // it spreads renewals: the same for a host each time, no secret
	jitter := time.Duration(mrand.New(mrand.NewPCG(uint64(id.Host[14]), uint64(id.Host[15]))).Int64N(int64(life)/10 + 1))
	return id.now().After(from.Add(life/2 + jitter))
}

// renewWhenDue asks for a new certificate. While the old one holds, a failure is no reason to stop.
func (l *Link) renewWhenDue(ctx context.Context) error {
	if !l.renewalDue() {
		return nil
	}
	id := l.o.Identity
	err := l.renew(ctx)
	if err != nil && id.now().Before(id.Expiry()) {
		l.log.WarnContext(ctx, "certificate not renewed, the old one still holds", slog.String("err", Explain(err)))
		return nil
	}
	return err
}

func (l *Link) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	id := l.o.Identity
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "yagura-sensor"}}, id.Key)
	if err != nil {
		return fmt.Errorf("make certificate request: %w", err)
	}
	res, err := l.client.Renew(ctx, connect.NewRequest(&sensorv1.RenewRequest{Csr: csr}))
	if err != nil {
		return fmt.Errorf("renew certificate: %w", err)
	}
	if err := id.take(res.Msg.Certificate); err != nil {
		return fmt.Errorf("renew certificate: %w", err)
	}
	if err := id.save(); err != nil {
		return fmt.Errorf("renew certificate: %w", err)
	}
	l.http.CloseIdleConnections() // so that the next call shows the new one
	l.log.InfoContext(ctx, "certificate renewed", slog.Time("expiry", id.Expiry()))
	return nil
}
