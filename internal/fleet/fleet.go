// Package fleet knows which hosts belong to which tenant and how they prove it: the installation's
// certificate authority with one intermediate for each tenant, enrolment tokens, leaf certificates with
// renewal and revocation, and the list of hosts with what each said of itself. It judges nobody's health
// (package coverage does) and signs no commands (nothing on the server does). Package ingest calls it
// for every call of a sensor; the console lists, revokes and makes tokens through it.
package fleet

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Life of certificates (architecture.md §4).
const (
	leafLife   = 7 * 24 * time.Hour
	backdate   = 48 * time.Hour
	renewGrace = 180 * 24 * time.Hour
)

// Errors that callers branch on. The text is what the other side reads.
var (
	ErrNoCertificate = errors.New("no client certificate: enrol this host with a token made by `yagura enroll token`")
	ErrForeign       = errors.New("the certificate is not from this installation's authority: enrol this host here with a token made by `yagura enroll token`")
	ErrExpired       = errors.New("the certificate has expired: only Renew takes it, for 180 days")
	ErrEarly         = errors.New("set the server's clock; nothing is to be done on the host")
	ErrRevoked       = errors.New("the host was revoked: retire the sensor or enrol the host again with a new token")
	ErrToken         = errors.New("this server does not know the enrolment token: it is of another server, or was made long ago; make a new one with `yagura enroll token`")
	ErrTokenExpired  = errors.New("the enrolment token is expired: make a new one with `yagura enroll token`")
	ErrTokenUsed     = errors.New("the enrolment token is used up: make a new one with `yagura enroll token`, for several hosts with --uses")
	ErrRequest       = errors.New("the certificate request is not acceptable")
	ErrUnknownHost   = errors.New("no such host in this tenant")
)

// Host is one enrolled machine. Times are µs UTC, 0 for never.
type Host struct {
	Tenant      tenant.ID
	ID          event.HostID
	Name        string // as the host says, through event.Text
	OS          string
	Kernel      string
	Version     string // of the sensor
	Machine     string // hex SHA-256 of the machine id
	Enrolled    int64
	LastSeen    int64
	Revoked     int64
	Boot        string // hex boot id of the last Hello
	ClockSkew   int64  // µs, host minus server, at the last exchange
	SpoolEvents uint64
	SpoolBytes  uint64
	Addresses   []string
	Recording   bool  // events of the past, fed by an operator: nobody is there to be watched
	Twice       int64 // when two machines were last seen to use its identity; 0: they were not, or no longer do
}

// Token is an enrolment token as it may be shown: the secret is not in it.
type Token struct {
	Tenant    tenant.ID
	ID        string
	Hash      string // hex SHA-256 of the secret
	Created   int64
	Expires   int64
	UsesLeft  int
	CreatedBy string
	Recording bool // the host that it takes in is a recording
}

// Boot ties the monotonic clock of one boot of one host to the server's clock.
type Boot struct {
	ID     string // hex of the boot id
	Offset int64  // µs: server time minus boot time, as of now
	Seen   int64  // µs UTC
	Bends  []Bend // how Offset came about, at most 64; none: it holds for the whole boot
}

// Bend is where the relation of a boot's clock to the server's changed. All µs. Boot times after From have
// the time boot + Offset, but not before At and what a slower run from there gives (docs/adr/0017).
type Bend struct {
	From   int64 `json:"from"`
	At     int64 `json:"at"`
	Offset int64 `json:"offset"`
}

// Options of a fleet.
type Options struct {
	Dir   string   // holds the keys; made with mode 0700
	Names []string // names and addresses of the sensor listener, besides localhost
	Store Store
	Log   *slog.Logger
	// Now gives the time that is believed beside the machine's clock; nil: that alone.
	Now func() time.Time
}

// Fleet is safe for use by many goroutines.
type Fleet struct {
	store Store
	log   *slog.Logger
	ca    *authority
	span  span

	mu       sync.Mutex // guards all below; never held across I/O
	hosts    map[event.HostID]*member
	tokens   map[string]*Token   // by hash of the secret
	verified map[[32]byte]proven // certificates checked before, by hash; cleared when full
}

type member struct {
	Host
	dirty bool
	cut   chan struct{} // closed when the host is revoked
}

// Open reads the fleet and its keys, making the keys when the folder has none.
func Open(ctx context.Context, o Options) (*Fleet, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	f := &Fleet{store: o.Store, log: o.Log, span: span{o.Now}, hosts: map[event.HostID]*member{}, tokens: map[string]*Token{}, verified: map[[32]byte]proven{}}
	hosts, err := o.Store.Hosts(ctx)
	if err != nil {
		return nil, fmt.Errorf("read hosts: %w", err)
	}
	if err := kept(o.Dir, hosts); err != nil {
		return nil, err
	}
	if f.ca, err = openAuthority(o.Dir, o.Names, f.span); err != nil {
		return nil, fmt.Errorf("open sensor authority %s: %w", o.Dir, err)
	}
	for _, h := range hosts {
		f.hosts[h.ID] = newMember(h)
	}
	tokens, err := o.Store.Tokens(ctx)
	if err != nil {
		return nil, fmt.Errorf("read enrolment tokens: %w", err)
	}
	for _, t := range tokens {
		f.tokens[t.Hash] = &t
	}
	return f, nil
}

// Over says whether the time of a certificate is over.
func (f *Fleet) Over(c *x509.Certificate) bool { return f.span.early().After(c.NotAfter) }

func newMember(h Host) *member {
	m := &member{Host: h, cut: make(chan struct{})}
	if h.Revoked != 0 {
		close(m.cut)
	}
	return m
}

// Run writes what hosts said of themselves every few seconds until ctx ends, and once more then. Losing
// the last seconds to a crash costs only a slightly older "last seen".
func (f *Fleet) Run(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			f.flush(last)
			return nil
		case <-tick.C:
			f.flush(ctx)
		}
	}
}

func (f *Fleet) flush(ctx context.Context) {
	f.mu.Lock()
	var dirty []Host
	for _, m := range f.hosts {
		if m.dirty {
			dirty = append(dirty, m.Host)
			m.dirty = false
		}
	}
	f.mu.Unlock()
	if len(dirty) == 0 {
		return
	}
	if err := f.store.SaveHosts(ctx, dirty); err != nil {
		f.log.WarnContext(ctx, "hosts not saved, trying again", slog.Int("hosts", len(dirty)), slog.Any("err", err))
		f.mu.Lock()
		for _, h := range dirty {
			f.hosts[h.ID].dirty = true
		}
		f.mu.Unlock()
	}
}

func now() int64 { return time.Now().UnixMicro() }
