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
)

type incidentsVerb struct {
	List incidentsListVerb `cmd:"" default:"withargs" help:"List incidents (default)."`
	Show incidentsShowVerb `cmd:"" help:"Show one incident: the five answers, its story, how it got in."`
}

type incidentsListVerb struct {
	Limit uint32 `help:"At most this many, newest first." default:"50"`
	State string `help:"Only this state." enum:",new,triaging,closed" default:""`
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
		s.printf("%s\n", s.say("no incidents", "インシデントはありません"))
		return nil
	}
	var rows [][]string
	for _, i := range r.Msg.Incidents {
		rows = append(rows, []string{i.Id, s.severity(i.Severity), i.State, clock(i.First), strings.Join(i.Hostnames, " "), fmt.Sprint(i.Detections), s.said(i.Title)})
	}
	s.table([]string{s.say("INCIDENT", "インシデント"), s.say("SEVERITY", "重大度"), s.say("STATE", "状態"), s.say("FIRST", "最初"), s.say("HOSTS", "ホスト"), s.say("DETECTIONS", "検知数"), s.say("TITLE", "題名")}, rows)
	return nil
}

type incidentsShowVerb struct {
	ID string `arg:"" help:"Incident id (i-…)."`
}

// Help shows examples.
func (incidentsShowVerb) Help() string {
	return "Examples:\n  yagura incidents show i-0190…\n  yagura incidents show i-0190… --json | jq .answers"
}

// story is the part of incident.Story that the text form shows; --json hands on all of it.
type story struct {
	Nodes []struct {
		Ref         string `json:"ref"`
		Kind        string `json:"kind"`
		Label       string `json:"label"`
		RowParent   string `json:"row_parent"`
		CommandLine string `json:"command_line"`
		Start       int64  `json:"start"`
		Severity    string `json:"severity"`
	} `json:"nodes"`
	Answers []struct {
		Answer    string `json:"answer"`
		Sentences []struct {
			Text struct {
				En string `json:"en"`
				Ja string `json:"ja"`
			} `json:"text"`
		} `json:"sentences"`
	} `json:"answers"`
}

// Run shows one incident.
func (v incidentsShowVerb) Run(s *shell) error {
	r, err := s.console().GetIncident(s.ctx, connect.NewRequest(&consolev1.GetIncidentRequest{Id: v.ID}))
	if err != nil {
		return s.explain("show incident "+v.ID, err)
	}
	if s.json {
		return s.incidentJSON(r.Msg)
	}
	var st story
	if err := json.Unmarshal(r.Msg.StoryJson, &st); err != nil {
		return fmt.Errorf("read the story of %s: %w", v.ID, err)
	}
	row := r.Msg.Row
	s.printf("%s  %s  %s\n%s\n\n", row.Id, s.severity(row.Severity), row.State, event.Show(s.said(row.Title)))
	names := map[string]string{"when": "いつ", "where": "どこで", "what": "何が", "why": "なぜ", "who": "誰が", "accounts": "被害アカウント", "how": "手口"}
	for _, a := range st.Answers {
		name := a.Answer
		if s.ja {
			name = names[a.Answer]
		}
		for i, t := range a.Sentences {
			if i > 0 {
				name = ""
			}
			s.printf("%-9s %s\n", name, event.Show(s.say(t.Text.En, t.Text.Ja)))
		}
	}
	s.printf("\n")
	children := map[string][]int{}
	known := map[string]bool{}
	for _, n := range st.Nodes {
		known[n.Ref] = true
	}
	for i, n := range st.Nodes {
		parent := n.RowParent
		if !known[parent] || parent == n.Ref {
			parent = ""
		}
		children[parent] = append(children[parent], i)
	}
	seen := map[int]bool{}
	var draw func(ref string, depth int)
	draw = func(ref string, depth int) {
		for _, i := range children[ref] {
			if seen[i] {
				continue
			}
			seen[i] = true
			n := st.Nodes[i]
			text := n.CommandLine
			if text == "" {
				text = n.Kind + " " + n.Label
			}
			s.printf("%s%s\n", strings.Repeat("  ", depth), event.Show(text))
			draw(n.Ref, depth+1)
		}
	}
	draw("", 0)
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
	return s.printJSON(all)
}
