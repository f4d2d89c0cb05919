package access_test

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
	"github.com/yagura-edr/yagura/internal/tenant"
)

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

func TestACodeIsTakenOneStepEitherWayAndNoFurther(t *testing.T) {
	d, _, c, _ := openAccess(t)
	secret, _ := firstUser(t, d, c)
	for _, off := range []struct {
		by   time.Duration
		want error
	}{{-60 * time.Second, access.ErrRefused}, {-30 * time.Second, nil}, {0, nil}, {30 * time.Second, nil}, {60 * time.Second, access.ErrRefused}} {
		c.add(10 * time.Minute)
		code, err := totp.GenerateCode(secret, c.now().Add(off.by))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stranger(t, d, "y.sato", password, code); !errors.Is(err, off.want) {
			t.Errorf("a code of a clock that is %s off = %v; want %v", off.by, err, off.want)
		}
	}
}

// Who looks over a shoulder has the code that was just used, and the one before.
func TestACodeThatIsOlderThanTheLastOneIsRefused(t *testing.T) {
	d, _, c, _ := openAccess(t)
	secret, first := firstUser(t, d, c)
	c.add(time.Minute)
	older := c.code(secret)
	c.add(30 * time.Second)
	if _, err := stranger(t, d, "y.sato", password, c.code(secret)); err != nil {
		t.Fatal(err)
	}
	for _, device := range []string{"", first.Device} {
		for what, code := range map[string]string{"the same code": c.code(secret), "the one before": older} {
			if _, err := d.Open(t.Context(), access.Credentials{Name: "y.sato", Password: password, Code: code, Device: device}); !errors.Is(err, access.ErrRefused) {
				t.Errorf("%s again, known browser %v: %v; want ErrRefused", what, device != "", err)
			}
		}
	}
}

func TestOfManyWhoSendOneCodeAtOnceOneIsLetIn(t *testing.T) {
	d, _, c, _ := openAccess(t)
	secret, _ := firstUser(t, d, c)
	c.add(time.Minute)
	code := c.code(secret)
	var wg sync.WaitGroup
	var in atomic.Int32
	for range 4 {
		wg.Go(func() {
			switch _, err := stranger(t, d, "y.sato", password, code); {
			case err == nil:
				in.Add(1)
			case !errors.Is(err, access.ErrRefused):
				t.Errorf("Open = %v", err)
			}
		})
	}
	wg.Wait()
	if in.Load() != 1 {
		t.Errorf("%d of 4 were let in with one code; want 1", in.Load())
	}
}

func TestEveryWrongPartGetsTheSameAnswer(t *testing.T) {
	d, _, c, _ := openAccess(t)
	secret, _ := firstUser(t, d, c)
	for what, try := range map[string]func(*access.Credentials){
		"password":            func(x *access.Credentials) { x.Password += "x" },
		"empty password":      func(x *access.Credentials) { x.Password = "" },
		"code":                func(x *access.Credentials) { x.Code = "000000" },
		"empty code":          func(x *access.Credentials) { x.Code = "" },
		"name":                func(x *access.Credentials) { x.Name = "somebody" },
		"case of the name":    func(x *access.Credentials) { x.Name = "Y.Sato" },
		"empty name":          func(x *access.Credentials) { x.Name = "" },
		"length of the name":  func(x *access.Credentials) { x.Name = strings.Repeat("x", 1<<20) },
		"length of the rest":  func(x *access.Credentials) { x.Password = strings.Repeat("x", 1<<20) },
		"length of a device":  func(x *access.Credentials) { x.Device = strings.Repeat("x", 1<<20) },
		"a word for a number": func(x *access.Credentials) { x.Code = "' OR 1=1" },
	} {
		c.add(access.GuessLimit * access.GuessEvery) // all guesses are back
		x := access.Credentials{Name: "y.sato", Password: password, Code: c.code(secret), Peer: "127.0.0.1"}
		try(&x)
		if _, err := d.Open(t.Context(), x); err == nil || err.Error() != access.ErrRefused.Error() {
			t.Errorf("a wrong %s = %v; want ErrRefused, word by word", what, err)
		}
	}
	c.add(time.Minute)
	if _, err := stranger(t, d, " y.sato ", password, " "+c.code(secret)+" "); err != nil {
		t.Errorf("spaces around name and code = %v; want a session", err)
	}
}

// The console gives a place to who has proven something: a guesser must never get there.
func TestProvenIsToldBeforeThePasswordAndNeverOfAGuess(t *testing.T) {
	d, _, c, _ := openAccess(t)
	secret, first := firstUser(t, d, c)
	for what, try := range map[string]struct {
		x    access.Credentials
		want bool
	}{
		"a guess":                      {access.Credentials{Code: "000000"}, false},
		"a right password without one": {access.Credentials{Password: password, Code: "000000"}, false},
		"a right code":                 {access.Credentials{Password: "wrong wrong wrong"}, true},
		"a known browser":              {access.Credentials{Code: "000000", Device: first.Device}, true},
		"an unknown browser":           {access.Credentials{Code: "000000", Device: "made up"}, false},
	} {
		c.add(10 * time.Minute)
		told := false
		try.x.Name, try.x.Proven = "y.sato", func() { told = true }
		if try.x.Code == "" {
			try.x.Code = c.code(secret)
		}
		if _, err := d.Open(t.Context(), try.x); !errors.Is(err, access.ErrRefused) || told != try.want {
			t.Errorf("%s: told %v, %v; want %v and ErrRefused", what, told, err, try.want)
		}
	}
}

// A backup of the database beside another key: nobody must get in, and the operator must be told whom it shuts out.
func TestCodesUnderAnotherKeyLetNobodyInAndAreNamed(t *testing.T) {
	d, db, c, _ := openAccess(t)
	secret, _ := firstUser(t, d, c)
	c.add(time.Minute)
	if out, err := d.ShutOut(t.Context()); err != nil || len(out) != 0 {
		t.Errorf("ShutOut = %v, %v; want nobody", out, err)
	}
	other, err := access.New(d.Tenant(), db.Access(), access.Key{9}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger(t, other, "y.sato", password, c.code(secret)); err == nil {
		t.Error("a desk with another key let the user in")
	}
	if out, err := other.ShutOut(t.Context()); err != nil || len(out) != 1 || out[0] != "y.sato" {
		t.Errorf("ShutOut of the other key = %v, %v; want y.sato", out, err)
	}
}

// One server, two tenants: nothing of one opens anything of the other, though names and even links look the same.
func TestUsersSessionsDevicesAndLinksBelongToTheirTenant(t *testing.T) {
	a, db, c, _ := openAccess(t)
	b, err := access.New(tenant.ID(uuid.Must(uuid.NewV7())), db.Access(), access.Key{1, 2, 3}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	link, err := a.NewLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Begin(t.Context(), link); !errors.Is(err, access.ErrLink) {
		t.Errorf("the link of another tenant = %v; want ErrLink", err)
	}
	secretA, inA := firstUser(t, a, c)
	secretB, _ := firstUser(t, b, c) // the first user of one tenant is not that of the other
	c.add(time.Minute)
	if _, err := b.Session(inA.Token); !errors.Is(err, access.ErrNoneOpen) || b.Alive(inA.Session) {
		t.Errorf("a session of another tenant = %v; want ErrNoneOpen", err)
	}
	if _, err := stranger(t, b, "y.sato", password, c.code(secretA)); !errors.Is(err, access.ErrRefused) {
		t.Errorf("the namesake's code = %v; want ErrRefused", err)
	}
	for range access.GuessLimit {
		_, _ = stranger(t, b, "y.sato", "wrong wrong wrong", "000000")
	}
	if _, err := b.Open(t.Context(), access.Credentials{Name: "y.sato", Password: password, Code: c.code(secretB), Device: inA.Device}); !errors.Is(err, access.ErrTwoCodes) {
		t.Errorf("the namesake's browser = %v; want it to be a stranger", err)
	}
	reset, err := b.ResetLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, err := b.Begin(t.Context(), reset)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Finish(t.Context(), access.First{Link: reset, Name: "y.sato", Password: password, Code: c.code(e.Secret), Secret: e.Secret}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Session(inA.Token); err != nil {
		t.Errorf("a reset in one tenant ended a session of the other: %v", err)
	}
}
