// Package access knows who may use the server: users with password and one-time code, the link that makes
// the first one, the browsers that signed in before, sessions, the slowing of guesses, and the audit of all of
// it. It does not know HTTP or pages (console does that); what outlives the server controldb keeps, as Store.
// The console and cmd/yagura call it.
//
// A session lasts 8 hours at most, ends after 60 minutes without a call, and lives in memory: it ends with the
// server, because whoever takes the port of a stopped server is told the token by every open page (ADR 0024).
package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Lifetimes and bounds.
const (
	LinkLife     = 24 * time.Hour
	SessionLife  = 8 * time.Hour
	SessionIdle  = 60 * time.Minute
	DeviceLife   = 90 * 24 * time.Hour // since its last sign-in
	MaxDevices   = 32                  // browsers of one user that are known; the longest unused one is forgotten
	GuessLimit   = 5                   // wrong guesses at once
	GuessEvery   = 3 * time.Minute     // how soon one more comes back
	MaxName      = 64
	MinPassword  = 12
	MaxPassword  = 256
	maxSessions  = 1000 // full: the longest unused one ends
	maxAuditText = 512
)

// Errors a caller branches on. None says which part of a sign-in was wrong.
var (
	ErrRefused  = errors.New("name, password or code is wrong")
	ErrLink     = errors.New("this sign-in link is used, expired or unknown: `yagura sign-in` makes a new one")
	ErrSetUp    = errors.New("set-up is done: sign in with name, password and code")
	ErrTwoCodes = errors.New("many wrong attempts were made for this name: a browser that never signed in gives two codes in a row, this one and the next")
	ErrNoneOpen = errors.New("no session: sign in")
	ErrNotFound = errors.New("not found")
)

// TooManyError says that passwords are refused until a moment. Only who has the user's codes gets this far.
type TooManyError struct{ Until time.Time }

func (e *TooManyError) Error() string {
	return "too many wrong passwords: wait until " + e.Until.UTC().Format("15:04:05") + " UTC, or run `yagura sign-in` on the server"
}

// InputError says what a person typed that cannot be taken.
type InputError struct{ Field, Reason string }

func (e *InputError) Error() string {
	named := map[string]string{"name": "the name", "password": "the password", "totp_code": "the code", "totp_secret": "the secret"}
	return named[e.Field] + " " + e.Reason
}

// UserID is the UUIDv7 of a user.
type UserID uuid.UUID

// String gives the text form "u-…".
func (id UserID) String() string { return "u-" + uuid.UUID(id).String() }

// User is a person who may sign in.
type User struct {
	ID         UserID
	Tenant     tenant.ID
	Name       string
	Password   string // argon2id, encoded with its parameters
	TOTPSealed []byte // the TOTP secret under the server's key
	Created    int64  // µs UTC
}

// Hash is the SHA-256 of a secret; only hashes of links, devices and session tokens are kept.
type Hash [sha256.Size]byte

// Short names a session in the audit without giving it away.
func (h Hash) Short() string { return "session " + hex.EncodeToString(h[:4]) }

// Link is a one-time sign-in link as it is kept.
type Link struct {
	Tenant  tenant.ID
	Hash    Hash
	Expires int64 // µs UTC
	Used    bool
	Reset   bool // a user exists: who holds it signs in before strangers do, or replaces password and code that were lost
}

// Device is a browser that signed in, known by a secret that its origin keeps.
type Device struct {
	Tenant tenant.ID
	Hash   Hash
	User   UserID
	Used   int64 // µs UTC, last sign-in
}

// Entry is a row of the audit: who did what to what, from where.
type Entry struct {
	Tenant tenant.ID
	Time   int64 // µs UTC
	Actor  string
	Verb   string
	Target string
	Detail string
	Peer   string
}

// Desk answers for the users of one tenant. Its methods may be called from many goroutines.
type Desk struct {
	tenant tenant.ID
	store  Store
	key    Key
	now    func() time.Time
	decoy  string // TOTP secret compared when the name is unknown, so that both take the same time

	work      chan struct{} // two places: argon2id takes 64 MiB each; more callers wait
	strangers chan struct{} // one place: of the two, a browser that is not known gets one at most

	mu       sync.Mutex // guards sessions, slow, refused
	sessions map[Hash]*Session
	slow     slowness
	refused  refusals
}

// New makes the desk of a tenant; key seals the TOTP secrets, now tells the time (time.Now in the product).
func New(t tenant.ID, store Store, key Key, now func() time.Time) (*Desk, error) {
	decoy, err := newSecret()
	if err != nil {
		return nil, err
	}
	return &Desk{
		tenant: t, store: store, key: key, now: now, decoy: decoy, work: make(chan struct{}, 2), strangers: make(chan struct{}, 1),
		sessions: map[Hash]*Session{}, slow: newSlowness(),
	}, nil
}

// Tenant gives the desk's tenant.
func (d *Desk) Tenant() tenant.ID { return d.tenant }

func (d *Desk) micros() int64 { return d.now().UnixMicro() }

// token draws 256 random bits.
func token() (string, error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("draw a token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

func hashOf(purpose, secret string) Hash {
	return sha256.Sum256([]byte("yagura-" + purpose + "-v1\n" + secret))
}

// Note writes a row of the audit.
func (d *Desk) Note(ctx context.Context, actor, verb, target, detail, peer string) error {
	e := Entry{Tenant: d.tenant, Time: d.micros(), Actor: event.Cut(actor, maxAuditText), Verb: event.Cut(verb, maxAuditText), Target: event.Cut(target, maxAuditText), Detail: event.Cut(detail, maxAuditText), Peer: event.Cut(peer, maxAuditText)}
	if err := d.store.AppendAudit(ctx, e); err != nil {
		return fmt.Errorf("write audit %s: %w", verb, err)
	}
	return nil
}
