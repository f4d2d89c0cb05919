package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/console"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/fleet"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/response"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// actionsBack hands signed commands to the relay and tells what became of them.
type actionsBack struct {
	relay *response.Relay
	fleet *fleet.Fleet
	store *eventstore.Store

	mu    sync.Mutex                // guards named
	named map[string]*event.Process // by target; what was acted on does not change any more
}

// Bounds of looking up what actions acted on, for one list.
const (
	nameTime = 2 * time.Second
	maxNamed = 4096
)

// process gives what is stored about the process that an action acted on; nil when that is nothing.
func (b *actionsBack) process(ctx context.Context, t tenant.ID, target string) *event.Process {
	ref, err := event.ParseRef(target)
	if err != nil {
		return nil
	}
	b.mu.Lock()
	p := b.named[target]
	b.mu.Unlock()
	if p != nil || ctx.Err() != nil {
		return p
	}
	a, err := b.store.Events(ctx, eventstore.Query{Tenant: t, Host: ref.Host, Process: ref.Key, Limit: 200})
	if err != nil {
		return nil // the key alone is shown
	}
	for _, e := range a.Events { // newest first: a process is what it ran last
		for _, x := range []*event.Process{&e.Event.Actor, &e.Event.Target} {
			if x.Key == ref.Key && x.Path != "" && (p == nil || p.CommandLine == "" && x.CommandLine != "") {
				p = x
			}
		}
	}
	if p == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.named == nil || len(b.named) >= maxNamed {
		b.named = map[string]*event.Process{}
	}
	b.named[target] = p
	return p
}

func (b *actionsBack) Submit(ctx context.Context, t tenant.ID, q *consolev1.SubmitCommandRequest, by string) (*consolev1.Action, error) {
	actions, err := b.relay.Submit(ctx, t, response.Submission{
		Signed: command.Signed{Canonical: q.Canonical, Arguments: q.Arguments, Signatures: []command.Signature{
			{KeyID: q.KeyId, Algorithm: command.Ed25519, Signature: q.Signature},
		}},
		Actor: by, Reason: q.Reason, Incident: q.IncidentId,
	})
	if err != nil {
		var refusal *command.Refusal
		switch {
		case errors.As(err, &refusal), errors.Is(err, response.ErrDuplicate):
			return nil, console.As(err, console.ErrRefused)
		case errors.Is(err, response.ErrNoHost):
			return nil, console.As(err, console.ErrNotFound)
		case errors.Is(err, response.ErrFull):
			return nil, console.As(err, console.ErrUnavailable)
		}
		return nil, err
	}
	return b.action(ctx, t, actions[0]), nil
}

func (b *actionsBack) Actions(ctx context.Context, t tenant.ID, limit int, id string) ([]*consolev1.Action, error) {
	actions, err := b.relay.Actions(ctx, t, id, limit)
	if err != nil {
		return nil, fmt.Errorf("list actions: %w", err)
	}
	var out []*consolev1.Action
	ctx, cancel := context.WithTimeout(ctx, nameTime)
	defer cancel()
	for _, a := range actions {
		out = append(out, b.action(ctx, t, a))
	}
	return out, nil
}

// notProven says whether a sensor's proof of an isolation, or of its end, says that it could not be shown to work.
func notProven(proof string) bool {
	var p struct {
		NotProven string `json:"not_proven"`
	}
	return json.Unmarshal([]byte(proof), &p) == nil && p.NotProven != ""
}

func (b *actionsBack) action(ctx context.Context, t tenant.ID, a response.Action) *consolev1.Action {
	host, _ := b.fleet.Host(t, a.Host)
	target := a.Target
	if target != "" { // a process is named as every verb takes it back
		target = a.Host.String() + "/" + target
	}
	m := &consolev1.Action{
		Id: a.ID, Verb: string(a.Verb), HostId: a.Host.String(), Hostname: host.Name, Target: target, Class: a.Class,
		State: string(a.State), Actor: a.Actor, KeyId: a.KeyID, Created: a.Created, Updated: a.Updated, Expiry: a.Expiry,
		Detail: a.Detail, Proof: a.Proof, ProofSigned: a.ProofSigned, Inverse: string(a.Inverse()), Reason: a.Reason,
		DetailSaid: inBoth(a.Detail), IncidentId: a.Incident,
		NotProven: a.State == response.Done && notProven(a.Proof),
	}
	if p := b.process(ctx, t, target); p != nil {
		m.TargetName, m.TargetPid, m.TargetCommandLine = event.Base(event.Linux, p.Path), p.PID, p.CommandLine
	}
	return m
}

func (b *actionsBack) SetOperatorList(ctx context.Context, t tenant.ID, list []byte, _ string) (uint64, error) {
	g, err := b.relay.SetOperatorList(ctx, t, list)
	if err != nil {
		if _, ok := errors.AsType[*command.Refusal](err); ok {
			return 0, console.As(err, console.ErrRefused)
		}
		return 0, err
	}
	return g, nil
}
