package controldb_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

func firstUser(t *testing.T, d *access.Desk, c *clock) (secret, token string) {
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
	_, token, err = d.Finish(t.Context(), access.First{Link: link, Name: "y.sato", Password: password, Code: c.code(e.Secret), Secret: e.Secret, Peer: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Finish(t.Context(), access.First{Link: link, Name: "second", Password: password, Code: c.code(e.Secret), Secret: e.Secret}); !errors.Is(err, access.ErrSetUp) {
		t.Errorf("second use of the link = %v; want ErrSetUp", err)
	}
	return e.Secret, token
}

func TestSetUpCannotBeEnteredAgain(t *testing.T) {
	d, _, c, _ := openAccess(t)
	firstUser(t, d, c)
	if link, err := d.NewLink(t.Context()); err != nil || link != "" {
		t.Errorf("NewLink after the first user = %q, %v; want none", link, err)
	}
	if _, err := d.Begin(t.Context(), "anything"); !errors.Is(err, access.ErrSetUp) {
		t.Errorf("Begin after the first user = %v; want ErrSetUp", err)
	}
}

// The page of a reset link said "Set up the first user" and silently deleted the present one.
func TestResetLinkNamesWhomItReplaces(t *testing.T) {
	d, _, c, _ := openAccess(t)
	first, err := d.NewLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e, err := d.Begin(t.Context(), first); err != nil || e.Replaces != "" {
		t.Errorf("Begin of the first link replaces %q, %v; want nobody", e.Replaces, err)
	}
	firstUser(t, d, c)
	link, err := d.ResetLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e, err := d.Begin(t.Context(), link); err != nil || e.Replaces != "y.sato" {
		t.Errorf("Begin of a reset link replaces %q, %v; want y.sato", e.Replaces, err)
	}
}

func TestLinkEndsAfterADayAndWhenANewerOneIsMade(t *testing.T) {
	d, _, c, _ := openAccess(t)
	old, err := d.NewLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := d.NewLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Begin(t.Context(), old); !errors.Is(err, access.ErrLink) {
		t.Errorf("Begin with the older link = %v; want ErrLink", err)
	}
	c.add(access.LinkLife)
	if _, err := d.Begin(t.Context(), fresh); !errors.Is(err, access.ErrLink) {
		t.Errorf("Begin a day later = %v; want ErrLink", err)
	}
}

func TestCodeOpensOnce(t *testing.T) {
	d, _, c, _ := openAccess(t)
	secret, _ := firstUser(t, d, c)
	if _, _, err := d.Open(t.Context(), "y.sato", password, c.code(secret), "127.0.0.1"); !errors.Is(err, access.ErrRefused) {
		t.Errorf("Open with the code of the set-up = %v; want ErrRefused", err)
	}
	c.add(time.Minute)
	if _, _, err := d.Open(t.Context(), "y.sato", password, c.code(secret), "127.0.0.1"); err != nil {
		t.Errorf("Open with a fresh code = %v; want a session", err)
	}
	if _, _, err := d.Open(t.Context(), "nobody", password, c.code(secret), "127.0.0.1"); !errors.Is(err, access.ErrRefused) {
		t.Errorf("Open of an unknown user = %v; want ErrRefused", err)
	}
}

// Many wrong guesses at once: exactly GuessLimit of them are judged.
func TestParallelGuessesAreEachCounted(t *testing.T) {
	d, _, c, _ := openAccess(t)
	secret, _ := firstUser(t, d, c)
	c.add(time.Minute)
	var wg sync.WaitGroup
	var judged, stopped atomic.Int32
	for range 12 {
		wg.Go(func() {
			_, _, err := d.Open(t.Context(), "y.sato", "wrong wrong wrong", "000000", "127.0.0.1")
			var many *access.TooManyError
			switch {
			case errors.As(err, &many):
				stopped.Add(1)
			case errors.Is(err, access.ErrRefused):
				judged.Add(1)
			default:
				t.Errorf("Open = %v", err)
			}
		})
	}
	wg.Wait()
	if judged.Load() != access.GuessLimit || stopped.Load() != 12-access.GuessLimit {
		t.Errorf("judged %d and stopped %d of 12; want %d and %d", judged.Load(), stopped.Load(), access.GuessLimit, 12-access.GuessLimit)
	}
	if _, _, err := d.Open(t.Context(), "y.sato", password, c.code(secret), "127.0.0.1"); err == nil {
		t.Error("the right password opened while guesses are refused")
	}
	c.add(access.GuessWindow)
	if _, _, err := d.Open(t.Context(), "y.sato", password, c.code(secret), "127.0.0.1"); err != nil {
		t.Errorf("Open after the window = %v; want a session", err)
	}
}

func TestSessionEndsByIdleAgeAndSignOut(t *testing.T) {
	d, _, c, _ := openAccess(t)
	secret, token := firstUser(t, d, c)
	s, err := d.Session(t.Context(), token)
	if err != nil || s.Name != "y.sato" || !s.SameCSRF(s.CSRF) || s.SameCSRF("") {
		t.Fatalf("Session = %+v, %v", s, err)
	}
	for range 9 { // used every 50 minutes, it lasts 8 hours and no longer
		c.add(50 * time.Minute)
		_, err = d.Session(t.Context(), token)
	}
	if err != nil {
		t.Errorf("a session in use ended after 7.5 hours: %v", err)
	}
	c.add(50 * time.Minute)
	if _, err := d.Session(t.Context(), token); !errors.Is(err, access.ErrNoneOpen) {
		t.Errorf("Session after 8 hours = %v; want ErrNoneOpen", err)
	}
	_, token, err = d.Open(t.Context(), "y.sato", password, c.code(secret), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	c.add(access.SessionIdle)
	if _, err := d.Session(t.Context(), token); !errors.Is(err, access.ErrNoneOpen) {
		t.Errorf("Session after an idle hour = %v; want ErrNoneOpen", err)
	}
	_, token, err = d.Open(t.Context(), "y.sato", password, c.code(secret), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(t.Context(), token, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Session(t.Context(), token); !errors.Is(err, access.ErrNoneOpen) {
		t.Errorf("Session after Close = %v; want ErrNoneOpen", err)
	}
}

func TestWeakNamesAndPasswordsAreRefused(t *testing.T) {
	d, _, c, _ := openAccess(t)
	link, err := d.NewLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Begin(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	for _, try := range []struct{ name, password, field string }{
		{"", password, "name"},
		{"local:0", password, "name"},
		{"a\u202eb", password, "name"},
		{"sato", "short", "password"},
		{"sato", "aaaaaaaaaaaaaaaa", "password"},
		{"administrator", "administrator", "password"},
		{"sato", strings.Repeat("0123456789", 30), "password"},
	} {
		_, _, err := d.Finish(t.Context(), access.First{Link: link, Name: try.name, Password: try.password, Code: c.code(e.Secret), Secret: e.Secret})
		var input *access.InputError
		if !errors.As(err, &input) || input.Field != try.field {
			t.Errorf("Finish(%q, %q) = %v; want an InputError for %s", try.name, try.password, err, try.field)
		}
	}
}

func TestDatabaseHoldsNoSecretInPlain(t *testing.T) {
	d, db, c, path := openAccess(t)
	secret, token := firstUser(t, d, c)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + "-wal"} {
		b, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{secret, token, password} {
			if strings.Contains(string(b), s) {
				t.Errorf("%s holds %q in plain", filepath.Base(file), s)
			}
		}
	}
}

func TestAuditTellsWhoSignedIn(t *testing.T) {
	d, db, c, _ := openAccess(t)
	firstUser(t, d, c)
	_, _, _ = d.Open(t.Context(), "y.sato", "wrong wrong wrong", "000000", "127.0.0.9")
	rows, err := db.Access().Audit(t.Context(), d.Tenant(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3 || rows[0].Verb != "session.refuse" || rows[0].Peer != "127.0.0.9" || rows[1].Verb != "session.open" || rows[2].Verb != "user.create" {
		t.Errorf("Audit = %+v", rows)
	}
	other, err := db.Access().Audit(t.Context(), tenant.ID(uuid.Must(uuid.NewV7())), 10)
	if err != nil || len(other) != 0 {
		t.Errorf("another tenant sees %d rows, %v", len(other), err)
	}
}
