package fleet_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/tenant"
)

const day = 24 * time.Hour

// forge makes a leaf that names a host, signed with what lies in a key file of the authority.
func forge(t *testing.T, file string, ten tenant.ID, h event.HostID, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(file)
	check(t, err)
	block, rest := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	check(t, err)
	block, _ = pem.Decode(rest)
	by := parse(t, block.Bytes)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs: []*url.URL{{Scheme: "spiffe", Host: "yagura", Path: "/" + ten.String() + "/" + h.String()}}, BasicConstraintsValid: true,
	}
	change(c)
	der, err := x509.CreateCertificate(rand.Reader, c, by, newKey(t).Public(), key.(*ecdsa.PrivateKey)) //nolint:forcetypeassert // our own key file
	check(t, err)
	return parse(t, der)
}

func TestOnlyTheTenantsOwnAuthorityNamesItsHosts(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	mine, theirs := newTenant(), newTenant()
	h, cert := s.enrol(mine, "web")
	_, foreign := s.enrol(theirs, "other")
	id, err := s.Identify(calls(t, cert))
	if err != nil || id.Tenant != mine || id.Host != h.ID {
		t.Fatalf("Identify = %+v, %v; want the host", id, err)
	}
	if id, err := s.Identify(calls(t, foreign)); err != nil || id.Tenant != theirs {
		t.Errorf("the other tenant's host = %+v, %v", id, err)
	}
	if _, err := s.Identify(calls(t, nil)); !errors.Is(err, fleet.ErrNoCertificate) {
		t.Errorf("a call without a certificate = %v; want ErrNoCertificate", err)
	}
	ca := filepath.Join(s.dir, "ca")
	own, other := filepath.Join(ca, "tenant", mine.String()+".pem"), filepath.Join(ca, "tenant", theirs.String()+".pem")
	as := func(*x509.Certificate) {}
	other2 := open(t, t.TempDir(), nil)
	_, elsewhere := other2.enrol(mine, "web")
	for what, try := range map[string]struct {
		cert *x509.Certificate
		want error
	}{
		"our own form, signed by its tenant":            {forge(t, own, mine, h.ID, as), nil},
		"signed by another tenant":                      {forge(t, other, mine, h.ID, as), fleet.ErrForeign},
		"signed by the root itself":                     {forge(t, filepath.Join(ca, "root.pem"), mine, h.ID, as), fleet.ErrForeign},
		"of another installation":                       {elsewhere, fleet.ErrForeign},
		"of a tenant that is not here":                  {forge(t, own, newTenant(), h.ID, as), fleet.ErrForeign},
		"of a host that was never enrolled":             {forge(t, own, mine, event.HostID(newTenant()), as), fleet.ErrUnknownHost},
		"of another tenant's host, signed by this one":  {forge(t, own, mine, hostOf(t, s, theirs), as), fleet.ErrUnknownHost},
		"without a name":                                {forge(t, own, mine, h.ID, func(c *x509.Certificate) { c.URIs = nil }), fleet.ErrForeign},
		"with two names":                                {forge(t, own, mine, h.ID, func(c *x509.Certificate) { c.URIs = append(c.URIs, c.URIs[0]) }), fleet.ErrForeign},
		"with a path for a name":                        {forge(t, own, mine, h.ID, func(c *x509.Certificate) { c.URIs[0].Path = "/../" + c.URIs[0].Path }), fleet.ErrForeign},
		"of a server":                                   {forge(t, own, mine, h.ID, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), fleet.ErrForeign},
		"of an authority":                               {forge(t, own, mine, h.ID, func(c *x509.Certificate) { c.IsCA = true }), fleet.ErrForeign},
		"over, beyond a call and within what Renew has": {forge(t, own, mine, h.ID, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), fleet.ErrExpired},
		"not yet valid":                                 {forge(t, own, mine, h.ID, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), fleet.ErrEarly},
	} {
		for range 2 { // the second time from memory
			if _, err := s.Identify(calls(t, try.cert)); !errors.Is(err, try.want) {
				t.Errorf("a certificate %s = %v; want %v", what, err, try.want)
			}
		}
	}
}

func hostOf(t *testing.T, s *server, ten tenant.ID) event.HostID {
	t.Helper()
	all := s.Hosts(ten)
	if len(all) == 0 {
		t.Fatal("the tenant has no host")
	}
	return all[0].ID
}

func TestACertificateLastsAWeekAndRenewTakesItForHalfAYearMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), nil)
		h, cert := s.enrol(newTenant(), "web")
		time.Sleep(7 * day)
		if _, err := s.Identify(calls(t, cert)); err != nil {
			t.Errorf("a week later = %v; want it valid", err)
		}
		time.Sleep(time.Second)
		if _, err := s.Identify(calls(t, cert)); !errors.Is(err, fleet.ErrExpired) || !s.Over(cert) {
			t.Errorf("after a week = %v, over %v; want ErrExpired", err, s.Over(cert))
		}
		s = s.again()
		id, der, err := s.Renew(calls(t, cert), request(t))
		if err != nil || id.Host != h.ID {
			t.Fatalf("Renew with an expired certificate = %+v, %v", id, err)
		}
		if id, err := s.Identify(calls(t, parse(t, der))); err != nil || id.Host != h.ID || id.Tenant != h.Tenant {
			t.Errorf("the renewed certificate = %+v, %v", id, err)
		}
		time.Sleep(180*day - time.Second)
		if _, _, err := s.Renew(calls(t, cert), request(t)); err != nil {
			t.Errorf("Renew on the 180th day = %v", err)
		}
		time.Sleep(2 * time.Second)
		if _, _, err := s.Renew(calls(t, cert), request(t)); !errors.Is(err, fleet.ErrExpired) {
			t.Errorf("Renew after 180 days = %v; want ErrExpired", err)
		}
		if _, _, err := s.Renew(calls(t, nil), request(t)); !errors.Is(err, fleet.ErrNoCertificate) {
			t.Errorf("Renew without a certificate = %v; want ErrNoCertificate", err)
		}
	})
}

func TestRenewRefusesABadRequest(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	_, cert := s.enrol(newTenant(), "web")
	if _, der, err := s.Renew(calls(t, cert), []byte("x")); !errors.Is(err, fleet.ErrRequest) || der != nil {
		t.Errorf("Renew of nonsense = %d bytes, %v; want ErrRequest", len(der), err)
	}
}

func TestARevokedHostIsRefusedAtOnceAndForGoodAndItsStreamsAreCut(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	ten := newTenant()
	h, cert := s.enrol(ten, "web")
	_, other := s.enrol(ten, "db")
	id, err := s.Identify(calls(t, cert))
	check(t, err)
	if _, err := s.Revoke(t.Context(), newTenant(), h.ID); !errors.Is(err, fleet.ErrUnknownHost) {
		t.Errorf("Revoke by another tenant = %v; want ErrUnknownHost", err)
	}
	select {
	case <-id.Revoked():
		t.Error("another tenant cut the host's streams")
	default:
	}
	was, err := s.Revoke(t.Context(), ten, h.ID)
	if err != nil || was.Revoked == 0 || s.Active(ten, h.ID) {
		t.Errorf("Revoke = %+v, %v", was, err)
	}
	select {
	case <-id.Revoked():
	default:
		t.Error("the host's streams were not cut")
	}
	if again, err := s.Revoke(t.Context(), ten, h.ID); err != nil || again.Revoked != was.Revoked {
		t.Errorf("Revoke again = %+v, %v; want the first time to stand", again, err)
	}
	for _, s := range []*server{s, s.again()} {
		if _, err := s.Identify(calls(t, cert)); !errors.Is(err, fleet.ErrRevoked) {
			t.Errorf("a call of a revoked host = %v; want ErrRevoked", err)
		}
		if _, _, err := s.Renew(calls(t, cert), request(t)); !errors.Is(err, fleet.ErrRevoked) {
			t.Errorf("Renew of a revoked host = %v; want ErrRevoked", err)
		}
		if _, err := s.Identify(calls(t, other)); err != nil {
			t.Errorf("the host beside it = %v", err)
		}
	}
}

// Of two machines with one identity nobody knows which is real: neither gets a new certificate once theirs is over.
func TestAnIdentityThatTwoMachinesUseIsRenewedOnlyWhileItsCertificateLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), nil)
		h, cert := s.enrol(newTenant(), "web")
		s.Doubled(h.ID)
		if _, _, err := s.Renew(calls(t, cert), request(t)); err != nil {
			t.Errorf("Renew while the certificate lasts = %v", err)
		}
		time.Sleep(8 * day)
		if _, _, err := s.Renew(calls(t, cert), request(t)); !errors.Is(err, fleet.ErrRevoked) {
			t.Errorf("Renew of a doubled identity that is over = %v; want ErrRevoked", err)
		}
		s.Single(h.ID)
		if _, _, err := s.Renew(calls(t, cert), request(t)); err != nil {
			t.Errorf("Renew once one machine alone uses it = %v", err)
		}
	})
}

// The clock jumped and nobody has said yet which is right: no sensor is shut out by either.
func TestOfTwoClocksThatDisagreeEitherLetsAHostIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead time.Duration // of what is believed
		dir := t.TempDir()
		s := open(t, dir, func(o *fleet.Options) { o.Now = func() time.Time { return time.Now().Add(ahead) } })
		_, cert := s.enrol(newTenant(), "web")
		ahead = 300 * day
		if _, err := s.Identify(calls(t, cert)); err != nil {
			t.Errorf("a certificate that is over by one clock alone = %v", err)
		}
		_, made := s.enrol(newTenant(), "db")
		ahead = 0
		if _, err := s.Identify(calls(t, made)); err != nil {
			t.Errorf("a certificate made while the clocks disagreed, by the lower one = %v", err)
		}
		time.Sleep(300 * day)
		if _, err := s.Identify(calls(t, made)); err != nil {
			t.Errorf("and by the higher one = %v", err)
		}
		time.Sleep(8 * day)
		if _, err := s.Identify(calls(t, made)); !errors.Is(err, fleet.ErrExpired) {
			t.Errorf("over by both = %v; want ErrExpired", err)
		}
	})
}
