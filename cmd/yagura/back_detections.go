package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/yagura-edr/yagura/internal/console"
	"github.com/yagura-edr/yagura/internal/detect"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/say"
	"github.com/yagura-edr/yagura/internal/sigma"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// keptDetections is the part of the control database that lists detections.
type keptDetections interface {
	List(ctx context.Context, q detect.Query) (detect.Page, error)
	RuleHits(ctx context.Context, t tenant.ID, since int64) (map[string]uint64, error)
}

// detectionsBack lists detections and rules.
type detectionsBack struct {
	kept      keptDetections
	engine    *detect.Engine
	fleet     *fleet.Fleet
	incidents *incidentsBack
}

func (b *detectionsBack) Detections(ctx context.Context, t tenant.ID, q *consolev1.ListDetectionsRequest) (*consolev1.ListDetectionsResponse, error) {
	query := detect.Query{Tenant: t, Limit: int(q.Limit), Cursor: q.Cursor, Search: q.Search, Canary: q.Canary}
	if q.Severity != "" {
		s, err := detection.ParseSeverity(q.Severity)
		if err != nil {
			return nil, console.As(err, console.ErrInvalid)
		}
		query.Severity = s
	}
	if q.IncidentId != "" {
		i, _, err := b.incidents.find(ctx, t, q.IncidentId) // one that is not there must not look like one without detections
		if err != nil {
			return nil, err
		}
		query.Incident = i.Row.ID.String()
	}
	page, err := b.kept.List(ctx, query)
	if err != nil {
		if errors.Is(err, detect.ErrCursor) {
			return nil, console.As(err, console.ErrInvalid)
		}
		return nil, fmt.Errorf("list detections: %w", err)
	}
	r := &consolev1.ListDetectionsResponse{Cursor: page.Cursor, Total: page.Total}
	for _, d := range page.Detections {
		r.Detections = append(r.Detections, detectionMessage(b.fleet, d))
	}
	return r, nil
}

func detectionMessage(f *fleet.Fleet, d detect.Kept) *consolev1.Detection {
	host, _ := f.Host(d.Tenant, d.Event.ID.Host)
	m := &consolev1.Detection{
		Id: d.ID, RuleId: d.RuleID, RuleVersion: d.RuleVersion, Title: said(d.Title), Severity: d.Severity.String(),
		EventId: d.Event.ID.String(), HostId: d.Event.ID.Host.String(), Hostname: host.Name,
		Detected: d.Detected, IncidentId: d.Incident, Attack: d.ATTACK, Why: said(d.Why), Todo: said(d.Todo),
		Author: d.Author, Licence: d.Licence, TitleMachineEnglish: d.Title.Ja == "",
	}
	if e := d.Event.Event; e != nil {
		m.Process = event.Ref{Host: d.Event.ID.Host, Key: e.Actor.Key}.String()
		m.Image, m.CommandLine, m.User, m.Time = e.Actor.Path, e.Actor.CommandLine, e.Actor.UserName, e.Time
		if e.Flags&event.FlagImported == 0 { // how old a recording is says nothing of how fast we are
			m.BootLatencyUs = d.Detected - e.Time
		}
	}
	for _, x := range d.Matched {
		m.Matched = append(m.Matched, &consolev1.Matched{Field: x.Field, Value: x.Value, Selection: x.Selection})
	}
	return m
}

// Rules lists the rules with how many of their detections are stored: a restart must not look like silence.
func (b *detectionsBack) Rules(ctx context.Context, t tenant.ID) (*consolev1.ListRulesResponse, error) {
	hits, err := b.kept.RuleHits(ctx, t, 0)
	if err != nil {
		return nil, err
	}
	return rulesMessage(b.engine.Rules(), hits, systems(b.fleet.Hosts(t))), nil
}

// systems lists the operating systems of a fleet. Linux is always among them: sensors exist for it.
func systems(hosts []fleet.Host) []event.OS {
	out := []event.OS{event.Linux}
	for _, h := range hosts {
		for _, os := range []event.OS{event.Windows, event.MacOS} {
			if strings.EqualFold(h.OS, os.String()) && !slices.Contains(out, os) {
				out = append(out, os) // an imported recording
			}
		}
	}
	return out
}

// rulesMessage lists the rules of a set, blind ones with the reason, the filters of each, those that were not loaded,
// and what is probably not meant.
func rulesMessage(set *sigma.Ruleset, hits map[string]uint64, fleet []event.OS) *consolev1.ListRulesResponse {
	r := &consolev1.ListRulesResponse{}
	sights := set.Sights(fleet...)
	for i, rule := range set.Rules() {
		m := &consolev1.Rule{
			Id: rule.ID, Title: said(rule.Title), Level: rule.Severity.String(), Attack: rule.ATTACK, Logsource: rule.Source.String(),
			File: rule.File, Status: rule.Status, Ours: rule.Ours, Hits: hits[rule.ID], Author: rule.Author, Licence: rule.Licence,
			BlindFields: sights[i].Missing, CanFire: sights[i].CanFire, BlindReason: sights[i].Reason,
		}
		if m.CanFire {
			m.BlindFields = sigma.Blind(rule, event.Linux) // a part of it never holds
		}
		for _, f := range rule.Filters {
			m.Filters = append(m.Filters, &consolev1.RuleFilter{Id: f.ID, Title: f.Title, File: f.File, Line: uint32(max(0, f.Line)), Wide: f.Wide})
		}
		r.Rules = append(r.Rules, m)
	}
	for _, x := range set.Rejected() {
		r.Rejected = append(r.Rejected, &consolev1.RejectedRule{File: x.File, Line: uint32(max(0, x.Line)), Id: x.ID, Class: x.Class, Reason: x.Reason, Why: said(say.One(x.Reason))})
	}
	for _, x := range set.Warnings() {
		r.Warnings = append(r.Warnings, &consolev1.RejectedRule{File: x.File, Line: uint32(max(0, x.Line)), Id: x.ID, Class: x.Class, Reason: x.Reason, Why: said(say.One(x.Reason))})
	}
	return r
}
