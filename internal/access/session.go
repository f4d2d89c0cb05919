package access

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/alexedwards/argon2id"
)

// open makes a session and returns it with its token, which is kept nowhere.
func (d *Desk) open(ctx context.Context, u User, peer string) (Session, string, error) {
	secret, err := token()
	if err != nil {
		return Session{}, "", err
	}
	csrf, err := token()
	if err != nil {
		return Session{}, "", err
	}
	now := d.micros()
	if err := d.store.DeleteSessions(ctx, d.tenant, now-SessionLife.Microseconds(), now-SessionIdle.Microseconds()); err != nil {
		return Session{}, "", fmt.Errorf("forget ended sessions: %w", err)
	}
	s := Session{Tenant: d.tenant, Hash: hashOf("session", secret), User: u.ID, Name: u.Name, CSRF: csrf, Created: now, Used: now}
	if err := d.store.PutSession(ctx, s); err != nil {
		return Session{}, "", fmt.Errorf("open session: %w", err)
	}
	if err := d.Note(ctx, u.Name, "session.open", u.ID.String(), "", peer); err != nil {
		return Session{}, "", err
	}
	return s, secret, nil
}

// Session finds the session of a token: ErrNoneOpen when there is none, or it is too old or idle too long.
func (d *Desk) Session(ctx context.Context, secret string) (Session, error) {
	if secret == "" || len(secret) > 64 {
		return Session{}, ErrNoneOpen
	}
	h := hashOf("session", secret)
	s, err := d.store.Session(ctx, d.tenant, h)
	if errors.Is(err, ErrNotFound) {
		return Session{}, ErrNoneOpen
	}
	if err != nil {
		return Session{}, fmt.Errorf("look up session: %w", err)
	}
	now := d.micros()
	if now-s.Created >= SessionLife.Microseconds() || now-s.Used >= SessionIdle.Microseconds() {
		if err := d.store.DeleteSession(ctx, d.tenant, h); err != nil {
			return Session{}, fmt.Errorf("end session: %w", err)
		}
		return Session{}, ErrNoneOpen
	}
	if now-s.Used >= touchAfter.Microseconds() {
		if err := d.store.TouchSession(ctx, d.tenant, h, now); err != nil {
			return Session{}, fmt.Errorf("touch session: %w", err)
		}
	}
	return s, nil
}

// Alive says whether a session still stands, without counting as a use of it: open streams ask.
func (d *Desk) Alive(ctx context.Context, s Session) bool {
	kept, err := d.store.Session(ctx, d.tenant, s.Hash)
	now := d.micros()
	return err == nil && now-kept.Created < SessionLife.Microseconds() && now-kept.Used < SessionIdle.Microseconds()
}

// Close ends a session; a token that names none is no error.
func (d *Desk) Close(ctx context.Context, secret, peer string) error {
	s, err := d.Session(ctx, secret)
	if errors.Is(err, ErrNoneOpen) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.store.DeleteSession(ctx, d.tenant, s.Hash); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return d.Note(ctx, s.Name, "session.close", s.User.String(), "", peer)
}

// SameCSRF compares a request's token with the session's in constant time.
func (s Session) SameCSRF(got string) bool {
	return subtle.ConstantTimeCompare([]byte(s.CSRF), []byte(got)) == 1
}

func hashPassword(password string) (string, error) {
	h, err := argon2id.CreateHash(password, &argon2id.Params{Memory: 64 << 10, Iterations: 2, Parallelism: 2, SaltLength: 16, KeyLength: 32})
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return h, nil
}

func (d *Desk) hash(ctx context.Context, password string) (string, error) {
	if err := d.enter(ctx); err != nil {
		return "", err
	}
	defer d.leave()
	return hashPassword(password)
}

func (d *Desk) compare(ctx context.Context, password, hash string) (bool, error) {
	if err := d.enter(ctx); err != nil {
		return false, err
	}
	defer d.leave()
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return false, fmt.Errorf("compare password: %w", err)
	}
	return ok, nil
}

func (d *Desk) enter(ctx context.Context) error {
	select {
	case d.work <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the password check: %w", context.Cause(ctx))
	}
}

func (d *Desk) leave() { <-d.work }
