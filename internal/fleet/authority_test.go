package fleet_test

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yagura-edr/yagura/internal/fleet"
)

// listener gives what the sensors' listener shows: its certificate and the root beside it.
func listener(t *testing.T, s *server) (leaf, root *x509.Certificate) {
	t.Helper()
	c, err := s.TLS().GetCertificate(nil)
	check(t, err)
	return parse(t, c.Certificate[0]), parse(t, c.Certificate[1])
}

func TestTheListenersCertificateStandsBelowTheRootThatTokensPin(t *testing.T) {
	s := open(t, t.TempDir(), func(o *fleet.Options) { o.Names = []string{"edr.example.test", "192.0.2.7", "localhost", "127.0.0.1"} })
	leaf, root := listener(t, s)
	if sha256.Sum256(root.Raw) != s.CAHash() || string(s.CA()) != string(root.Raw) {
		t.Error("the root that is shown is not the one that tokens pin")
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "edr.example.test", "192.0.2.7"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("a sensor that calls %s: %v", name, err)
		}
	}
	if err := leaf.VerifyHostname("other.example.test"); err == nil {
		t.Error("the certificate is for a name that nobody gave")
	}
}

func TestKeysAreKeptAcrossARestartAndANewNameGetsANewCertificate(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	leaf, root := listener(t, s)
	_, host := s.enrol(newTenant(), "web")
	s = s.again()
	if again, r := listener(t, s); !again.Equal(leaf) || !r.Equal(root) {
		t.Error("a restart made new keys")
	}
	check(t, s.db.Close())
	s = open(t, s.dir, func(o *fleet.Options) { o.Names = []string{"edr.example.test"} })
	if fresh, r := listener(t, s); !r.Equal(root) || fresh.VerifyHostname("edr.example.test") != nil {
		t.Errorf("after a new name: the same root %v, names %v", r.Equal(root), fresh.DNSNames)
	}
	if _, err := s.Identify(calls(t, host)); err != nil {
		t.Errorf("a host that was enrolled before = %v", err)
	}
	err := filepath.WalkDir(filepath.Join(s.dir, "ca"), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s may be read by others: %v", path, info.Mode())
		}
		return err
	})
	check(t, err)
}

func TestTheListenersCertificateIsMadeAnewAMonthBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), nil)
		first, root := listener(t, s)
		time.Sleep(time.Until(first.NotAfter) - 31*day)
		if same, _ := listener(t, s); !same.Equal(first) {
			t.Error("made anew earlier than a month before its end")
		}
		time.Sleep(2 * day)
		second, r := listener(t, s)
		if second.Equal(first) || !r.Equal(root) || !second.NotAfter.After(first.NotAfter) {
			t.Errorf("a month before its end: new %v, the same root %v", !second.Equal(first), r.Equal(root))
		}
	})
}

// reopen opens the fleet of a folder whose keys are not as they were.
func (s *server) reopen() error {
	_, err := fleet.Open(s.t.Context(), fleet.Options{Dir: filepath.Join(s.dir, "ca"), Store: s.db.Fleet(), Log: slog.New(slog.DiscardHandler)})
	return err
}

// New keys in the place of lost ones would refuse every host as a stranger, and tell nobody.
func TestLostKeysAreNotReplacedUnlessAnOperatorSaysSoOnce(t *testing.T) {
	for _, name := range []string{"root.pem", "tenant"} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), nil)
			ten := newTenant()
			s.enrol(ten, "web")
			gone, _ := s.enrol(ten, "old")
			_, err := s.Revoke(t.Context(), ten, gone.ID)
			check(t, err)
			path := filepath.Join(s.dir, "ca", name)
			if name == "tenant" {
				path = filepath.Join(path, ten.String()+".pem")
			}
			check(t, os.Remove(path))
			lost, ok := errors.AsType[*fleet.LostError](s.reopen())
			if !ok || lost.Path != path || lost.Hosts != 1 {
				t.Fatalf("Open without its key = %+v; want LostError of %s with the 1 host that is not revoked", lost, path)
			}
			check(t, os.WriteFile(lost.Token, nil, 0o600))
			check(t, s.reopen())
			if _, err := os.Stat(lost.Token); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the file that allowed it once is still there: %v", err)
			}
		})
	}
}

func TestAFolderWithoutHostsMakesItsKeysSilently(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	ten := newTenant()
	h, _ := s.enrol(ten, "web")
	_, err := s.Revoke(t.Context(), ten, h.ID)
	check(t, err)
	check(t, os.RemoveAll(filepath.Join(s.dir, "ca")))
	if err := s.reopen(); err != nil {
		t.Errorf("Open of a folder where every host is revoked = %v", err)
	}
}

func TestADamagedKeyIsNamedAndNeverReplaced(t *testing.T) {
	for what, text := range map[string]string{
		"empty": "", "nonsense": "x", "a key that does not parse": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"a certificate that does not parse": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	} {
		s := open(t, t.TempDir(), nil)
		path := filepath.Join(s.dir, "ca", "root.pem")
		check(t, os.WriteFile(path, []byte(text), 0o600))
		if err := s.reopen(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Open with a key file that is %s = %v; want an error that names %s", what, err, path)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != text {
			t.Errorf("the file that is %s was written over", what)
		}
	}
}

func TestAKeyOfOnePairWithTheCertificateOfAnotherIsDamage(t *testing.T) {
	a, b := open(t, t.TempDir(), nil), open(t, t.TempDir(), nil)
	path := filepath.Join(a.dir, "ca", "root.pem")
	mine, err := os.ReadFile(path)
	check(t, err)
	theirs, err := os.ReadFile(filepath.Join(b.dir, "ca", "root.pem"))
	check(t, err)
	const begin = "-----BEGIN CERTIFICATE-----"
	key, _, _ := strings.Cut(string(mine), begin)
	_, cert, _ := strings.Cut(string(theirs), begin)
	check(t, os.WriteFile(path, []byte(key+begin+cert), 0o600))
	if err := a.reopen(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Open = %v; want it to be called damaged", err)
	}
}
