package fleet_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/tenant"
)

func newTenant() tenant.ID { return tenant.ID(uuid.Must(uuid.NewV7())) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// server is a fleet over a real database.
type server struct {
	*fleet.Fleet
	t   *testing.T
	db  *controldb.DB
	dir string
}

// open opens the fleet of a folder; change may set options. In a bubble of synctest its end belongs to the bubble too.
func open(t *testing.T, dir string, change func(*fleet.Options)) *server {
	t.Helper()
	db, err := controldb.Open(t.Context(), filepath.Join(dir, "control.db"))
	check(t, err)
	t.Cleanup(func() { _ = db.Close() })
	s := &server{t: t, db: db, dir: dir}
	o := fleet.Options{Dir: filepath.Join(dir, "ca"), Store: db.Fleet(), Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	s.Fleet, err = fleet.Open(t.Context(), o)
	check(t, err)
	return s
}

// again is the same fleet after a restart of the server.
func (s *server) again() *server {
	s.t.Helper()
	check(s.t, s.db.Close())
	return open(s.t, s.dir, nil)
}

// token makes an enrolment token and gives its secret.
func (s *server) token(ten tenant.ID, uses int) string {
	s.t.Helper()
	_, secret, err := s.CreateToken(s.t.Context(), ten, uses, time.Hour, false, "ops")
	check(s.t, err)
	return secret
}

// enrol takes a host in by a token of its own.
func (s *server) enrol(ten tenant.ID, name string) (fleet.Host, *x509.Certificate) {
	s.t.Helper()
	e, err := s.Enroll(s.t.Context(), fleet.Enrolment{Secret: s.token(ten, 1), Request: request(s.t), Hostname: []byte(name), OS: "linux", Version: "1"})
	check(s.t, err)
	return e.Host, parse(s.t, e.Certificate)
}

func parse(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	check(t, err)
	return c
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return k
}

// request is a certificate request as a sensor makes it.
func request(t *testing.T) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "whoever"}}, newKey(t))
	check(t, err)
	return der
}

// calls is the context of a call that comes over a connection with a certificate; nil: without one.
func calls(t *testing.T, cert *x509.Certificate) context.Context {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	r.TLS = &tls.ConnectionState{}
	if cert != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{cert}
	}
	var ctx context.Context
	fleet.Peer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx = r.Context() //nolint:fatcontext // what a handler sees is what the test calls with
	})).ServeHTTP(nil, r)
	return ctx
}
