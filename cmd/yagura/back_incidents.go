package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/yagura-edr/yagura/internal/console"
	"github.com/yagura-edr/yagura/internal/detect"
	"github.com/yagura-edr/yagura/internal/fleet"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// incidentsBack lists and shows incidents.
type incidentsBack struct {
	desk  *incident.Desk
	fleet *fleet.Fleet
}

func (b *incidentsBack) Incidents(ctx context.Context, t tenant.ID, state string, limit int) (*consolev1.ListIncidentsResponse, error) {
	rows, err := b.desk.List(ctx, t, incident.Query{State: incident.State(state), Limit: limit})
	if err != nil {
		return nil, err
	}
	r := &consolev1.ListIncidentsResponse{Total: uint64(len(rows))}
	for _, row := range rows {
		r.Incidents = append(r.Incidents, incidentRowMessage(row))
	}
	return r, nil
}

func incidentRowMessage(r incident.Row) *consolev1.IncidentRow {
	return &consolev1.IncidentRow{
		Id: r.ID.String(), Title: said(r.Title), Severity: r.Severity.String(), State: string(r.State), First: r.First, Last: r.Last,
		Hostnames: r.Hostnames, Detections: uint32(max(0, r.Detections)), Processes: uint32(max(0, r.Processes)), //nolint:gosec // counts
		Attack: r.ATTACK, Entry: said(r.Entry), User: r.User, Owner: r.Owner, Created: r.Created,
	}
}

func (b *incidentsBack) Incident(ctx context.Context, t tenant.ID, id string) (*consolev1.Incident, error) {
	i, err := incident.ParseID(id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, console.ErrInvalid)
	}
	k, found, err := b.desk.Get(ctx, t, i)
	if err != nil {
		if errors.Is(err, incident.ErrNotFound) {
			return nil, fmt.Errorf("%w: %w", err, console.ErrNotFound)
		}
		return nil, err
	}
	m := &consolev1.Incident{Row: incidentRowMessage(k.Row), StoryJson: k.Story}
	for _, d := range found {
		m.Detections = append(m.Detections, detectionMessage(b.fleet, detect.Kept{Detection: d, Incident: k.Row.ID.String()}))
	}
	return m, nil
}

func (b *incidentsBack) SetIncidentState(ctx context.Context, t tenant.ID, q *consolev1.SetIncidentStateRequest, by string) (*consolev1.Incident, error) {
	id, err := incident.ParseID(q.Id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, console.ErrInvalid)
	}
	if err := b.desk.SetState(ctx, t, id, incident.State(q.State), q.Verdict, q.Reason, by); err != nil {
		if errors.Is(err, incident.ErrNotFound) {
			return nil, fmt.Errorf("%w: %w", err, console.ErrNotFound)
		}
		return nil, fmt.Errorf("%w: %w", err, console.ErrInvalid)
	}
	return b.Incident(ctx, t, q.Id)
}
