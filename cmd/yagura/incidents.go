package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// last stands for the newest incident, action or detection on the command line.
const last = "last"

type incidentsVerb struct {
	List    incidentsListVerb    `cmd:"" default:"withargs" help:"List incidents (default)."`
	Show    incidentsShowVerb    `cmd:"" help:"Show one incident: the five answers, its story, how it got in, what to do."`
	Claim   incidentsClaimVerb   `cmd:"" help:"Take incidents: you work on them."`
	Unclaim incidentsUnclaimVerb `cmd:"" help:"Give incidents back."`
	Note    incidentsNoteVerb    `cmd:"" help:"Write down what you found out."`
	Close   incidentsCloseVerb   `cmd:"" help:"Close incidents: say what it was and how you know."`
	Reopen  incidentsReopenVerb  `cmd:"" help:"Open closed incidents again."`
}

type incidentsListVerb struct {
	Limit uint32 `help:"At most this many, newest first." default:"50"`
	State string `help:"Only this state; open is all but closed." enum:"new,triaging,closed,open," default:""`
}

// Help shows examples.
func (incidentsListVerb) Help() string {
	return "Examples:\n  yagura incidents\n  yagura incidents --state new --json | jq -r '.[].id'"
}

// Run lists incidents.
func (v incidentsListVerb) Run(s *shell) error {
	r, err := s.console().ListIncidents(s.ctx, connect.NewRequest(&consolev1.ListIncidentsRequest{Limit: v.Limit, State: v.State}))
	if err != nil {
		return s.explain("list incidents", err)
	}
	if s.json {
		return s.printJSON(r.Msg.Incidents)
	}
	if len(r.Msg.Incidents) == 0 {
		s.printf("%s\n", s.say("no incidents: that is good news only while `yagura hosts` shows every host reporting"))
		return nil
	}
	var rows [][]string
	for _, i := range r.Msg.Incidents {
		state := s.say(i.State)
		if i.Verdict != "" {
			state += ": " + i.Verdict
		}
		rows = append(rows, []string{terminal.Clock(i.First), s.severity(i.Severity), state, i.Owner, strings.Join(i.Hostnames, " "), fmt.Sprint(i.Detections), s.said(i.Title), i.Id})
	}
	s.table([]string{"FIRST", "SEVERITY", "STATE", "OWNER", "HOSTS", "DETECTIONS", "TITLE", "INCIDENT"}, rows)
	return nil
}

type incidentsShowVerb struct {
	ID string `arg:"" help:"Incident: id (i-…), a part of it that only one has, or last."`
}

// Help shows examples.
func (incidentsShowVerb) Help() string {
	return "Examples:\n  yagura incidents show last\n  yagura incidents show last --json | jq .answers"
}

// Run shows one incident.
func (v incidentsShowVerb) Run(s *shell) error {
	id, err := s.incidentID(v.ID)
	if err != nil {
		return err
	}
	v.ID = id
	r, err := s.console().GetIncident(s.ctx, connect.NewRequest(&consolev1.GetIncidentRequest{Id: v.ID}))
	if err != nil {
		return s.explain("show incident "+v.ID, err)
	}
	if s.json {
		return s.incidentJSON(r.Msg)
	}
	var t telling
	if err := json.Unmarshal(r.Msg.StoryJson, &t.story); err != nil {
		return fmt.Errorf("read the story of %s: %w", v.ID, err)
	}
	t.shell, t.incident = s, r.Msg
	t.tell()
	s.history(r.Msg)
	return nil
}

// incidentJSON prints the story with the incident's row and detections beside its own keys.
func (s *shell) incidentJSON(i *consolev1.Incident) error {
	all := map[string]any{}
	var st map[string]json.RawMessage
	if err := json.Unmarshal(i.StoryJson, &st); err != nil {
		return fmt.Errorf("read the story of %s: %w", i.Row.GetId(), err)
	}
	for _, k := range slices.Sorted(maps.Keys(st)) {
		all[k] = st[k]
	}
	all["incident"] = i.Row
	all["detections"] = i.Detections
	all["history"] = i.History
	return s.printJSON(all)
}

// heading prints the title of a part of a page.
func (s *shell) heading(en string) { s.printf("\n%s\n", s.say(en)) }

// paragraph prints text at an indent, with head before its first line.
func (s *shell) paragraph(head string, indent int, text string) {
	width := 80
	if w := s.width(); w > 0 {
		width = min(w, 110) // longer lines are hard to read
	}
	for i, l := range terminal.Wrap(event.Show(text), max(30, width-indent)) {
		if i > 0 {
			head = ""
		}
		s.printf("%s%s\n", terminal.Pad(head, indent), l)
	}
}
