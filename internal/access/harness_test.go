package access_test

import (
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp/totp"

	"github.com/yagura-edr/yagura/internal/access"
	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// clock is a time that the test moves.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time       { return time.UnixMicro(c.at.Load()) }
func (c *clock) add(d time.Duration)  { c.at.Add(d.Microseconds()) }
func (c *clock) code(s string) string { code, _ := totp.GenerateCode(s, c.now()); return code }

// openAccess opens the desk of a new tenant over a real database.
func openAccess(t *testing.T) (*access.Desk, *controldb.DB, *clock, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "control.db")
	db, err := controldb.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	c := new(clock)
	c.at.Store(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC).UnixMicro())
	d, err := access.New(tenant.ID(uuid.Must(uuid.NewV7())), db.Access(), access.Key{1, 2, 3}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return d, db, c, path
}

const password = "correct horse battery"

func firstUser(t *testing.T, d *access.Desk, c *clock) (secret string, o access.Opened) {
	t.Helper()
	link, err := d.NewLink(t.Context())
	if err != nil || link == "" {
		t.Fatalf("NewLink = %q, %v; want a link", link, err)
	}
	e, err := d.Begin(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(e.URL, "otpauth://totp/") || !strings.HasPrefix(string(e.QR), "\x89PNG") {
		t.Errorf("Begin gave url %q and %d bytes of QR", e.URL, len(e.QR))
	}
	o, err = d.Finish(t.Context(), access.First{Link: link, Name: "y.sato", Password: password, Code: c.code(e.Secret), Secret: e.Secret, Peer: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Finish(t.Context(), access.First{Link: link, Name: "second", Password: password, Code: c.code(e.Secret), Secret: e.Secret}); !errors.Is(err, access.ErrSetUp) {
		t.Errorf("second use of the link = %v; want ErrSetUp", err)
	}
	return e.Secret, o
}

// stranger signs in from a browser that never did.
func stranger(t *testing.T, d *access.Desk, name, password, code string) (access.Opened, error) {
	t.Helper()
	return d.Open(t.Context(), access.Credentials{Name: name, Password: password, Code: code, Peer: "127.0.0.1"})
}
