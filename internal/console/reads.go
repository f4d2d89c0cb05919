package console

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
)

// Bounds of one answer.
const (
	maxRows   = 1000
	maxEvents = 2000
	maxIDs    = 500
	maxDepth  = 64
	maxNodes  = 10_000
	readTime  = 20 * time.Second
)

// api implements consolev1connect.ConsoleHandler.
type api struct{ *Server }

func atMost(n uint32, usual, most int) int {
	if n == 0 {
		return usual
	}
	return min(int(n), most)
}

// GetHome tells how well this tenant is seen.
func (s api) GetHome(ctx context.Context, _ *connect.Request[consolev1.GetHomeRequest]) (*connect.Response[consolev1.Home], error) {
	if s.back.Overview == nil {
		return nil, errNoPart
	}
	h, err := s.back.Overview.Home(ctx, tenantOf(ctx))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(h), nil
}

// Diagnose checks the server from inside.
func (s api) Diagnose(ctx context.Context, q *connect.Request[consolev1.DiagnoseRequest]) (*connect.Response[consolev1.DiagnoseResponse], error) {
	if s.back.Overview == nil {
		return nil, errNoPart
	}
	c, err := s.back.Overview.Diagnose(ctx, tenantOf(ctx), q.Msg.GetNotify(), q.Msg.GetDeep())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(&consolev1.DiagnoseResponse{Checks: c}), nil
}

// GetStore says what the event store holds.
func (s api) GetStore(ctx context.Context, _ *connect.Request[consolev1.GetStoreRequest]) (*connect.Response[consolev1.Store], error) {
	if s.back.Overview == nil {
		return nil, errNoPart
	}
	m, err := s.back.Overview.Store(ctx, tenantOf(ctx))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(m), nil
}

// ListHosts lists every enrolled host.
func (s api) ListHosts(ctx context.Context, _ *connect.Request[consolev1.ListHostsRequest]) (*connect.Response[consolev1.ListHostsResponse], error) {
	if s.back.Hosts == nil {
		return nil, errNoPart
	}
	h, err := s.back.Hosts.Hosts(ctx, tenantOf(ctx))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(&consolev1.ListHostsResponse{Hosts: h}), nil
}

// ListDetections lists detections, newest first.
func (s api) ListDetections(ctx context.Context, q *connect.Request[consolev1.ListDetectionsRequest]) (*connect.Response[consolev1.ListDetectionsResponse], error) {
	if s.back.Detections == nil {
		return nil, errNoPart
	}
	q.Msg.Limit = uint32(atMost(q.Msg.GetLimit(), 200, maxRows))
	r, err := s.back.Detections.Detections(ctx, tenantOf(ctx), q.Msg)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(r), nil
}

// ListRules lists the rules in use and the rejected ones.
func (s api) ListRules(ctx context.Context, _ *connect.Request[consolev1.ListRulesRequest]) (*connect.Response[consolev1.ListRulesResponse], error) {
	if s.back.Detections == nil {
		return nil, errNoPart
	}
	r, err := s.back.Detections.Rules(ctx, tenantOf(ctx))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(r), nil
}

// ListIncidents lists incidents.
func (s api) ListIncidents(ctx context.Context, q *connect.Request[consolev1.ListIncidentsRequest]) (*connect.Response[consolev1.ListIncidentsResponse], error) {
	if s.back.Incidents == nil {
		return nil, errNoPart
	}
	q.Msg.Limit = uint32(atMost(q.Msg.GetLimit(), 200, maxRows))
	r, err := s.back.Incidents.Incidents(ctx, tenantOf(ctx), q.Msg)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(r), nil
}

// GetIncident gives an incident with its story.
func (s api) GetIncident(ctx context.Context, q *connect.Request[consolev1.GetIncidentRequest]) (*connect.Response[consolev1.Incident], error) {
	if s.back.Incidents == nil {
		return nil, errNoPart
	}
	i, err := s.back.Incidents.Incident(ctx, tenantOf(ctx), q.Msg.GetId())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(i), nil
}

// GetTree gives the processes above and below one process.
func (s api) GetTree(ctx context.Context, q *connect.Request[consolev1.GetTreeRequest]) (*connect.Response[consolev1.Tree], error) {
	if s.back.Events == nil {
		return nil, errNoPart
	}
	ref, err := event.ParseRef(q.Msg.GetProcess())
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	t, err := s.back.Events.Tree(ctx, tenantOf(ctx), ref, atMost(q.Msg.GetDepth(), 16, maxDepth), atMost(q.Msg.GetLimit(), 500, maxNodes))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(t), nil
}

// ListEvents gives events by id, or of a process, or of a time.
func (s api) ListEvents(ctx context.Context, q *connect.Request[consolev1.ListEventsRequest]) (*connect.Response[consolev1.ListEventsResponse], error) {
	if s.back.Events == nil {
		return nil, errNoPart
	}
	ask, err := s.eventQuery(ctx, q.Msg)
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	found, err := s.back.Events.Events(ctx, ask)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	r := &consolev1.ListEventsResponse{Truncated: found.Truncated, Note: found.Note.GetEn(), NoteSaid: found.Note, Partial: found.Partial != nil, PartialSaid: found.Partial, Events: make([]*consolev1.EventRow, 0, len(found.Events))}
	have := make(map[event.ID]bool, len(found.Events))
	for _, e := range found.Events {
		have[e.ID] = true
		r.Events = append(r.Events, s.row(ctx, e))
	}
	for _, id := range ask.IDs {
		if !have[id] {
			r.Missing = append(r.Missing, id.String())
		}
	}
	return connect.NewResponse(r), nil
}

func (s api) eventQuery(ctx context.Context, m *consolev1.ListEventsRequest) (EventQuery, error) {
	q := EventQuery{Tenant: tenantOf(ctx), From: m.GetFrom(), To: m.GetTo(), Limit: atMost(m.GetLimit(), 200, maxEvents)}
	if len(m.GetIds()) > maxIDs {
		return q, fmt.Errorf("%d event ids are more than %d: ask in parts", len(m.GetIds()), maxIDs)
	}
	for _, t := range m.GetIds() {
		id, err := event.ParseID(t)
		if err != nil {
			return q, err
		}
		q.IDs = append(q.IDs, id)
	}
	if len(q.IDs) > 0 {
		q.Limit = max(q.Limit, len(q.IDs))
	}
	if t := m.GetProcess(); t != "" {
		ref, err := event.ParseRef(t)
		if err != nil {
			return q, err
		}
		q.Host, q.Process = ref.Host, ref.Key
	} else if t := m.GetHostId(); t != "" {
		h, err := event.ParseHostID(t)
		if err != nil {
			return q, err
		}
		q.Host = h
	}
	kinds, err := parseKinds(m.GetKinds())
	q.Kinds = kinds
	return q, err
}

func parseKinds(names []string) ([]event.Kind, error) {
	var kinds []event.Kind
	for _, n := range names {
		k, ok := event.ParseKind(n)
		if !ok {
			return nil, fmt.Errorf("kind %.40q is none of the registry: docs/events.md lists them", n)
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}

// ListActions tells what became of commands.
func (s api) ListActions(ctx context.Context, q *connect.Request[consolev1.ListActionsRequest]) (*connect.Response[consolev1.ListActionsResponse], error) {
	if s.back.Actions == nil {
		return nil, errNoPart
	}
	a, err := s.back.Actions.Actions(ctx, tenantOf(ctx), atMost(q.Msg.GetLimit(), 100, maxRows), q.Msg.GetId())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(&consolev1.ListActionsResponse{Actions: a}), nil
}

// GetAuthority gives public keys and the signed operator list.
func (s api) GetAuthority(ctx context.Context, _ *connect.Request[consolev1.GetAuthorityRequest]) (*connect.Response[consolev1.Authority], error) {
	if s.back.Actions == nil {
		return nil, errNoPart
	}
	r, err := s.back.Actions.Authority(ctx, tenantOf(ctx))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(r), nil
}

// ListEnrolTokens lists tokens that can still enrol a host.
func (s api) ListEnrolTokens(ctx context.Context, _ *connect.Request[consolev1.ListEnrolTokensRequest]) (*connect.Response[consolev1.ListEnrolTokensResponse], error) {
	if s.back.Hosts == nil {
		return nil, errNoPart
	}
	t, err := s.back.Hosts.EnrolTokens(ctx, tenantOf(ctx))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	url, listen := s.back.Hosts.SensorAddress()
	return connect.NewResponse(&consolev1.ListEnrolTokensResponse{Tokens: t, SensorUrl: url, SensorListen: listen}), nil
}
