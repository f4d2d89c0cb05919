package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

// NewLink makes the one-time link for the first user and forgets earlier ones. Once a user exists there is
// none: it answers "", and sign-in is the only door.
func (d *Desk) NewLink(ctx context.Context) (string, error) {
	users, err := d.store.UserNames(ctx, d.tenant)
	if err != nil {
		return "", fmt.Errorf("make sign-in link: %w", err)
	}
	if len(users) > 0 {
		return "", nil
	}
	return d.putLink(ctx, false)
}

// ShutOut names the users whose one-time codes this desk's key does not open: they were sealed with another one.
func (d *Desk) ShutOut(ctx context.Context) ([]string, error) {
	names, err := d.store.UserNames(ctx, d.tenant)
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	var out []string
	for _, name := range names {
		u, err := d.store.UserByName(ctx, d.tenant, name)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read user %s: %w", name, err)
		}
		if _, err := d.key.open(u.TOTPSealed, u.ID.String()); err != nil {
			out = append(out, name)
		}
	}
	return out, nil
}

// ResetLink makes a one-time link for the operator of this machine. Who holds it signs in as from a known browser, or,
// when password or code are lost, becomes the user; until then everything stays as it was. Without a user it is NewLink.
func (d *Desk) ResetLink(ctx context.Context) (string, error) {
	users, err := d.store.UserNames(ctx, d.tenant)
	if err != nil {
		return "", fmt.Errorf("make sign-in link: %w", err)
	}
	return d.putLink(ctx, len(users) > 0)
}

func (d *Desk) putLink(ctx context.Context, reset bool) (string, error) {
	secret, err := token()
	if err != nil {
		return "", err
	}
	l := Link{Tenant: d.tenant, Hash: hashOf("link", secret), Expires: d.now().Add(LinkLife).UnixMicro(), Reset: reset}
	if err := d.store.PutLink(ctx, l); err != nil {
		return "", fmt.Errorf("make sign-in link: %w", err)
	}
	return secret, nil
}

// Enrolment is what an authenticator app needs.
type Enrolment struct {
	Replaces string // the user that this link takes the place of; empty: there is none yet
	Secret   string
	URL      string
	QR       []byte // PNG
}

// Begin looks at a link and offers a TOTP secret. It changes nothing.
func (d *Desk) Begin(ctx context.Context, link string) (Enrolment, error) {
	if _, err := d.usable(ctx, link); err != nil {
		return Enrolment{}, err
	}
	names, err := d.store.UserNames(ctx, d.tenant)
	if err != nil {
		return Enrolment{}, fmt.Errorf("look up who would be replaced: %w", err)
	}
	key, err := newKey()
	if err != nil {
		return Enrolment{}, fmt.Errorf("make one-time code secret: %w", err)
	}
	img, err := key.Image(220, 220)
	if err != nil {
		return Enrolment{}, fmt.Errorf("draw QR code: %w", err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return Enrolment{}, fmt.Errorf("draw QR code: %w", err)
	}
	return Enrolment{Replaces: strings.Join(names, ", "), Secret: key.Secret(), URL: key.URL(), QR: b.Bytes()}, nil
}

func newKey() (*otp.Key, error) {
	return totp.Generate(totp.GenerateOpts{Issuer: "Yagura", AccountName: "console"})
}

func newSecret() (string, error) {
	k, err := newKey()
	if err != nil {
		return "", fmt.Errorf("make one-time code secret: %w", err)
	}
	return k.Secret(), nil
}

func (d *Desk) usable(ctx context.Context, link string) (Link, error) {
	users, err := d.store.UserNames(ctx, d.tenant)
	if err != nil {
		return Link{}, fmt.Errorf("check sign-in link: %w", err)
	}
	l, err := d.store.Link(ctx, d.tenant, hashOf("link", link))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Link{}, fmt.Errorf("check sign-in link: %w", err)
	}
	if len(users) > 0 && !l.Reset {
		return Link{}, ErrSetUp
	}
	if err != nil || l.Used || l.Expires <= d.micros() {
		return Link{}, ErrLink
	}
	return l, nil
}

// First is what the first user gives.
type First struct {
	Link, Name, Password, Code, Secret string
	Peer                               string
}

// Finish makes the first user, or the one that replaces it, and opens a session. The link is used up only when
// all else was right.
func (d *Desk) Finish(ctx context.Context, f First) (Opened, error) {
	link, err := d.usable(ctx, f.Link)
	if err != nil {
		return Opened{}, err
	}
	name, err := checkName(f.Name)
	if err != nil {
		return Opened{}, err
	}
	if err := checkPassword(name, f.Password); err != nil {
		return Opened{}, err
	}
	if len(f.Secret) < 16 || len(f.Secret) > 128 {
		return Opened{}, &InputError{Field: "totp_secret", Reason: "is not the one that was offered"}
	}
	step, ok := d.step(f.Code, f.Secret, 0)
	if !ok {
		return Opened{}, &InputError{Field: "totp_code", Reason: "does not fit the secret: check the clock of the phone and of this machine"}
	}
	hash, err := d.hash(ctx, f.Password)
	if err != nil {
		return Opened{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Opened{}, fmt.Errorf("draw user id: %w", err)
	}
	u := User{ID: UserID(id), Tenant: d.tenant, Name: name, Password: hash, Created: d.micros()}
	if u.TOTPSealed, err = d.key.seal(f.Secret, u.ID.String()); err != nil {
		return Opened{}, err
	}
	verb, detail := "user.create", "first user, by link"
	if link.Reset {
		verb, detail = "user.reset", "by reset link: earlier credentials and sessions ended"
		err = d.store.ReplaceUser(ctx, u, link.Hash, d.micros())
	} else {
		err = d.store.CreateFirstUser(ctx, u, link.Hash, d.micros())
	}
	if err != nil {
		return Opened{}, fmt.Errorf("make the user: %w", err)
	}
	if _, err := d.store.TakeStep(ctx, d.tenant, u.ID, step); err != nil {
		return Opened{}, fmt.Errorf("note one-time code: %w", err)
	}
	if err := d.Note(ctx, u.Name, verb, u.ID.String(), detail, f.Peer); err != nil {
		return Opened{}, err
	}
	if link.Reset {
		d.endSessions()
	}
	return d.open(ctx, u, "", f.Peer)
}

// Credentials are what a person and their browser give at sign-in.
type Credentials struct {
	Name, Password, Code string
	NextCode             string // the code after Code, where ErrTwoCodes asked for it
	Device               string // the secret of a browser that signed in before; empty: a stranger
	Link                 string // a link of this machine's operator; it stands for a known browser
	Proven               func() // called when the browser is known or the codes are right, before the password is compared; may be nil
	Peer                 string
}

// Open signs a user in. Every wrong part gives ErrRefused. The code is judged before the password: who guesses has
// no code, so guesses at full speed neither use up the tries of the one who has nor keep the password check busy.
func (d *Desk) Open(ctx context.Context, c Credentials) (Opened, error) {
	name := strings.TrimSpace(c.Name)
	if len(name) > MaxName || len(c.Password) > MaxPassword || len(c.Device) > 64 || len(c.Link) > 64 {
		return Opened{}, ErrRefused
	}
	u, err := d.store.UserByName(ctx, d.tenant, name)
	exists := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Opened{}, fmt.Errorf("look up user: %w", err)
	}
	by, known, err := d.known(ctx, u, exists, c)
	if err != nil {
		return Opened{}, err
	}
	if known { // who misused this browser is a stranger from now on
		_, known = d.takeGuess(by, true)
	}
	if known && c.Proven != nil {
		c.Proven()
	}
	if !known && c.NextCode == "" {
		if _, ok := d.takeGuess(nameOf(name), exists); !ok {
			return Opened{}, d.refuse(ctx, name, "two codes asked for", c.Peer, ErrTwoCodes)
		}
	}
	secret := d.decoy
	if exists {
		if secret, err = d.key.open(u.TOTPSealed, u.ID.String()); err != nil {
			return Opened{}, err
		}
	}
	step, ok := d.steps(c.Code, c.NextCode, secret)
	if !ok || !exists {
		return Opened{}, d.refuse(ctx, name, "wrong code or name", c.Peer, ErrRefused)
	}
	if !known {
		if until, ok := d.takeGuess(passwordOf(u.ID), true); !ok {
			return Opened{}, d.refuse(ctx, name, "too many wrong passwords with right codes", c.Peer, &TooManyError{Until: until})
		}
	}
	if c.Proven != nil {
		c.Proven()
	}
	match, err := d.compare(ctx, c.Password, u.Password, known)
	if err != nil {
		return Opened{}, err
	}
	if !match {
		return Opened{}, d.refuse(ctx, name, "wrong password", c.Peer, ErrRefused)
	}
	return d.admit(ctx, u, step, by, c)
}

// known tells whether the caller's browser signed this user in before, or holds a link of this machine's operator, and
// what its wrong guesses are held against.
func (d *Desk) known(ctx context.Context, u User, exists bool, c Credentials) (subject string, known bool, err error) {
	if exists && c.Device != "" {
		h := hashOf("device", c.Device)
		dev, err := d.store.Device(ctx, d.tenant, h)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return "", false, fmt.Errorf("look up device: %w", err)
		}
		if err == nil && dev.User == u.ID && d.micros()-dev.Used < DeviceLife.Microseconds() {
			return "device:" + string(h[:]), true, nil
		}
	}
	if exists && c.Link != "" {
		l, err := d.usable(ctx, c.Link)
		if err == nil && l.Reset {
			return "link:" + string(l.Hash[:]), true, nil
		}
		if err != nil && !errors.Is(err, ErrLink) && !errors.Is(err, ErrSetUp) {
			return "", false, err
		}
	}
	return "", false, nil
}

func nameOf(name string) string    { return "name:" + name }
func passwordOf(id UserID) string  { return "password:" + id.String() }
func isDevice(subject string) bool { return strings.HasPrefix(subject, "device:") }
func isLink(subject string) bool   { return strings.HasPrefix(subject, "link:") }

// admit opens a session for who gave all that is asked for, and gives all guesses back.
func (d *Desk) admit(ctx context.Context, u User, step int64, by string, c Credentials) (Opened, error) {
	ok, err := d.store.TakeStep(ctx, d.tenant, u.ID, step)
	if err != nil {
		return Opened{}, fmt.Errorf("note one-time code: %w", err)
	}
	if !ok {
		return Opened{}, d.refuse(ctx, u.Name, "code used before", c.Peer, ErrRefused)
	}
	if isLink(by) {
		if err := d.store.UseLink(ctx, d.tenant, hashOf("link", c.Link), d.micros()); err != nil {
			return Opened{}, fmt.Errorf("use the link: %w", err)
		}
	}
	d.mu.Lock()
	for _, subject := range []string{by, nameOf(u.Name), passwordOf(u.ID)} {
		d.slow.forget(subject)
	}
	d.mu.Unlock()
	device := ""
	if isDevice(by) {
		device = c.Device
	}
	return d.open(ctx, u, device, c.Peer)
}

// refuse answers with err and writes what was wrong, which the caller is not told.
func (d *Desk) refuse(ctx context.Context, name, what, peer string, err error) error {
	d.mu.Lock()
	also, ok := d.refused.tell(d.now())
	d.mu.Unlock()
	if !ok {
		return err
	}
	if err := d.Note(ctx, name, "session.refuse", "", what+also, peer); err != nil {
		return err
	}
	return err
}

// steps finds the TOTP step that code belongs to, or, with next, the step of next where code is of the one before.
func (d *Desk) steps(code, next, secret string) (int64, bool) {
	if next == "" {
		return d.step(code, secret, 0)
	}
	step, ok := d.step(next, secret, 0)
	if !ok {
		return 0, false
	}
	before, ok := d.step(code, secret, -codeStep)
	return step, ok && before == step-1
}

const codeStep = 30 * time.Second

// step finds the TOTP step that code belongs to around shift from now, one step of clock difference either way.
func (d *Desk) step(code, secret string, shift time.Duration) (int64, bool) {
	now := d.now().Add(shift)
	for _, off := range []time.Duration{0, -codeStep, codeStep} {
		at := now.Add(off)
		ok, err := totp.ValidateCustom(strings.TrimSpace(code), secret, at, totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && ok {
			return at.Unix() / 30, true
		}
	}
	return 0, false
}

func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", &InputError{Field: "name", Reason: "is empty"}
	case len(name) > MaxName:
		return "", &InputError{Field: "name", Reason: fmt.Sprintf("is longer than %d bytes", MaxName)}
	case !utf8.ValidString(name):
		return "", &InputError{Field: "name", Reason: "is not UTF-8"}
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return "", &InputError{Field: "name", Reason: "holds a character that cannot be seen"}
		}
	}
	// "local:ACCOUNT" is who speaks on the admin socket; no other name may look like it.
	if strings.HasPrefix(strings.ToLower(name), "local:") {
		return "", &InputError{Field: "name", Reason: "may not start with local:"}
	}
	return name, nil
}
