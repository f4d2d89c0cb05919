package console

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/access"
	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
)

// Bounds of an enrolment token.
const (
	maxTokenUses = 10_000
	maxTokenLife = 24 * time.Hour
)

// noted runs one act of a person and writes it to the audit, done or failed.
func (s api) noted(ctx context.Context, verb, target string, act func(by string) error) error {
	a, ok := actorOf(ctx)
	if !ok {
		return connect.NewError(connect.CodeUnauthenticated, errors.New("no session: sign in"))
	}
	err := act(a.name)
	detail := ""
	if err != nil {
		detail = "failed: " + err.Error()
	}
	peer := a.session.Hash.Short()
	if a.local {
		peer = "admin.sock"
	}
	if noteErr := s.access.Note(ctx, a.name, verb, target, detail, peer); noteErr != nil && err == nil {
		return s.fail(ctx, noteErr)
	}
	if err != nil {
		return s.fail(ctx, err)
	}
	return nil
}

// SetIncidentState moves an incident on.
func (s api) SetIncidentState(ctx context.Context, q *connect.Request[consolev1.SetIncidentStateRequest]) (*connect.Response[consolev1.Incident], error) {
	if s.back.Incidents == nil {
		return nil, errNoPart
	}
	var r *consolev1.Incident
	err := s.noted(ctx, "incident."+q.Msg.GetState(), q.Msg.GetId(), func(by string) (err error) {
		r, err = s.back.Incidents.SetIncidentState(ctx, tenantOf(ctx), q.Msg, by)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.hub.Changed(tenantOf(ctx), ChangedIncidents)
	return connect.NewResponse(r), nil
}

// AddIncidentNote keeps what a person found out.
func (s api) AddIncidentNote(ctx context.Context, q *connect.Request[consolev1.AddIncidentNoteRequest]) (*connect.Response[consolev1.Incident], error) {
	if s.back.Incidents == nil {
		return nil, errNoPart
	}
	var r *consolev1.Incident
	err := s.noted(ctx, "incident.note", q.Msg.GetId(), func(by string) (err error) {
		r, err = s.back.Incidents.AddIncidentNote(ctx, tenantOf(ctx), q.Msg.GetId(), q.Msg.GetText(), by)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.hub.Changed(tenantOf(ctx), ChangedIncidents)
	return connect.NewResponse(r), nil
}

// SubmitCommand relays a signed command.
func (s api) SubmitCommand(ctx context.Context, q *connect.Request[consolev1.SubmitCommandRequest]) (*connect.Response[consolev1.Action], error) {
	if s.back.Actions == nil {
		return nil, errNoPart
	}
	var r *consolev1.Action
	err := s.noted(ctx, "command.submit", q.Msg.GetIncidentId(), func(by string) (err error) {
		r, err = s.back.Actions.Submit(ctx, tenantOf(ctx), q.Msg, by)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.hub.Changed(tenantOf(ctx), ChangedActions)
	return connect.NewResponse(r), nil
}

// ConfirmExpiry lets what is past the retention go. Only the machine of the server may: it deletes events.
func (s api) ConfirmExpiry(ctx context.Context, _ *connect.Request[consolev1.ConfirmExpiryRequest]) (*connect.Response[consolev1.Store], error) {
	if a, ok := actorOf(ctx); !ok || !a.local {
		return nil, s.fail(ctx, fmt.Errorf("only the machine of the server confirms it: run `yagura store expire --yes` there: %w", ErrRefused))
	}
	if s.back.Overview == nil {
		return nil, errNoPart
	}
	var m *consolev1.Store
	err := s.noted(ctx, "store.expire", "", func(string) (err error) {
		m, err = s.back.Overview.ConfirmExpiry(ctx, tenantOf(ctx))
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(m), nil
}

// SetOperatorList relays the authority's signed list.
func (s api) SetOperatorList(ctx context.Context, q *connect.Request[consolev1.SetOperatorListRequest]) (*connect.Response[consolev1.SetOperatorListResponse], error) {
	if s.back.Actions == nil {
		return nil, errNoPart
	}
	var generation uint64
	err := s.noted(ctx, "operators.set", "", func(by string) (err error) {
		generation, err = s.back.Actions.SetOperatorList(ctx, tenantOf(ctx), q.Msg.GetList(), by)
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&consolev1.SetOperatorListResponse{Generation: generation}), nil
}

// CreateEnrolToken makes a token that enrols hosts. Nobody is told when a recording goes quiet, so a token for one is for
// one, and only who may read the data directory gets it.
func (s api) CreateEnrolToken(ctx context.Context, q *connect.Request[consolev1.CreateEnrolTokenRequest]) (*connect.Response[consolev1.CreateEnrolTokenResponse], error) {
	if s.back.Hosts == nil {
		return nil, errNoPart
	}
	uses, life := q.Msg.GetUses(), time.Duration(q.Msg.GetTtlSeconds())*time.Second
	if uses == 0 {
		uses = 1
	}
	if q.Msg.GetTtlSeconds() == 0 {
		life = maxTokenLife
	}
	if uses > maxTokenUses || life <= 0 || life > maxTokenLife {
		return nil, s.fail(ctx, fmt.Errorf("a token may be used 1 to %d times within %s: %w", maxTokenUses, maxTokenLife, ErrInvalid))
	}
	if q.Msg.GetRecording() {
		if a, ok := actorOf(ctx); !ok || !a.local {
			return nil, s.fail(ctx, fmt.Errorf("only the machine of the server replays recordings: run `yagura replay` there: %w", ErrRefused))
		}
		uses = 1
	}
	r := new(consolev1.CreateEnrolTokenResponse)
	err := s.noted(ctx, "enrol.token", "", func(by string) (err error) {
		r.Token, r.Entry, err = s.back.Hosts.CreateEnrolToken(ctx, tenantOf(ctx), uses, life, q.Msg.GetRecording(), by)
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(r), nil
}

// RevokeHost ends a host's certificate.
func (s api) RevokeHost(ctx context.Context, q *connect.Request[consolev1.RevokeHostRequest]) (*connect.Response[consolev1.Host], error) {
	if s.back.Hosts == nil {
		return nil, errNoPart
	}
	h, err := event.ParseHostID(q.Msg.GetHostId())
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	var r *consolev1.Host
	err = s.noted(ctx, "host.revoke", h.String(), func(by string) (err error) {
		r, err = s.back.Hosts.RevokeHost(ctx, tenantOf(ctx), h, by)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.hub.Changed(tenantOf(ctx), ChangedHosts)
	return connect.NewResponse(r), nil
}

// CreateSignInLink makes a link that replaces lost credentials. Only who may read the data directory may ask:
// a session that could would outlive its own revocation.
func (s api) CreateSignInLink(ctx context.Context, _ *connect.Request[consolev1.CreateSignInLinkRequest]) (*connect.Response[consolev1.CreateSignInLinkResponse], error) {
	if a, ok := actorOf(ctx); !ok || !a.local {
		return nil, s.fail(ctx, fmt.Errorf("only the machine of the server makes sign-in links: run `yagura sign-in` there: %w", ErrRefused))
	}
	if s.signIn == nil {
		return nil, errNoPart
	}
	var link string
	err := s.noted(ctx, "link.create", "", func(string) (err error) {
		link, err = s.access.ResetLink(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&consolev1.CreateSignInLinkResponse{Url: s.signIn(link), Expires: time.Now().Add(access.LinkLife).UnixMicro()}), nil
}
