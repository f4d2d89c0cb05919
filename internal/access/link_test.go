package access_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/access"
)

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

func TestOfManyWhoUseALinkAtOnceOneBecomesTheUser(t *testing.T) {
	d, _, c, _ := openAccess(t)
	link, err := d.NewLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Begin(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var made atomic.Int32
	for i := range 4 {
		wg.Go(func() {
			_, err := d.Finish(t.Context(), access.First{Link: link, Name: "user-" + strconv.Itoa(i), Password: password, Code: c.code(e.Secret), Secret: e.Secret})
			switch {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, access.ErrSetUp) && !errors.Is(err, access.ErrLink):
				t.Errorf("Finish = %v", err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("%d users by one link; want 1", made.Load())
	}
}

func TestAMistakeLeavesTheLinkToItsHolder(t *testing.T) {
	d, _, c, _ := openAccess(t)
	link, err := d.NewLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Begin(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	good := access.First{Link: link, Name: "y.sato", Password: password, Code: c.code(e.Secret), Secret: e.Secret}
	for field, spoil := range map[string]func(*access.First){
		"name": func(f *access.First) { f.Name = "\t" }, "password": func(f *access.First) { f.Password = "short" },
		"totp_code": func(f *access.First) { f.Code = "000000" }, "totp_secret": func(f *access.First) { f.Secret = "AAAA" },
	} {
		f := good
		spoil(&f)
		_, err := d.Finish(t.Context(), f)
		if input, ok := errors.AsType[*access.InputError](err); !ok || input.Field != field {
			t.Errorf("a wrong %s = %v; want an InputError that names it", field, err)
		}
	}
	if o, err := d.Finish(t.Context(), good); err != nil || o.Name != "y.sato" {
		t.Errorf("the right input after mistakes = %+v, %v", o.Session, err)
	}
}

func TestAResetLinkThatWasUsedToSignInReplacesNobody(t *testing.T) {
	d, _, c, _ := openAccess(t)
	secret, _ := firstUser(t, d, c)
	c.add(time.Minute)
	link, err := d.ResetLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open(t.Context(), access.Credentials{Name: "y.sato", Password: password, Code: c.code(secret), Link: link}); err != nil {
		t.Fatal(err)
	}
	// A known browser needs no link: it keeps it.
	if _, err := d.Begin(t.Context(), link); !errors.Is(err, access.ErrLink) {
		t.Errorf("the link again = %v; want ErrLink", err)
	}
}
