package controldb_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
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
	if _, err := stranger(t, d, "y.sato", password, c.code(secret)); !errors.Is(err, access.ErrRefused) {
		t.Errorf("Open with the code of the set-up = %v; want ErrRefused", err)
	}
	c.add(time.Minute)
	if _, err := stranger(t, d, "y.sato", password, c.code(secret)); err != nil {
		t.Errorf("Open with a fresh code = %v; want a session", err)
	}
	if _, err := stranger(t, d, "nobody", password, c.code(secret)); !errors.Is(err, access.ErrRefused) {
		t.Errorf("Open of an unknown user = %v; want ErrRefused", err)
	}
}

// Wrong guesses made the right password wait for a quarter of an hour. Of many at once, exactly GuessLimit are judged.
func TestGuessesAskStrangersForTwoCodesAndLockNobodyOut(t *testing.T) {
	d, _, c, _ := openAccess(t)
	secret, first := firstUser(t, d, c)
	c.add(time.Minute)
	guessAll := func(name string) (judged, stopped int32) {
		var wg sync.WaitGroup
		var j, s atomic.Int32
		for range 12 {
			wg.Go(func() {
				_, err := stranger(t, d, name, "wrong wrong wrong", "000000")
				switch {
				case errors.Is(err, access.ErrTwoCodes):
					s.Add(1)
				case errors.Is(err, access.ErrRefused):
					j.Add(1)
				default:
					t.Errorf("Open = %v", err)
				}
			})
		}
		wg.Wait()
		return j.Load(), s.Load()
	}
	for _, name := range []string{"y.sato", "nobody"} { // the answer does not tell which name exists
		if judged, stopped := guessAll(name); judged != access.GuessLimit || stopped != 12-access.GuessLimit {
			t.Errorf("%s: judged %d and stopped %d of 12; want %d and %d", name, judged, stopped, access.GuessLimit, 12-access.GuessLimit)
		}
	}
	if _, err := stranger(t, d, "y.sato", password, c.code(secret)); !errors.Is(err, access.ErrTwoCodes) {
		t.Errorf("a stranger with one right code, under attack = %v; want ErrTwoCodes", err)
	}
	// The known browser needs no more than ever.
	o, err := d.Open(t.Context(), access.Credentials{Name: "y.sato", Password: password, Code: c.code(secret), Device: first.Device})
	if err != nil || o.Device != first.Device {
		t.Fatalf("the known browser under attack = %v; want a session", err)
	}
	guessAll("y.sato")
	// Nor is the one that holds a link, and it keeps password and code.
	link, err := d.ResetLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.add(time.Minute)
	byLink := access.Credentials{Name: "y.sato", Password: password, Code: c.code(secret), Link: link}
	if _, err := d.Open(t.Context(), byLink); err != nil {
		t.Errorf("with a link of the operator = %v; want a session", err)
	}
	guessAll("y.sato")
	c.add(time.Minute)
	byLink.Code = c.code(secret)
	if _, err := d.Open(t.Context(), byLink); !errors.Is(err, access.ErrTwoCodes) {
		t.Errorf("a link that was used = %v; want ErrTwoCodes", err)
	}
	// A new browser gives two codes in a row.
	earlier := c.code(secret)
	for _, pair := range [][2]string{{"000000", "000000"}, {earlier, "000000"}, {earlier, earlier}} {
		if _, err := d.Open(t.Context(), access.Credentials{Name: "y.sato", Password: password, Code: pair[0], NextCode: pair[1]}); !errors.Is(err, access.ErrRefused) {
			t.Errorf("the codes %v = %v; want ErrRefused", pair, err)
		}
	}
	c.add(30 * time.Second)
	if _, err := d.Open(t.Context(), access.Credentials{Name: "y.sato", Password: password, Code: earlier, NextCode: c.code(secret)}); err != nil {
		t.Errorf("two codes in a row = %v; want a session", err)
	}
	// After a right sign-in the counter is gone.
	c.add(time.Minute)
	if _, err := stranger(t, d, "y.sato", password, c.code(secret)); err != nil {
		t.Errorf("one code after a right sign-in = %v; want a session", err)
	}
}

func TestRandomNamesCostNobodyAnything(t *testing.T) {
	d, db, c, _ := openAccess(t)
	secret, _ := firstUser(t, d, c)
	c.add(time.Minute)
	for i := range 6000 {
		if _, err := stranger(t, d, "nobody-"+strconv.Itoa(i), "wrong wrong wrong", "000000"); !errors.Is(err, access.ErrRefused) {
			t.Fatalf("guess %d = %v", i, err)
		}
	}
	rows, err := db.Access().Audit(t.Context(), d.Tenant(), 10_000)
	if err != nil || len(rows) > 100 {
		t.Errorf("the audit holds %d rows of 6000 guesses, %v", len(rows), err)
	}
	if _, err := stranger(t, d, "y.sato", password, c.code(secret)); err != nil {
		t.Errorf("a new browser after guesses of other names = %v; want a session", err)
	}
	rows, err = db.Access().Audit(t.Context(), d.Tenant(), 1)
	if err != nil || rows[0].Verb != "session.open" {
		t.Errorf("the newest row is %v, %v", rows, err)
	}
}

// Who has the codes, not the password, is slowed: a stolen telephone tries few passwords.
func TestPasswordsAreSlowedForWhoHasTheCodes(t *testing.T) {
	d, _, c, _ := openAccess(t)
	secret, first := firstUser(t, d, c)
	judged := 0
	for range 120 { // an hour
		c.add(30 * time.Second)
		_, err := stranger(t, d, "y.sato", "wrong wrong wrong", c.code(secret))
		var many *access.TooManyError
		switch {
		case errors.Is(err, access.ErrRefused):
			judged++
		case errors.As(err, &many):
			if wait := many.Until.Sub(c.now()); wait <= 0 || wait > access.GuessEvery {
				t.Errorf("the next try comes in %s", wait)
			}
		case errors.Is(err, access.ErrTwoCodes):
		default:
			t.Fatalf("Open = %v", err)
		}
	}
	if want := access.GuessLimit + int(time.Hour/access.GuessEvery) + 1; judged > want {
		t.Errorf("%d passwords were judged in an hour; want at most %d", judged, want)
	}
	c.add(30 * time.Second)
	if _, err := d.Open(t.Context(), access.Credentials{Name: "y.sato", Password: password, Code: c.code(secret), Device: first.Device}); err != nil {
		t.Errorf("the known browser meanwhile = %v; want a session", err)
	}
}

func TestAMisusedDeviceIsAStranger(t *testing.T) {
	d, _, c, _ := openAccess(t)
	secret, first := firstUser(t, d, c)
	c.add(time.Minute)
	var err error
	for range 2*access.GuessLimit + 1 {
		_, err = d.Open(t.Context(), access.Credentials{Name: "y.sato", Password: "wrong wrong wrong", Code: "000000", Device: first.Device})
	}
	if !errors.Is(err, access.ErrTwoCodes) {
		t.Errorf("many guesses from a known browser = %v; want ErrTwoCodes", err)
	}
	c.add(access.DeviceLife)
	for range access.GuessLimit {
		_, _ = stranger(t, d, "y.sato", "wrong wrong wrong", "000000")
	}
	if _, err := d.Open(t.Context(), access.Credentials{Name: "y.sato", Password: password, Code: c.code(secret), Device: first.Device}); !errors.Is(err, access.ErrTwoCodes) {
		t.Errorf("a browser unused for %s = %v; want ErrTwoCodes", access.DeviceLife, err)
	}
}

func TestSessionEndsByIdleAgeAndSignOut(t *testing.T) {
	d, db, c, _ := openAccess(t)
	secret, o := firstUser(t, d, c)
	s, err := d.Session(o.Token)
	if err != nil || s.Name != "y.sato" {
		t.Fatalf("Session = %+v, %v", s, err)
	}
	for range 9 { // used every 50 minutes, it lasts 8 hours and no longer
		c.add(50 * time.Minute)
		_, err = d.Session(o.Token)
	}
	if err != nil {
		t.Errorf("a session in use ended after 7.5 hours: %v", err)
	}
	c.add(50 * time.Minute)
	if _, err := d.Session(o.Token); !errors.Is(err, access.ErrNoneOpen) {
		t.Errorf("Session after 8 hours = %v; want ErrNoneOpen", err)
	}
	open := func() access.Opened {
		t.Helper()
		o, err := stranger(t, d, "y.sato", password, c.code(secret))
		if err != nil {
			t.Fatal(err)
		}
		c.add(time.Minute)
		return o
	}
	o = open()
	c.add(access.SessionIdle)
	if _, err := d.Session(o.Token); !errors.Is(err, access.ErrNoneOpen) {
		t.Errorf("Session after an idle hour = %v; want ErrNoneOpen", err)
	}
	o = open()
	if err := d.Close(t.Context(), o.Token, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Session(o.Token); !errors.Is(err, access.ErrNoneOpen) || d.Alive(o.Session) {
		t.Errorf("Session after Close = %v; want ErrNoneOpen", err)
	}
	// Who takes the port while the server is down is told the token by every open page: it must be worth nothing then.
	o = open()
	again, err := access.New(d.Tenant(), db.Access(), access.Key{1, 2, 3}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Session(o.Token); !errors.Is(err, access.ErrNoneOpen) {
		t.Errorf("Session after a restart of the server = %v; want ErrNoneOpen", err)
	}
	if _, err := again.Open(t.Context(), access.Credentials{Name: "y.sato", Password: password, Code: c.code(secret), Device: o.Device}); err != nil {
		t.Errorf("the known browser after a restart = %v", err)
	}
}

// A reset ends what came before it.
func TestAResetEndsSessionsAndDevices(t *testing.T) {
	d, db, c, _ := openAccess(t)
	_, first := firstUser(t, d, c)
	link, err := d.ResetLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Session(first.Token); err != nil {
		t.Errorf("the session ended when the link was made: %v", err)
	}
	e, err := d.Begin(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Finish(t.Context(), access.First{Link: link, Name: "y.sato", Password: password + "2", Code: c.code(e.Secret), Secret: e.Secret}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Session(first.Token); !errors.Is(err, access.ErrNoneOpen) {
		t.Errorf("Session after the reset = %v; want ErrNoneOpen", err)
	}
	rows, err := db.Access().Audit(t.Context(), d.Tenant(), 3)
	if err != nil || len(rows) != 3 || rows[1].Verb != "user.reset" {
		t.Errorf("Audit = %v, %v", rows, err)
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
		_, err := d.Finish(t.Context(), access.First{Link: link, Name: try.name, Password: try.password, Code: c.code(e.Secret), Secret: e.Secret})
		var input *access.InputError
		if !errors.As(err, &input) || input.Field != try.field {
			t.Errorf("Finish(%q, %q) = %v; want an InputError for %s", try.name, try.password, err, try.field)
		}
	}
}

func TestDatabaseHoldsNoSecretInPlain(t *testing.T) {
	d, db, c, path := openAccess(t)
	secret, o := firstUser(t, d, c)
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
		for _, s := range []string{secret, o.Token, o.Device, password} {
			if strings.Contains(string(b), s) {
				t.Errorf("%s holds %q in plain", filepath.Base(file), s)
			}
		}
	}
}

func TestAuditTellsWhoSignedIn(t *testing.T) {
	d, db, c, _ := openAccess(t)
	firstUser(t, d, c)
	_, _ = d.Open(t.Context(), access.Credentials{Name: "y.sato", Password: "wrong wrong wrong", Code: "000000", Peer: "127.0.0.9"})
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
