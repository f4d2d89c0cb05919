package fleet_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/yagura-edr/yagura/internal/fleet"
)

func TestATokenTakesInSoManyHostsAndThenSaysThatItIsUsedUp(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	ten := newTenant()
	secret := s.token(ten, 2)
	enrol := func() error {
		_, err := s.Enroll(t.Context(), fleet.Enrolment{Secret: secret, Request: request(t)})
		return err
	}
	check(t, enrol())
	if left := s.Tokens(ten); len(left) != 1 || left[0].UsesLeft != 1 {
		t.Errorf("after one of two hosts the tokens are %+v", left)
	}
	check(t, enrol())
	if err := enrol(); !errors.Is(err, fleet.ErrTokenUsed) {
		t.Errorf("a third host of two = %v; want ErrTokenUsed", err)
	}
	s = s.again()
	if err := enrol(); !errors.Is(err, fleet.ErrTokenUsed) {
		t.Errorf("a third host after a restart = %v; want ErrTokenUsed", err)
	}
	if n, left := len(s.Hosts(ten)), s.Tokens(ten); n != 2 || len(left) != 0 {
		t.Errorf("%d hosts and open tokens %+v; want 2 and none", n, left)
	}
}

func TestOfManyWhoBringTheLastUseOfATokenOneIsTakenIn(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	ten := newTenant()
	secret := s.token(ten, 1)
	var wg sync.WaitGroup
	var taken atomic.Int32
	for range 8 {
		wg.Go(func() {
			_, err := s.Enroll(t.Context(), fleet.Enrolment{Secret: secret, Request: request(t)})
			switch {
			case err == nil:
				taken.Add(1)
			case !errors.Is(err, fleet.ErrTokenUsed):
				t.Errorf("Enroll = %v", err)
			}
		})
	}
	wg.Wait()
	if n := len(s.Hosts(ten)); taken.Load() != 1 || n != 1 {
		t.Errorf("%d were taken in and %d hosts are listed; want one", taken.Load(), n)
	}
}

func TestAnExpiredTokenSaysSoForAWeekAndIsUnknownAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), nil)
		ten := newTenant()
		secret := s.token(ten, 5)
		enrol := func() error {
			_, err := s.Enroll(t.Context(), fleet.Enrolment{Secret: secret, Request: request(t)})
			return err
		}
		time.Sleep(time.Hour)
		check(t, enrol()) // the last moment
		time.Sleep(time.Microsecond)
		if err := enrol(); !errors.Is(err, fleet.ErrTokenExpired) {
			t.Errorf("an hour later = %v; want ErrTokenExpired", err)
		}
		time.Sleep(fleet.KeepEnded)
		s.token(ten, 1)
		if err := enrol(); !errors.Is(err, fleet.ErrToken) {
			t.Errorf("a week after its end = %v; want ErrToken", err)
		}
		s = s.again()
		if err := enrol(); !errors.Is(err, fleet.ErrToken) {
			t.Errorf("and after a restart = %v; want ErrToken", err)
		}
	})
}

func TestATokenIsKnownByItsSecretAlone(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	token, secret, err := s.CreateToken(t.Context(), newTenant(), 1, time.Hour, false, "ops")
	check(t, err)
	for _, wrong := range []string{"", " " + secret, secret + "\n", strings.ToUpper(secret), token.ID, token.Hash, strings.Repeat("x", 1<<20)} {
		if _, err := s.Enroll(t.Context(), fleet.Enrolment{Secret: wrong, Request: request(t)}); !errors.Is(err, fleet.ErrToken) {
			t.Errorf("Enroll with %.20q = %v; want ErrToken", wrong, err)
		}
	}
	if other := open(t, t.TempDir(), nil); true {
		if _, err := other.Enroll(t.Context(), fleet.Enrolment{Secret: secret, Request: request(t)}); !errors.Is(err, fleet.ErrToken) {
			t.Errorf("a token of another server = %v; want ErrToken", err)
		}
	}
}

func TestAHostBelongsToTheTenantOfItsTokenWhateverItsRequestSays(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	mine, theirs := newTenant(), newTenant()
	victim, _ := s.enrol(theirs, "victim")
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: victim.ID.String()}, DNSNames: []string{"localhost"},
		URIs: []*url.URL{{Scheme: "spiffe", Host: "yagura", Path: "/" + theirs.String() + "/" + victim.ID.String()}},
	}, newKey(t))
	check(t, err)
	e, err := s.Enroll(t.Context(), fleet.Enrolment{Secret: s.token(mine, 1), Request: der})
	check(t, err)
	c := parse(t, e.Certificate)
	if len(c.URIs) != 1 || c.URIs[0].Path != "/"+mine.String()+"/"+e.Host.ID.String() || len(c.DNSNames) != 0 || c.IsCA {
		t.Errorf("the certificate names %v %v, CA %v; want the host of the token's tenant alone", c.URIs, c.DNSNames, c.IsCA)
	}
	id, err := s.Identify(calls(t, c))
	if err != nil || id.Tenant != mine || id.Host != e.Host.ID {
		t.Errorf("Identify = %+v, %v; want the new host of %s", id, err, mine)
	}
	if _, ok := s.Host(theirs, e.Host.ID); ok {
		t.Error("the other tenant has the host")
	}
}

func TestARequestThatIsRefusedLeavesTheTokenItsUse(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	ten := newTenant()
	secret := s.token(ten, 1)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	check(t, err)
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	of := func(key any) []byte {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		check(t, err)
		return der
	}
	forged := request(t)
	forged[len(forged)-1] ^= 1
	for what, e := range map[string]fleet.Enrolment{
		"nothing": {}, "no PKCS #10": {Request: []byte("x")}, "too long": {Request: make([]byte, 5000)}, "another curve": {Request: of(p384)},
		"RSA": {Request: of(long)}, "a broken signature": {Request: forged}, "a machine id of 5 bytes": {Request: request(t), Machine: []byte("12345")},
	} {
		e.Secret = secret
		if _, err := s.Enroll(t.Context(), e); !errors.Is(err, fleet.ErrRequest) {
			t.Errorf("Enroll with %s = %v; want ErrRequest", what, err)
		}
	}
	if left := s.Tokens(ten); len(left) != 1 || left[0].UsesLeft != 1 || len(s.Hosts(ten)) != 0 {
		t.Errorf("after refused requests: tokens %+v, %d hosts; want the one use left", left, len(s.Hosts(ten)))
	}
	if _, err := s.Enroll(t.Context(), fleet.Enrolment{Secret: secret, Request: request(t)}); err != nil {
		t.Errorf("a good request after them = %v", err)
	}
}

func TestWhatAHostSaysOfItselfIsTextOfABoundedLength(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	long := append([]byte("web\xff'); --\x00"), strings.Repeat("櫓", 500)...)
	e, err := s.Enroll(t.Context(), fleet.Enrolment{Secret: s.token(newTenant(), 1), Request: request(t), Hostname: long, OS: string(long), Version: string(long)})
	check(t, err)
	for what, got := range map[string]struct {
		text string
		most int
	}{"name": {e.Host.Name, 255}, "os": {e.Host.OS, 32}, "version": {e.Host.Version, 64}} {
		if len(got.text) > got.most || len(got.text) < got.most-3 || !utf8.ValidString(got.text) {
			t.Errorf("%s is %d bytes, valid %v; want text of at most %d", what, len(got.text), utf8.ValidString(got.text), got.most)
		}
	}
	if kept, ok := s.again().Host(e.Host.Tenant, e.Host.ID); !ok || kept.Name != e.Host.Name {
		t.Errorf("after a restart the name is %q", kept.Name)
	}
}

func TestTokensAreMadeWithinTheirBoundsAndListedToTheirTenantNewestFirst(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	ten := newTenant()
	for _, bad := range []struct {
		uses int
		life time.Duration
	}{{0, time.Hour}, {-1, time.Hour}, {100001, time.Hour}, {1, 0}, {1, -time.Hour}, {1, 30*24*time.Hour + 1}} {
		if _, _, err := s.CreateToken(t.Context(), ten, bad.uses, bad.life, false, "ops"); err == nil {
			t.Errorf("CreateToken for %d hosts and %s gave no error", bad.uses, bad.life)
		}
	}
	var want []string
	for range 3 {
		k, _, err := s.CreateToken(t.Context(), ten, 1, 30*24*time.Hour, true, "ops")
		check(t, err)
		want = append([]string{k.ID}, want...)
	}
	s.token(newTenant(), 1)
	for _, s := range []*server{s, s.again()} {
		var got []string
		for _, k := range s.Tokens(ten) {
			got = append(got, k.ID)
			if !k.Recording || k.CreatedBy != "ops" {
				t.Errorf("a token came back as %+v", k)
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("tokens %v; want %v", got, want)
		}
	}
}

// That a host is a recording stands in its token: a host that could say so could go dark unmissed.
func TestAHostIsARecordingWhenItsTokenSaysSo(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	ten := newTenant()
	_, secret, err := s.CreateToken(t.Context(), ten, 1, time.Hour, true, "ops")
	check(t, err)
	e, err := s.Enroll(t.Context(), fleet.Enrolment{Secret: secret, Request: request(t)})
	check(t, err)
	watched, _ := s.enrol(ten, "web")
	if !e.Host.Recording || watched.Recording {
		t.Errorf("recordings: %v and %v; want the first alone", e.Host.Recording, watched.Recording)
	}
}

func TestANamesakeAndATwinAreOtherLivingHostsOfTheSameTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), nil)
		ten := newTenant()
		machine := make([]byte, 32)
		enrol := func(secret string) fleet.Enrolled {
			t.Helper()
			e, err := s.Enroll(t.Context(), fleet.Enrolment{Secret: secret, Request: request(t), Hostname: []byte("web"), Machine: machine})
			check(t, err)
			return e
		}
		first := enrol(s.token(ten, 1))
		if first.Twin != nil {
			t.Errorf("the first host has a twin: %+v", first.Twin)
		}
		if _, ok := s.Namesake(first.Host); ok {
			t.Error("the first host has a namesake")
		}
		s.Seen(first.Host.ID)
		if other := enrol(s.token(newTenant(), 1)); other.Twin != nil {
			t.Error("a host of another tenant is a twin")
		}
		second := enrol(s.token(ten, 1))
		if second.Twin == nil || second.Twin.ID != first.Host.ID {
			t.Errorf("a machine enrolled twice: twin %+v; want the first", second.Twin)
		}
		if n, ok := s.Namesake(second.Host); !ok || n.ID != first.Host.ID {
			t.Errorf("Namesake = %s, %v; want the first", n.ID, ok)
		}
		time.Sleep(time.Minute)
		if _, ok := s.Twin(second.Host, time.Minute); ok {
			t.Error("a host not heard of for a minute is a twin")
		}
		_, err := s.Revoke(t.Context(), ten, first.Host.ID)
		check(t, err)
		if _, ok := s.Namesake(second.Host); ok {
			t.Error("a revoked host is a namesake")
		}
	})
}
