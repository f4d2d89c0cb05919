package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/console"
	"github.com/yagura-edr/yagura/internal/fleet"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/response"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// actionsBack hands signed commands to the relay and tells what became of them.
type actionsBack struct {
	relay *response.Relay
	fleet *fleet.Fleet
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
			return nil, fmt.Errorf("%w: %w", err, console.ErrRefused)
		case errors.Is(err, response.ErrNoHost):
			return nil, fmt.Errorf("%w: %w", err, console.ErrNotFound)
		case errors.Is(err, response.ErrFull):
			return nil, fmt.Errorf("%w: %w", err, console.ErrUnavailable)
		}
		return nil, err
	}
	return b.action(t, actions[0]), nil
}

func (b *actionsBack) Actions(ctx context.Context, t tenant.ID, limit int, id string) ([]*consolev1.Action, error) {
	actions, err := b.relay.Actions(ctx, t, id, limit)
	if err != nil {
		return nil, fmt.Errorf("list actions: %w", err)
	}
	var out []*consolev1.Action
	for _, a := range actions {
		out = append(out, b.action(t, a))
	}
	return out, nil
}

func (b *actionsBack) action(t tenant.ID, a response.Action) *consolev1.Action {
	host, _ := b.fleet.Host(t, a.Host)
	target := a.Target
	if target != "" { // a process is named as every verb takes it back
		target = a.Host.String() + "/" + target
	}
	return &consolev1.Action{
		Id: a.ID, Verb: string(a.Verb), HostId: a.Host.String(), Hostname: host.Name, Target: target, Class: a.Class,
		State: string(a.State), Actor: a.Actor, KeyId: a.KeyID, Created: a.Created, Updated: a.Updated, Expiry: a.Expiry,
		Detail: a.Detail, Proof: a.Proof, ProofSigned: a.ProofSigned, Inverse: string(a.Inverse()), Reason: a.Reason,
	}
}

func (b *actionsBack) SetOperatorList(ctx context.Context, t tenant.ID, list []byte, _ string) (uint64, error) {
	g, err := b.relay.SetOperatorList(ctx, t, list)
	if err != nil {
		if _, ok := errors.AsType[*command.Refusal](err); ok {
			return 0, fmt.Errorf("%w: %w", err, console.ErrRefused)
		}
		return 0, err
	}
	return g, nil
}
