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

// ResetLink makes a one-time link for the operator of this machine whose password or code is lost. Whoever
// redeems it becomes the user; until then everything stays as it was. Without a user it is NewLink.
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
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Yagura", AccountName: "console"})
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
func (d *Desk) Finish(ctx context.Context, f First) (Session, string, error) {
	link, err := d.usable(ctx, f.Link)
	if err != nil {
		return Session{}, "", err
	}
	name, err := checkName(f.Name)
	if err != nil {
		return Session{}, "", err
	}
	if err := checkPassword(name, f.Password); err != nil {
		return Session{}, "", err
	}
	if len(f.Secret) < 16 || len(f.Secret) > 128 {
		return Session{}, "", &InputError{Field: "totp_secret", Reason: "is not the one that was offered"}
	}
	step, ok := d.step(f.Code, f.Secret)
	if !ok {
		return Session{}, "", &InputError{Field: "totp_code", Reason: "does not fit the secret: check the clock of the phone and of this machine"}
	}
	hash, err := d.hash(ctx, f.Password)
	if err != nil {
		return Session{}, "", err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Session{}, "", fmt.Errorf("draw user id: %w", err)
	}
	u := User{ID: UserID(id), Tenant: d.tenant, Name: name, Password: hash, Created: d.micros()}
	if u.TOTPSealed, err = d.key.seal(f.Secret, u.ID.String()); err != nil {
		return Session{}, "", err
	}
	verb, detail := "user.create", "first user, by link"
	if link.Reset {
		verb, detail = "user.reset", "by reset link: earlier credentials and sessions ended"
		err = d.store.ReplaceUser(ctx, u, link.Hash, d.micros())
	} else {
		err = d.store.CreateFirstUser(ctx, u, link.Hash, d.micros())
	}
	if err != nil {
		return Session{}, "", fmt.Errorf("make the user: %w", err)
	}
	if _, err := d.store.TakeStep(ctx, d.tenant, u.ID, step); err != nil {
		return Session{}, "", fmt.Errorf("note one-time code: %w", err)
	}
	if err := d.Note(ctx, u.Name, verb, u.ID.String(), detail, f.Peer); err != nil {
		return Session{}, "", err
	}
	return d.open(ctx, u, f.Peer)
}

// Open signs a user in. Every wrong part gives ErrRefused and counts as one guess.
func (d *Desk) Open(ctx context.Context, name, password, code, peer string) (Session, string, error) {
	name = strings.TrimSpace(name)
	if len(name) > MaxName || len(password) > MaxPassword {
		return Session{}, "", ErrRefused
	}
	subject, from := "name:"+name, "peer:"+peer
	// The guess is counted before it is judged: of many sent at once, no more than the limit are looked at.
	if err := d.guess(ctx, from, PeerLimit); err != nil {
		return Session{}, "", err
	}
	if err := d.guess(ctx, subject, GuessLimit); err != nil {
		return Session{}, "", err
	}
	u, err := d.store.UserByName(ctx, d.tenant, name)
	known := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Session{}, "", fmt.Errorf("look up user: %w", err)
	}
	hash := d.decoy
	if known {
		hash = u.Password
	}
	match, err := d.compare(ctx, password, hash)
	if err != nil {
		return Session{}, "", err
	}
	if !known || !match {
		return Session{}, "", d.refuse(ctx, name, "password", peer)
	}
	secret, err := d.key.open(u.TOTPSealed, u.ID.String())
	if err != nil {
		return Session{}, "", err
	}
	step, ok := d.step(code, secret)
	if ok {
		if ok, err = d.store.TakeStep(ctx, d.tenant, u.ID, step); err != nil {
			return Session{}, "", fmt.Errorf("note one-time code: %w", err)
		}
	}
	if !ok {
		return Session{}, "", d.refuse(ctx, name, "code", peer)
	}
	if err := errors.Join(d.store.ForgetGuesses(ctx, d.tenant, subject), d.store.ForgetGuesses(ctx, d.tenant, from)); err != nil {
		return Session{}, "", fmt.Errorf("forget wrong guesses: %w", err)
	}
	return d.open(ctx, u, peer)
}

func (d *Desk) refuse(ctx context.Context, name, part, peer string) error {
	if err := d.Note(ctx, name, "session.refuse", "", "wrong "+part, peer); err != nil {
		return err
	}
	return ErrRefused
}

func (d *Desk) guess(ctx context.Context, subject string, limit int) error {
	n, since, err := d.store.CountGuess(ctx, d.tenant, subject, d.micros(), GuessWindow.Microseconds())
	if err != nil {
		return fmt.Errorf("count guess: %w", err)
	}
	if n > limit {
		return &TooManyError{Until: time.UnixMicro(since).Add(GuessWindow)}
	}
	return nil
}

// step finds the TOTP step that code belongs to, one step of clock difference either way.
func (d *Desk) step(code, secret string) (int64, bool) {
	now := d.now()
	for _, off := range []time.Duration{0, -30 * time.Second, 30 * time.Second} {
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

func checkPassword(name, password string) error {
	n := utf8.RuneCountInString(password)
	distinct := map[rune]bool{}
	for _, r := range password {
		distinct[r] = true
	}
	switch {
	case n < MinPassword:
		return &InputError{Field: "password", Reason: fmt.Sprintf("is shorter than %d characters", MinPassword)}
	case len(password) > MaxPassword:
		return &InputError{Field: "password", Reason: fmt.Sprintf("is longer than %d bytes", MaxPassword)}
	case len(distinct) < 5 || strings.Contains(strings.ToLower(password), strings.ToLower(name)) && n < len(name)+MinPassword:
		return &InputError{Field: "password", Reason: "is too easy to guess"}
	}
	return nil
}
