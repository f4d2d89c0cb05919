// Package response relays what operators signed to the hosts they named, and keeps what became of it.
// It makes no command and holds no key: a command that the tenant's operators did not sign is refused
// here, and would be refused by the sensor again. The console and the CLI submit, package ingest carries
// commands and outcomes, and the sensor alone decides whether it obeys.
package response

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// State is how far an action came.
type State string

// The states. Queued and Expired are the server's; the others are the sensor's words, except that a
// command which was sent and never answered becomes Unknown here.
const (
	Queued     State = "queued"
	Delivered  State = "delivered"
	Running    State = "running"
	Done       State = "done"
	Failed     State = "failed"
	Refused    State = "refused"
	Unanswered State = "unknown"
	Expired    State = "expired"
)

// rank orders states: an action only moves on, and what the sensor says last stands.
var rank = map[State]int{Queued: 0, Delivered: 1, Running: 2, Expired: 3, Unanswered: 3, Done: 4, Failed: 4, Refused: 4}

// Errors that callers branch on.
var (
	ErrDuplicate = errors.New("this command was submitted before: sign a new one")
	ErrNoHost    = errors.New("no such host in this tenant")
	ErrFull      = errors.New("too many commands are waiting: wait until some are answered or expired")
)

// maxOpen bounds the actions of a tenant that wait for an answer. Beyond it Submit refuses.
const maxOpen = 10000

// late is how long after its expiry a command that was sent may still be answered before it is called
// unknown. Acts that began in time take a moment.
const late = time.Minute

// Action is one command on one host. Times are µs UTC.
type Action struct {
	Tenant      tenant.ID
	ID          string // a-…
	Host        event.HostID
	Nonce       string // hex
	Verb        command.Verb
	Class       string
	Target      string // process p-… where the verb has one
	State       State
	Actor       string // who submitted it
	KeyID       string // whose signature it carries, joined by one space
	Reason      string
	Incident    string
	Detail      string // the sensor's sentence, through event.Text
	Proof       string // JSON of the sensor
	ProofSigned bool   // the last word carries the signature of the host's certificate key
	Created     int64
	Updated     int64
	Expiry      int64 // of the command
	Until       int64 // end of a lasting effect by itself; 0 when none
}

// Inverse gives the verb that undoes the action; empty when nothing does or it did not happen.
func (a Action) Inverse() command.Verb {
	if a.State != Done {
		return ""
	}
	return a.Verb.Inverse()
}

// Stored is a command as it is relayed.
type Stored struct {
	Tenant tenant.ID
	Nonce  string
	Signed command.Signed
}

// List is an operator list as the authority signed it.
type List struct {
	Tenant     tenant.ID
	Generation uint64
	Bytes      []byte
}

// Store keeps commands, actions and operator lists. Package controldb implements it.
type Store interface {
	// AddCommand keeps a command with its actions in one transaction; ErrDuplicate when its nonce is known.
	AddCommand(ctx context.Context, s Stored, actions []Action) error
	SaveAction(ctx context.Context, a Action) error
	// OpenActions gives the actions that wait, and OpenCommands what they wait for.
	OpenActions(ctx context.Context) ([]Action, error)
	OpenCommands(ctx context.Context) ([]Stored, error)
	// Actions lists newest first; id "" means all.
	Actions(ctx context.Context, t tenant.ID, id string, limit int) ([]Action, error)
	// Lasting gives of each host the newest done isolate or release, and the newest done maintenance.
	Lasting(ctx context.Context) ([]Action, error)
	SaveList(ctx context.Context, l List) error
	Lists(ctx context.Context) ([]List, error)
}

// Hosts says which hosts may be named.
type Hosts interface {
	Active(t tenant.ID, h event.HostID) bool
}

// Options of New. OnChange may be nil.
type Options struct {
	Store       Store
	Hosts       Hosts
	Authorities map[tenant.ID]ed25519.PublicKey // pinned; the private parts are nowhere near
	OnChange    func(t tenant.ID, what string)  // actions, hosts
	Log         *slog.Logger
}

// Relay is safe for use by many goroutines.
type Relay struct {
	o Options

	saving sync.Mutex // held while an action is written: the newest is written last

	mu          sync.Mutex // guards all below; never held across I/O
	chains      map[tenant.ID]*command.Chain
	lists       map[tenant.ID][]byte
	commands    map[string]Stored  // by nonce, those with open actions
	open        map[openKey]Action // that wait for a last word
	unsaved     map[openKey]bool   // in memory and not in the table
	lasting     map[event.HostID]Action
	maintenance map[event.HostID]Action
	isolations  map[event.HostID]isolation              // what the last heartbeat of each said
	waiting     map[event.HostID]map[chan struct{}]bool // streams that want to know of news
}

type openKey struct {
	host  event.HostID
	nonce string
}

// New reads what was open when the server last stopped.
func New(ctx context.Context, o Options) (*Relay, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Relay{o: o, chains: map[tenant.ID]*command.Chain{}, lists: map[tenant.ID][]byte{}, commands: map[string]Stored{}, open: map[openKey]Action{}, unsaved: map[openKey]bool{}, lasting: map[event.HostID]Action{}, maintenance: map[event.HostID]Action{}, isolations: map[event.HostID]isolation{}, waiting: map[event.HostID]map[chan struct{}]bool{}}
	for t, key := range o.Authorities {
		r.chains[t] = &command.Chain{Tenant: t, Authority: key}
	}
	lists, err := o.Store.Lists(ctx)
	if err != nil {
		return nil, fmt.Errorf("read operator lists: %w", err)
	}
	for _, l := range lists {
		chain := r.chains[l.Tenant]
		if chain == nil {
			continue
		}
		if err := chain.Adopt(l.Bytes); err != nil {
			o.Log.ErrorContext(ctx, "kept operator list refused: send it again with yagura authority renew", slog.Any("tenant", l.Tenant), slog.Any("err", err))
			continue
		}
		r.lists[l.Tenant] = l.Bytes
	}
	actions, err := o.Store.OpenActions(ctx)
	if err != nil {
		return nil, fmt.Errorf("read open actions: %w", err)
	}
	for _, a := range actions {
		r.open[openKey{a.Host, a.Nonce}] = a
	}
	commands, err := o.Store.OpenCommands(ctx)
	if err != nil {
		return nil, fmt.Errorf("read open commands: %w", err)
	}
	for _, s := range commands {
		r.commands[s.Nonce] = s
	}
	lasting, err := o.Store.Lasting(ctx)
	if err != nil {
		return nil, fmt.Errorf("read lasting actions: %w", err)
	}
	for _, a := range lasting {
		r.remember(a)
	}
	return r, nil
}

// SetOperatorList relays the authority's newest list. The signature must be the pinned authority's and
// the generation must grow.
func (r *Relay) SetOperatorList(ctx context.Context, t tenant.ID, list []byte) (generation uint64, err error) {
	r.mu.Lock()
	chain := r.chains[t]
	if chain == nil {
		r.mu.Unlock()
		return 0, fmt.Errorf("tenant %s has no authority here: name its public key at the start of the server", t)
	}
	if chain.List != nil && bytes.Equal(list, r.lists[t]) { // the CLI sends its list before each command
		defer r.mu.Unlock()
		return chain.List.Generation, nil
	}
	next := command.Chain{Tenant: chain.Tenant, Authority: chain.Authority, List: chain.List}
	if err = next.Adopt(list); err == nil && chain.List != nil && next.List.Generation <= chain.List.Generation {
		err = fmt.Errorf("the operator list has generation %d, %d is already known: sign a newer one with `yagura authority renew`: %w", next.List.Generation, chain.List.Generation, command.OldList)
	}
	r.mu.Unlock()
	if err != nil {
		return 0, err
	}
	generation = next.List.Generation
	if err := r.o.Store.SaveList(ctx, List{t, generation, list}); err != nil {
		return 0, fmt.Errorf("keep operator list: %w", err)
	}
	r.mu.Lock()
	if chain.List == nil || chain.List.Generation < generation {
		chain.List = next.List
		r.lists[t] = list
	}
	for _, streams := range r.waiting {
		wake(streams)
	}
	r.mu.Unlock()
	return generation, nil
}

// OperatorList gives the newest list of a tenant, empty when there is none yet.
func (r *Relay) OperatorList(t tenant.ID) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lists[t]
}

// Operators gives what the newest list of a tenant says, nil when there is none yet.
func (r *Relay) Operators(t tenant.ID) *command.Operators {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.chains[t]; c != nil {
		return c.List
	}
	return nil
}

// Authority gives the pinned public key of a tenant's authority.
func (r *Relay) Authority(t tenant.ID) ed25519.PublicKey { return r.o.Authorities[t] }

func wake(streams map[chan struct{}]bool) {
	for ch := range streams {
		select {
		case ch <- struct{}{}:
		default: // full: it will look anyway
		}
	}
}

func now() int64 { return time.Now().UnixMicro() }
