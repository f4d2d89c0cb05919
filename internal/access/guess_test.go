package access_test

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/access"
)

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
