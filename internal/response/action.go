package response

import (
	"context"
	"crypto"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Submission is a signed command with who brought it and why.
type Submission struct {
	Signed   command.Signed
	Actor    string
	Reason   string
	Incident string
}

// Submit checks a command as a sensor would and queues it for each host it names.
func (r *Relay) Submit(ctx context.Context, t tenant.ID, s Submission) ([]Action, error) {
	at := time.Now()
	r.mu.Lock()
	chain := r.chains[t]
	if chain == nil {
		r.mu.Unlock()
		return nil, fmt.Errorf("tenant %s has no authority here: name its public key at the start of the server", t)
	}
	held := *chain
	full := len(r.open) >= maxOpen
	r.mu.Unlock()
	if full {
		return nil, ErrFull
	}
	cmd, err := held.Check(at, s.Signed)
	if err != nil {
		return nil, err
	}
	for _, h := range cmd.Hosts {
		if !r.o.Hosts.Active(t, h) {
			return nil, fmt.Errorf("%w (%s): see `yagura hosts`", ErrNoHost, h)
		}
	}
	keys := make([]string, len(s.Signed.Signatures))
	for i, sig := range s.Signed.Signatures {
		keys[i] = sig.KeyID
	}
	actions := make([]Action, len(cmd.Hosts))
	for i, h := range cmd.Hosts {
		actions[i] = Action{
			Tenant: t, ID: "a-" + uuid.Must(uuid.NewV7()).String(), Host: h, Nonce: cmd.Nonce.String(), Verb: cmd.Verb, Class: cmd.Class.String(),
			Target: target(cmd.Verb, s.Signed.Arguments), State: Queued, Actor: s.Actor, KeyID: strings.Join(keys, " "), Reason: s.Reason, Incident: s.Incident,
			Created: at.UnixMicro(), Updated: at.UnixMicro(), Expiry: cmd.Expiry.UnixMicro(),
		}
	}
	stored := Stored{Tenant: t, Nonce: cmd.Nonce.String(), Signed: s.Signed}
	if err := r.o.Store.AddCommand(ctx, stored, actions); err != nil {
		return nil, fmt.Errorf("keep command %s: %w", cmd.Nonce, err)
	}
	r.mu.Lock()
	r.commands[stored.Nonce] = stored
	for _, a := range actions {
		r.open[openKey{a.Host, a.Nonce}] = a
		wake(r.waiting[a.Host])
	}
	r.mu.Unlock()
	r.o.Log.InfoContext(ctx, "command queued", slog.Any("tenant", t), slog.String("verb", string(cmd.Verb)), slog.Int("hosts", len(actions)))
	r.changed(t)
	return actions, nil
}

func target(v command.Verb, arguments []byte) string {
	var a command.KillArguments
	if v == command.Kill || v == command.Suspend || v == command.Resume {
		if command.DecodeArguments(arguments, &a) == nil {
			return a.Process
		}
	}
	return ""
}

// Delivery is a command on its way to one host.
type Delivery struct {
	Nonce  string
	Signed command.Signed
}

// Listen gives a channel that says when there may be something for a host. stop must be called.
func (r *Relay) Listen(h event.HostID) (news <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting[h] == nil {
		r.waiting[h] = map[chan struct{}]bool{}
	}
	r.waiting[h][ch] = true
	return ch, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.waiting[h], ch)
		if len(r.waiting[h]) == 0 {
			delete(r.waiting, h)
		}
	}
}

// Pending gives the commands that a host has not answered and that are still valid, oldest first. A new
// connection gets them again: a sensor acts on each once.
func (r *Relay) Pending(h event.HostID) []Delivery {
	at := now()
	r.mu.Lock()
	defer r.mu.Unlock()
	var open []Action
	for k, a := range r.open {
		if k.host == h && a.Expiry > at && rank[a.State] <= rank[Delivered] {
			open = append(open, a)
		}
	}
	slices.SortFunc(open, func(a, b Action) int { return strings.Compare(a.ID, b.ID) })
	var out []Delivery
	for _, a := range open {
		out = append(out, Delivery{a.Nonce, r.commands[a.Nonce].Signed})
	}
	return out
}

// Sent notes that a command went out on the host's stream.
func (r *Relay) Sent(ctx context.Context, h event.HostID, nonce string) {
	r.mu.Lock()
	a, ok := r.open[openKey{h, nonce}]
	if ok = ok && a.State == Queued; ok {
		a.State, a.Updated = Delivered, now()
		r.open[openKey{h, nonce}] = a
	}
	r.mu.Unlock()
	if ok {
		r.save(ctx, openKey{h, nonce})
	}
}

// Foreign is an outcome for a command that this server never relayed to that host.
type Foreign struct {
	Nonce  string
	State  command.State
	Detail string
}

// Error says what it means.
func (f *Foreign) Error() string {
	return fmt.Sprintf("the sensor %s command %s, which this server never relayed to it: %s", f.State, f.Nonce, f.Detail)
}

// Bounds of an outcome.
const (
	maxDetail = 2000
	maxProof  = 64 << 10
)

// Outcome takes a sensor's word on a command. key is the public key of the certificate that the
// connection proved. A word whose signature does not fit changes nothing.
func (r *Relay) Outcome(ctx context.Context, h event.HostID, key crypto.PublicKey, o command.Outcome, signature []byte) error {
	if len(o.Nonce) > 64 || len(o.Detail) > maxDetail || len(o.Proof) > maxProof {
		return fmt.Errorf("an outcome of %d bytes detail and %d bytes proof is over the limit: %w", len(o.Detail), len(o.Proof), command.Malformed)
	}
	state := State(o.State)
	if _, known := rank[state]; !known || state == Queued || state == Expired {
		return fmt.Errorf("outcome state %q does not exist: %w", o.State, command.Malformed)
	}
	if err := command.VerifyOutcome(&o, signature, key); err != nil {
		return err
	}
	k := openKey{h, hex.EncodeToString(o.Nonce)}
	known, news := r.take(k, state, o)
	if !known {
		return &Foreign{k.nonce, o.State, event.Text(o.Detail)}
	}
	if news {
		r.save(ctx, k)
	}
	return nil
}

// take puts a sensor's word into its action; news is false when it was told before, or is told late.
func (r *Relay) take(k openKey, state State, o command.Outcome) (known, news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.open[k]
	if !ok || rank[state] < rank[a.State] || rank[a.State] == rank[Done] {
		return ok, false
	}
	a.State, a.Detail, a.Proof, a.ProofSigned, a.Updated = state, event.Text(o.Detail), event.Text(string(o.Proof)), true, now()
	if state == Done {
		if lasts := r.commands[a.Nonce].Signed.Effect(a.Verb); lasts > 0 {
			a.Until = a.Updated + lasts.Microseconds()
		}
		r.remember(a)
	}
	r.open[k] = a
	return true, true
}

// save writes an action as it is now. Two words on one order come on two connections within a millisecond; each save
// writes the newest, so that "delivered" never comes to lie over "done" in the table. What fails is tried again by Run,
// since memory and table differ then.
func (r *Relay) save(ctx context.Context, k openKey) {
	r.saving.Lock()
	defer r.saving.Unlock()
	r.mu.Lock()
	a, ok := r.open[k]
	r.mu.Unlock()
	if !ok {
		return
	}
	if err := r.o.Store.SaveAction(context.WithoutCancel(ctx), a); err != nil {
		r.o.Log.ErrorContext(ctx, "action not written, trying again", slog.Any("host", a.Host), slog.Any("err", err))
		r.mu.Lock()
		r.unsaved[k] = true
		r.mu.Unlock()
	}
	r.changed(a.Tenant)
}

func (r *Relay) changed(t tenant.ID) {
	if r.o.OnChange != nil {
		r.o.OnChange(t, "actions")
		r.o.OnChange(t, "hosts")
	}
}

// Run ends commands whose time is over, until ctx ends.
func (r *Relay) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			r.expire(ctx)
		}
	}
}

// forget is how long an answered action stays in memory, so that a repeated outcome is known.
const forget = time.Hour

func (r *Relay) expire(ctx context.Context) {
	at := now()
	var changed []openKey
	r.mu.Lock()
	needed := map[string]bool{}
	for k, a := range r.open {
		switch {
		case a.State == Queued && a.Expiry < at:
			a.State, a.Detail = Expired, "no connection of the host took it before it expired"
		case (a.State == Delivered || a.State == Running) && a.Expiry+late.Microseconds() < at && at-a.Updated > late.Microseconds():
			a.State, a.Detail = Unanswered, "it was sent and the sensor never said how it ended; it is not run again"
		case rank[a.State] >= rank[Expired] && !r.unsaved[k] && at-a.Updated > forget.Microseconds():
			delete(r.open, k)
			continue
		default:
			needed[a.Nonce] = true
			if r.unsaved[k] {
				delete(r.unsaved, k)
				changed = append(changed, k)
			}
			continue
		}
		a.Updated = at
		r.open[k] = a
		needed[a.Nonce] = true
		changed = append(changed, k)
	}
	for nonce := range r.commands {
		if !needed[nonce] {
			delete(r.commands, nonce)
		}
	}
	r.mu.Unlock()
	for _, k := range changed {
		r.save(ctx, k)
	}
}

// Actions lists a tenant's actions, newest first, or the one with an id.
func (r *Relay) Actions(ctx context.Context, t tenant.ID, id string, limit int) ([]Action, error) {
	out, err := r.o.Store.Actions(ctx, t, id, limit)
	if err != nil {
		return nil, fmt.Errorf("read actions: %w", err)
	}
	return out, nil
}

// remember keeps the newest act of a host whose effect lasts. The lock is held, or nobody else is there yet.
func (r *Relay) remember(a Action) {
	switch a.Verb {
	case command.Isolate, command.Release:
		r.lasting[a.Host] = a
	case command.Maintenance:
		r.maintenance[a.Host] = a
	default:
	}
}

// Maintenance gives until when a host's sensor may be stopped, and who signed that; 0 when it may not. The host has
// confirmed the order with its own signature.
func (r *Relay) Maintenance(t tenant.ID, h event.HostID) (until int64, by string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, ok := r.maintenance[h]; ok && a.Tenant == t && a.Until > now() {
		return a.Until, a.Actor
	}
	return 0, ""
}
