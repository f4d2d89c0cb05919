package access

import (
	"context"
	"time"

	"github.com/yagura-edr/yagura/internal/tenant"
)

// Session is a signed-in user. What a caller gets is a copy.
type Session struct {
	Hash   Hash
	Tenant tenant.ID // of the user
	User   UserID
	Name   string // of the user

	created, used time.Time // with the monotonic clock: a wall clock that jumps neither ends a session nor keeps it
}

func (s *Session) over(now time.Time) bool {
	return now.Sub(s.created) >= SessionLife || now.Sub(s.used) >= SessionIdle
}

// Opened is what a sign-in gives: the session, and the two secrets that the browser's origin keeps. They are told
// this once and kept here as hashes only.
type Opened struct {
	Session
	Token  string // goes with every call
	Device string // goes with the next sign-in: this browser is known
}

// open makes a session. device is the secret of a browser that is known already; empty: it becomes known now.
func (d *Desk) open(ctx context.Context, u User, device, peer string) (Opened, error) {
	o := Opened{Device: device}
	var err error
	if o.Token, err = token(); err != nil {
		return Opened{}, err
	}
	if device == "" {
		if o.Device, err = token(); err != nil {
			return Opened{}, err
		}
	}
	if err := d.store.PutDevice(ctx, Device{Tenant: d.tenant, Hash: hashOf("device", o.Device), User: u.ID, Used: d.micros()}, MaxDevices); err != nil {
		return Opened{}, err
	}
	if err := d.Note(ctx, u.Name, "session.open", u.ID.String(), "", peer); err != nil {
		return Opened{}, err
	}
	now := d.now()
	o.Session = Session{Hash: hashOf("session", o.Token), Tenant: u.Tenant, User: u.ID, Name: u.Name, created: now, used: now}
	d.mu.Lock()
	defer d.mu.Unlock()
	var eldest *Session
	for h, s := range d.sessions {
		if s.over(now) {
			delete(d.sessions, h)
		} else if eldest == nil || s.used.Before(eldest.used) {
			eldest = s
		}
	}
	if len(d.sessions) >= maxSessions {
		delete(d.sessions, eldest.Hash)
	}
	kept := o.Session
	d.sessions[kept.Hash] = &kept
	return o, nil
}

// Session finds the session of a token, and counts as a use of it: ErrNoneOpen when there is none, or it is too old
// or idle too long.
func (d *Desk) Session(secret string) (Session, error) {
	if secret == "" || len(secret) > 64 {
		return Session{}, ErrNoneOpen
	}
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.sessions[hashOf("session", secret)]
	if !ok {
		return Session{}, ErrNoneOpen
	}
	if s.over(now) {
		delete(d.sessions, s.Hash)
		return Session{}, ErrNoneOpen
	}
	s.used = now
	return *s, nil
}

// Alive says whether a session still stands, without counting as a use of it: open streams ask.
func (d *Desk) Alive(s Session) bool {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	kept, ok := d.sessions[s.Hash]
	return ok && !kept.over(now)
}

// Close ends a session; a token that names none is no error.
func (d *Desk) Close(ctx context.Context, secret, peer string) error {
	s, err := d.Session(secret)
	if err != nil {
		return nil //nolint:nilerr // it is over already
	}
	d.mu.Lock()
	delete(d.sessions, s.Hash)
	d.mu.Unlock()
	return d.Note(ctx, s.Name, "session.close", s.User.String(), "", peer)
}

func (d *Desk) endSessions() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.sessions)
}
