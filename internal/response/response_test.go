package response_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/response"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// shelf is a store in memory; package controldb's tests hold the real one to the same words.
type shelf struct {
	mu       sync.Mutex // the relay's Run saves while a test reads
	commands map[string]response.Stored
	actions  map[string]response.Action
	lists    []response.List
	slow     func(response.Action) // called before an action is written
}

func (s *shelf) AddCommand(_ context.Context, c response.Stored, actions []response.Action) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.commands[c.Nonce]; known {
		return response.ErrDuplicate
	}
	s.commands[c.Nonce] = c
	for _, a := range actions {
		s.actions[a.ID] = a
	}
	return nil
}

func (s *shelf) SaveAction(_ context.Context, a response.Action) error {
	if s.slow != nil {
		s.slow(a)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.actions[a.ID] = a
	return nil
}

func (s *shelf) OpenActions(context.Context) (out []response.Action, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.actions {
		if a.State == response.Queued || a.State == response.Delivered || a.State == response.Running {
			out = append(out, a)
		}
	}
	return out, nil
}

func (s *shelf) OpenCommands(context.Context) (out []response.Stored, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.commands {
		out = append(out, c)
	}
	return out, nil
}

func (s *shelf) Actions(_ context.Context, _ tenant.ID, id string, _ int) (out []response.Action, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.actions[id]; ok {
		out = append(out, a)
	}
	return out, nil
}
func (s *shelf) Lasting(context.Context) ([]response.Action, error) { return nil, nil }
func (s *shelf) SaveList(_ context.Context, l response.List) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists = append(s.lists, l)
	return nil
}

func (s *shelf) Lists(context.Context) ([]response.List, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists[max(0, len(s.lists)-1):], nil
}

type hosts map[event.HostID]bool

func (h hosts) Active(_ tenant.ID, id event.HostID) bool { return h[id] }

// desk is a relay with one tenant, its authority and two hosts.
type desk struct {
	t         *testing.T
	shelf     *shelf
	relay     *response.Relay
	tenant    tenant.ID
	authority *command.Authority
	host      event.HostID
	key       *ecdsa.PrivateKey
	stop      func()
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, shelf: &shelf{commands: map[string]response.Stored{}, actions: map[string]response.Action{}}, tenant: tenant.ID(uuid.Must(uuid.NewV7())), host: event.HostID(uuid.Must(uuid.NewV7()))}
	var err error
	if d.authority, err = command.CreateAuthority(filepath.Join(t.TempDir(), "authority"), d.tenant, "ops", time.Now()); err != nil {
		t.Fatal(err)
	}
	if d.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	d.start()
	return d
}

func (d *desk) start() {
	var err error
	if d.relay, err = response.New(d.t.Context(), response.Options{Store: d.shelf, Hosts: hosts{d.host: true}, Authorities: map[tenant.ID]ed25519.PublicKey{d.tenant: d.authority.Public()}}); err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(d.t.Context())
	done := make(chan error, 1)
	go func() { done <- d.relay.Run(ctx) }()
	d.stop = func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			d.t.Errorf("Run = %v", err)
		}
	}
}

func (d *desk) list() {
	list, _ := d.authority.List()
	if _, err := d.relay.SetOperatorList(d.t.Context(), d.tenant, list); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) sign(h event.HostID) (*command.Command, command.Signed) {
	args := []byte(`{"process":"` + event.Key{7}.String() + `"}`)
	_, ops := d.authority.List()
	c, err := command.New(d.tenant, ops.Generation, ops.HostCap, command.Kill, args, time.Now(), 5*time.Minute, h)
	if err != nil {
		d.t.Fatal(err)
	}
	return c, command.Signed{Canonical: c.Canonical(), Arguments: args, Signatures: []command.Signature{command.Sign(c.Canonical(), d.authority.Operator())}}
}

func (d *desk) submit() (*command.Command, string) {
	c, signed := d.sign(d.host)
	actions, err := d.relay.Submit(d.t.Context(), d.tenant, response.Submission{Signed: signed, Actor: "ops"})
	if err != nil {
		d.t.Fatal(err)
	}
	return c, actions[0].ID
}

func (d *desk) say(c *command.Command, state command.State) error {
	o := command.Outcome{Nonce: c.Nonce[:], State: state, Time: time.Now()}
	sig, err := command.SignOutcome(&o, d.key)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.relay.Outcome(d.t.Context(), d.host, d.key.Public(), o, sig)
}

func (d *desk) state(id string) response.State {
	d.shelf.mu.Lock()
	defer d.shelf.mu.Unlock()
	return d.shelf.actions[id].State
}

func TestCommandThatNobodyTakesExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		defer func() { d.stop() }()
		d.list()
		_, id := d.submit()
		d.stop()
		d.start() // a restart forgets nothing
		if n := len(d.relay.Pending(d.host)); n != 1 {
			t.Errorf("%d commands wait after a restart; want 1", n)
		}
		time.Sleep(5*time.Minute + 2*time.Second)
		if d.state(id) != response.Expired || len(d.relay.Pending(d.host)) != 0 {
			t.Errorf("state %s, %d pending; want expired, 0", d.state(id), len(d.relay.Pending(d.host)))
		}
	})
}

func TestCommandThatWasSentAndNeverAnsweredIsUnknownUntilTheSensorSpeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		defer func() { d.stop() }()
		d.list()
		c, id := d.submit()
		d.relay.Sent(t.Context(), d.host, c.Nonce.String())
		if d.state(id) != response.Delivered || len(d.relay.Pending(d.host)) != 1 {
			t.Errorf("sent: %s; a new stream must get it again", d.state(id))
		}
		time.Sleep(7 * time.Minute)
		if d.state(id) != response.Unanswered {
			t.Errorf("state %s; want unknown", d.state(id))
		}
		if err := d.say(c, command.Done); err != nil || d.state(id) != response.Done {
			t.Errorf("late word: %v, %s; want done", err, d.state(id))
		}
		if err := d.say(c, command.Failed); err != nil || d.state(id) != response.Done {
			t.Errorf("second last word: %v, %s; want done to stand", err, d.state(id))
		}
	})
}

func TestWhatIsNotTheTenantsIsNotRelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		defer func() { d.stop() }()
		ctx := t.Context()
		submit := func(s command.Signed) error {
			_, err := d.relay.Submit(ctx, d.tenant, response.Submission{Signed: s})
			return err
		}
		_, signed := d.sign(d.host)
		if err := submit(signed); !errors.Is(err, command.UnknownKey) {
			t.Errorf("without an operator list: %v", err)
		}
		d.list()
		unsigned := signed
		unsigned.Signatures = nil
		if err := submit(unsigned); !errors.Is(err, command.Unsigned) {
			t.Errorf("unsigned: %v", err)
		}
		_, elsewhere := d.sign(event.HostID(uuid.Must(uuid.NewV7())))
		if err := submit(elsewhere); !errors.Is(err, response.ErrNoHost) {
			t.Errorf("unknown host: %v", err)
		}
		if _, err := d.relay.Submit(ctx, tenant.ID(uuid.Must(uuid.NewV7())), response.Submission{Signed: signed}); err == nil {
			t.Error("another tenant's desk took it")
		}
		time.Sleep(6 * time.Minute)
		if err := submit(signed); !errors.Is(err, command.Expired) {
			t.Errorf("expired: %v", err)
		}
		if len(d.shelf.actions) != 0 {
			t.Errorf("%d actions were kept", len(d.shelf.actions))
		}
		other, err := command.CreateAuthority(filepath.Join(t.TempDir(), "other"), d.tenant, "thief", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		foreign, _ := other.List()
		if _, err := d.relay.SetOperatorList(ctx, d.tenant, foreign); err == nil {
			t.Error("a list of another authority was taken")
		}
		old, _ := d.authority.List()
		if _, err := d.relay.SetOperatorList(ctx, d.tenant, old); err != nil {
			t.Errorf("the list that is held already: %v; want no error, the CLI sends it before each command", err)
		}
		if err := d.authority.Renew(time.Now(), nil); err != nil {
			t.Fatal(err)
		}
		d.list()
		if got, _ := d.authority.List(); string(d.relay.OperatorList(d.tenant)) != string(got) {
			t.Error("the newer list is not relayed")
		}
		if _, err := d.relay.SetOperatorList(ctx, d.tenant, old); !errors.Is(err, command.OldList) {
			t.Errorf("an older generation: %v", err)
		}
	})
}

func TestOutcomeOfACommandThatNeverPassedHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		defer func() { d.stop() }()
		d.list()
		c, _ := d.sign(d.host)
		var foreign *response.Foreign
		if err := d.say(c, command.Refused); !errors.As(err, &foreign) {
			t.Errorf("refused, unknown here: %v", err)
		}
		c, id := d.submit()
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		o := command.Outcome{Nonce: c.Nonce[:], State: command.Done, Time: time.Now()}
		sig, err := command.SignOutcome(&o, other)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.relay.Outcome(t.Context(), d.host, d.key.Public(), o, sig); !errors.Is(err, command.Altered) || d.state(id) != response.Queued {
			t.Errorf("signed by another key: %v, state %s", err, d.state(id))
		}
	})
}

// A host answers within a millisecond. The note that the order was sent was still on its way to the table then, came to
// lie over the answer, and `yagura respond` waited for a word that had been said.
func TestAnAnswerIsNotOverwrittenByTheNoteThatItsOrderWasSent(t *testing.T) {
	d := newDesk(t)
	defer d.stop()
	d.list()
	c, id := d.submit()
	writing := make(chan struct{})
	d.shelf.slow = func(a response.Action) {
		if a.State == response.Delivered {
			close(writing)
			time.Sleep(200 * time.Millisecond)
		}
	}
	var sent sync.WaitGroup
	sent.Go(func() { d.relay.Sent(t.Context(), d.host, c.Nonce.String()) })
	<-writing
	if err := d.say(c, command.Done); err != nil {
		t.Fatal(err)
	}
	sent.Wait()
	if s := d.state(id); s != response.Done {
		t.Errorf("the order is %q; the host had said that it is done", s)
	}
}
