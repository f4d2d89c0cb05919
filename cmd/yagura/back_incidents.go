package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/yagura-edr/yagura/internal/console"
	"github.com/yagura-edr/yagura/internal/detect"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/fleet"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// incidentsBack lists and shows incidents.
type incidentsBack struct {
	desk  *incident.Desk
	fleet *fleet.Fleet
	store *eventstore.Store
}

// settled is how old the last event of a story must be before a cited event that is not in the store
// counts as gone: newer ones may only not be searchable yet.
const settled = time.Minute

func (b *incidentsBack) Incidents(ctx context.Context, t tenant.ID, q *consolev1.ListIncidentsRequest) (*consolev1.ListIncidentsResponse, error) {
	ask := incident.Query{Host: q.Host, Text: q.Search, Limit: int(q.Limit)}
	switch q.State {
	case "open":
		ask.Open = true
	case "", string(incident.StateNew), string(incident.StateTriaging), string(incident.StateClosed):
		ask.State = incident.State(q.State)
	default:
		return nil, console.As(fmt.Errorf("state %q is none of new, triaging, closed, open", q.State), console.ErrInvalid)
	}
	switch q.Order {
	case "":
	case "severity":
		ask.WorstFirst = true
	default:
		return nil, console.As(fmt.Errorf("order %q is not severity", q.Order), console.ErrInvalid)
	}
	if q.Severity != "" {
		severity, err := detection.ParseSeverity(q.Severity)
		if err != nil {
			return nil, console.As(err, console.ErrInvalid)
		}
		ask.Severity = severity
	}
	rows, total, err := b.desk.Find(ctx, t, ask)
	if err != nil {
		return nil, err
	}
	r := &consolev1.ListIncidentsResponse{Total: uint64(total)}
	for _, row := range rows {
		r.Incidents = append(r.Incidents, incidentRowMessage(row))
	}
	return r, nil
}

func incidentRowMessage(r incident.Row) *consolev1.IncidentRow {
	return &consolev1.IncidentRow{
		Id: r.ID.String(), Title: said(r.Title), Severity: r.Severity.String(), State: string(r.State), First: r.First, Last: r.Last,
		Hostnames: r.Hostnames, Detections: uint32(max(0, r.Detections)), Processes: uint32(max(0, r.Processes)),
		Attack: r.ATTACK, Entry: said(r.Entry), User: r.User, Owner: r.Owner, Created: r.Created,
		Verdict: r.Verdict, Reason: r.Reason, Unseen: uint32(max(0, r.Unseen)), Updated: r.Updated,
	}
}

func (b *incidentsBack) Incident(ctx context.Context, t tenant.ID, id string) (*consolev1.Incident, error) {
	k, found, err := b.find(ctx, t, id)
	if err != nil {
		return nil, err
	}
	story, err := b.cited(ctx, k)
	if err != nil {
		return nil, err
	}
	m := &consolev1.Incident{Row: incidentRowMessage(k.Row), StoryJson: story}
	for _, d := range found {
		m.Detections = append(m.Detections, detectionMessage(b.fleet, detect.Kept{Detection: d, Incident: k.Row.ID.String()}))
	}
	history, err := b.desk.History(ctx, t, k.Row.ID)
	if err != nil {
		return nil, err
	}
	for _, c := range history {
		m.History = append(m.History, &consolev1.IncidentChange{At: c.At, Who: c.Who, State: string(c.State), Verdict: c.Verdict, Text: c.Text})
	}
	return m, nil
}

// find reads an incident; the id of a merged one leads to what it was merged into.
func (b *incidentsBack) find(ctx context.Context, t tenant.ID, id string) (incident.Kept, []detection.Detection, error) {
	i, err := incident.ParseID(id)
	if err != nil {
		return incident.Kept{}, nil, console.As(err, console.ErrInvalid)
	}
	k, found, err := b.desk.Get(ctx, t, i)
	if errors.Is(err, incident.ErrNotFound) {
		err = console.As(err, console.ErrNotFound)
	}
	return k, found, err
}

// cited gives the story without the sentences whose events are no longer stored: what nothing proves any
// more is not said.
func (b *incidentsBack) cited(ctx context.Context, k incident.Kept) ([]byte, error) {
	if time.Since(time.UnixMicro(k.Row.Last)) < settled {
		return k.Story, nil
	}
	var story incident.Story
	if err := json.Unmarshal(k.Story, &story); err != nil {
		return nil, fmt.Errorf("read the story of %s: %w", k.Row.ID, err)
	}
	gone := map[string]bool{}
	var ids []event.ID
	for _, text := range story.Cited() {
		id, err := event.ParseID(text)
		if err != nil {
			return nil, fmt.Errorf("read the story of %s: %w", k.Row.ID, err)
		}
		gone[text] = true
		ids = append(ids, id)
	}
	for chunk := range slices.Chunk(ids, 1000) {
		a, err := b.store.Events(ctx, eventstore.Query{Tenant: k.Row.Tenant, IDs: chunk, Limit: len(chunk)})
		if err != nil {
			return k.Story, nil // the store cannot be asked now: the story as it was written is better than none
		}
		if len(a.Missing) > 0 {
			return k.Story, nil // what cannot be read now is not gone: the story stays as it was written
		}
		for _, e := range a.Events {
			delete(gone, e.ID.String())
		}
	}
	if len(gone) == 0 {
		return k.Story, nil
	}
	out, err := json.Marshal(story.Without(gone))
	if err != nil {
		return nil, fmt.Errorf("write the story of %s: %w", k.Row.ID, err)
	}
	return out, nil
}

func (b *incidentsBack) SetIncidentState(ctx context.Context, t tenant.ID, q *consolev1.SetIncidentStateRequest, by string) (*consolev1.Incident, error) {
	return b.act(ctx, t, q.Id, func(id incident.ID) error {
		return b.desk.SetStateFrom(ctx, t, id, incident.State(q.From), incident.State(q.State), q.Verdict, q.Reason, by)
	})
}

func (b *incidentsBack) AddIncidentNote(ctx context.Context, t tenant.ID, id, text, by string) (*consolev1.Incident, error) {
	return b.act(ctx, t, id, func(i incident.ID) error { return b.desk.Note(ctx, t, i, text, by) })
}

// act does something to an incident and gives it as it then is.
func (b *incidentsBack) act(ctx context.Context, t tenant.ID, id string, do func(incident.ID) error) (*consolev1.Incident, error) {
	i, err := incident.ParseID(id)
	if err != nil {
		return nil, console.As(err, console.ErrInvalid)
	}
	if err := do(i); err != nil {
		if errors.Is(err, incident.ErrNotFound) {
			return nil, console.As(err, console.ErrNotFound)
		}
		if _, ok := errors.AsType[incident.InputError](err); ok {
			return nil, console.As(err, console.ErrInvalid)
		}
		if _, ok := errors.AsType[incident.MovedError](err); ok {
			return nil, console.As(err, console.ErrMoved)
		}
		return nil, err
	}
	return b.Incident(ctx, t, id)
}
