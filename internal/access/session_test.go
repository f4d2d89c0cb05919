package access_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/access"
)

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

func TestASecretThatIsNoTokenOpensNoSession(t *testing.T) {
	d, _, c, _ := openAccess(t)
	_, o := firstUser(t, d, c)
	for _, secret := range []string{"", o.Device, o.Token + "x", o.Token[:len(o.Token)-1], strings.ToLower(o.Token), string(o.Hash[:]), strings.Repeat("x", 1<<20)} {
		if _, err := d.Session(secret); !errors.Is(err, access.ErrNoneOpen) {
			t.Errorf("Session(%.20q) = %v; want ErrNoneOpen", secret, err)
		}
		if err := d.Close(t.Context(), secret, ""); err != nil {
			t.Errorf("Close(%.20q) = %v; want no error", secret, err)
		}
	}
	if _, err := d.Session(o.Token); err != nil {
		t.Errorf("the real token after all that = %v", err)
	}
}

// An open stream must not keep a session that nobody uses.
func TestAskingWhetherASessionLivesIsNoUseOfIt(t *testing.T) {
	d, _, c, _ := openAccess(t)
	_, o := firstUser(t, d, c)
	for range 6 {
		c.add(access.SessionIdle / 6)
		d.Alive(o.Session)
	}
	if d.Alive(o.Session) {
		t.Error("a session that was only asked about lives on")
	}
}

func TestSigningOutEndsOneSessionAndIsWritten(t *testing.T) {
	d, db, c, _ := openAccess(t)
	secret, one := firstUser(t, d, c)
	c.add(time.Minute)
	two, err := stranger(t, d, "y.sato", password, c.code(secret))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Close(t.Context(), one.Token, "127.0.0.9"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Session(two.Token); err != nil || d.Alive(one.Session) {
		t.Errorf("the other session = %v, the closed one alive: %v", err, d.Alive(one.Session))
	}
	rows, err := db.Access().Audit(t.Context(), d.Tenant(), 10)
	if err != nil || rows[0].Verb != "session.close" || rows[0].Peer != "127.0.0.9" || rows[1].Verb == "session.close" {
		t.Errorf("the audit: %+v, %v; want one session.close on top", rows, err)
	}
}
