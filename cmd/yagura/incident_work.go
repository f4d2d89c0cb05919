package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// The work of people on incidents: take one, write down what was found out, close it with a verdict, open it again.

type incidentsClaimVerb struct {
	IDs []string `arg:"" name:"id" help:"Incidents: id (i-…), a part of it that only one has, or last."`
}

// Help shows examples.
func (incidentsClaimVerb) Help() string {
	return "Others see who works on it.\n\nExamples:\n  yagura incidents claim last"
}

// Run claims incidents.
func (v incidentsClaimVerb) Run(s *shell) error {
	return s.each("claim an incident", v.IDs, func(row *consolev1.IncidentRow) (*consolev1.Incident, error) {
		if row.State == string(incident.StateClosed) {
			return nil, fmt.Errorf("it is closed: `yagura incidents reopen %s` opens it again", row.Id)
		}
		return s.setState(row.Id, incident.StateTriaging, "", "")
	})
}

type incidentsUnclaimVerb struct {
	IDs []string `arg:"" name:"id" help:"Incidents: id (i-…), a part of it that only one has, or last."`
}

// Help shows examples.
func (incidentsUnclaimVerb) Help() string {
	return "It is new again, and nobody's.\n\nExamples:\n  yagura incidents unclaim last"
}

// Run gives incidents back.
func (v incidentsUnclaimVerb) Run(s *shell) error {
	return s.each("give an incident back", v.IDs, func(row *consolev1.IncidentRow) (*consolev1.Incident, error) {
		if row.State == string(incident.StateClosed) {
			return nil, fmt.Errorf("it is closed: `yagura incidents reopen %s` opens it again", row.Id)
		}
		return s.setState(row.Id, incident.StateNew, "", "")
	})
}

type incidentsCloseVerb struct {
	IDs     []string `arg:"" name:"id" help:"Incidents: id (i-…), a part of it that only one has, or last."`
	Verdict string   `help:"What it was, one of the words above." placeholder:"WORD"`
	Reason  string   `help:"How you know, for the record." placeholder:"TEXT"`
}

// verdictHelp lists the verdicts with their meaning, as help shows them.
func verdictHelp(language string) string {
	var b strings.Builder
	for _, v := range incident.Verdicts() {
		fmt.Fprintf(&b, "\n  %s %s: %s", terminal.Pad(v.ID, 20), v.Word.In(language), v.Means.In(language))
	}
	return b.String()
}

// Help shows the verdicts and examples.
func (incidentsCloseVerb) Help() string {
	return "Closed again, an incident takes the later verdict. It opens by itself when a detection is added to it. What it can have been:" + verdictHelp(terminal.English) +
		"\n\nExamples:\n  yagura incidents close ID --verdict FP-rule-logic --reason 'the nightly backup'\n  yagura incidents close ID ID --verdict BTP --reason 'patch day, announced'"
}

// Run closes incidents.
func (v incidentsCloseVerb) Run(s *shell) error {
	verdict, ok := verdictOf(v.Verdict)
	if !ok {
		list := verdictHelp(s.tongue.Language())
		if v.Verdict == "" {
			return usagef("closing an incident needs --verdict, one of:%s", list)
		}
		return usagef("there is no verdict %q, but:%s", v.Verdict, list)
	}
	if strings.TrimSpace(v.Reason) == "" {
		return usagef("closing an incident needs --reason: say how you know")
	}
	return s.each("close an incident", v.IDs, func(row *consolev1.IncidentRow) (*consolev1.Incident, error) {
		return s.setState(row.Id, incident.StateClosed, verdict, v.Reason)
	})
}

// verdictOf finds a verdict by its word, in whatever case it is typed.
func verdictOf(typed string) (string, bool) {
	for _, v := range incident.Verdicts() {
		if strings.EqualFold(v.ID, typed) {
			return v.ID, true
		}
	}
	return "", false
}

// verdictWord gives a verdict as a person reads it, with the word that is stored.
func (s *shell) verdictWord(id string) string {
	for _, v := range incident.Verdicts() {
		if v.ID == id {
			return v.Word.In(s.tongue.Language()) + " [" + id + "]"
		}
	}
	return id
}

type incidentsReopenVerb struct {
	IDs    []string `arg:"" name:"id" help:"Incidents: id (i-…), a part of it that only one has, or last."`
	Reason string   `help:"Why, for the record." placeholder:"TEXT"`
}

// Help shows examples.
func (incidentsReopenVerb) Help() string {
	return "Its verdict is taken back and it is yours; the history keeps both.\n\nExamples:\n  yagura incidents reopen ID --reason 'seen again'"
}

// Run opens closed incidents again.
func (v incidentsReopenVerb) Run(s *shell) error {
	return s.each("reopen an incident", v.IDs, func(row *consolev1.IncidentRow) (*consolev1.Incident, error) {
		if row.State != string(incident.StateClosed) {
			return nil, errors.New("it is not closed")
		}
		return s.setState(row.Id, incident.StateTriaging, "", v.Reason)
	})
}

type incidentsNoteVerb struct {
	ID   string   `arg:"" help:"Incident: id (i-…), a part of it that only one has, or last."`
	Text []string `arg:"" help:"What you found out; - reads it from standard input."`
}

// Help shows examples.
func (incidentsNoteVerb) Help() string {
	return "Examples:\n  yagura incidents note last 'the user says it was not her'\n  dmesg | tail -20 | yagura incidents note last -"
}

const noting = "write a note"

// Run writes a note.
func (v incidentsNoteVerb) Run(s *shell) error {
	text := strings.Join(v.Text, " ")
	if text == "-" {
		b, err := io.ReadAll(io.LimitReader(s.stdin, 4*incident.MaxNote+1))
		if err != nil {
			return fmt.Errorf("read the note: %w", err)
		}
		text = string(b)
	}
	return s.each(noting, []string{v.ID}, func(row *consolev1.IncidentRow) (*consolev1.Incident, error) {
		r, err := s.console().AddIncidentNote(s.ctx, connect.NewRequest(&consolev1.AddIncidentNoteRequest{Id: row.Id, Text: text}))
		if err != nil {
			return nil, err
		}
		return r.Msg, nil
	})
}

func (s *shell) setState(id string, to incident.State, verdict, reason string) (*consolev1.Incident, error) {
	r, err := s.console().SetIncidentState(s.ctx, connect.NewRequest(&consolev1.SetIncidentStateRequest{Id: id, State: string(to), Verdict: verdict, Reason: reason}))
	if err != nil {
		return nil, err
	}
	return r.Msg, nil
}

// each does one thing to every incident that was named, after all of them were found: a slip in one name does
// nothing to the others. What then fails is said, and the rest is done (exit 3).
func (s *shell) each(doing string, named []string, do func(*consolev1.IncidentRow) (*consolev1.Incident, error)) error {
	var rows []*consolev1.IncidentRow
	for _, n := range named {
		id, err := s.incidentID(n)
		if err != nil {
			return err
		}
		r, err := s.console().GetIncident(s.ctx, connect.NewRequest(&consolev1.GetIncidentRequest{Id: id}))
		if err != nil {
			return s.explain(doing, err)
		}
		if !slices.ContainsFunc(rows, func(x *consolev1.IncidentRow) bool { return x.Id == r.Msg.Row.Id }) {
			rows = append(rows, r.Msg.Row)
		}
	}
	var done []*consolev1.IncidentRow
	var failed []error
	for _, row := range rows {
		m, err := do(row)
		if err != nil {
			if _, ok := errors.AsType[*connect.Error](err); ok {
				err = s.explain(doing, err)
			} else {
				err = fmt.Errorf("%s: %s: %w", doing, row.Id, err)
			}
			failed = append(failed, err)
			continue
		}
		done = append(done, m.Row)
		if s.json {
			continue
		}
		state := s.say(m.Row.State)
		if m.Row.Verdict != "" {
			state += ": " + s.verdictWord(m.Row.Verdict)
		}
		if doing == noting {
			state = s.say("noted")
		}
		s.printf("%s  %s  %s\n", m.Row.Id, state, event.Show(s.said(m.Row.Title)))
	}
	if s.json {
		if err := s.printJSON(done); err != nil {
			return err
		}
	}
	switch {
	case len(failed) == 0:
		return nil
	case len(done) == 0 && len(failed) == 1:
		return failed[0]
	case len(done) == 0:
		return errors.Join(failed...)
	}
	return partialf("%w", errors.Join(failed...))
}

// incidentID gives the full id of the incident that was named: by last, by its id, or by a beginning or an end of it
// that no other has.
func (s *shell) incidentID(named string) (string, error) {
	if named == "" {
		return "", nil
	}
	if _, err := incident.ParseID(named); err == nil {
		return named, nil
	}
	r, err := s.console().ListIncidents(s.ctx, connect.NewRequest(&consolev1.ListIncidentsRequest{Limit: 1_000_000}))
	if err != nil {
		return "", s.explain("find incident "+named, err)
	}
	if named == last {
		if len(r.Msg.Incidents) == 0 {
			return "", errors.New("there is no incident yet")
		}
		return r.Msg.Incidents[0].Id, nil
	}
	part := strings.ToLower(strings.TrimPrefix(named, "i-"))
	part = strings.Trim(part, "….")
	var found []string
	for _, row := range r.Msg.Incidents {
		id := strings.TrimPrefix(row.Id, "i-")
		if len(part) >= 4 && (strings.HasPrefix(id, part) || strings.HasSuffix(id, part)) {
			found = append(found, row.Id)
		}
	}
	switch len(found) {
	case 0:
		return "", usagef("no incident is called %q: `yagura incidents` lists them; last is the newest", named)
	case 1:
		return found[0], nil
	}
	return "", usagef("%d incidents begin or end with %q: give more of the id (%s)", len(found), named, strings.Join(found[:min(len(found), 5)], ", "))
}

// history prints what people did to an incident, oldest first.
func (s *shell) history(m *consolev1.Incident) {
	if len(m.History) == 0 {
		return
	}
	s.heading("HISTORY")
	closed := false
	for _, c := range m.History {
		who := c.Who
		if who == "" {
			who = s.say("the server")
		}
		what := s.say("note")
		switch {
		case c.Verdict != "":
			what = s.say(c.State) + ": " + s.verdictWord(c.Verdict)
		case c.State != "" && closed:
			what = s.say("reopened")
		case c.State == string(incident.StateTriaging):
			what = s.say("claimed")
		case c.State != "":
			what = s.say(c.State)
		}
		if c.State != "" {
			closed = c.State == string(incident.StateClosed)
		}
		s.printf("%s  %s  %s\n", terminal.Clock(c.At), event.Show(who), what)
		if c.Text != "" {
			text := c.Text
			if c.Who == "" {
				text = s.tongue.Text(text)
			}
			for line := range strings.Lines(text) {
				s.paragraph("", 4, strings.TrimRight(line, "\n"))
			}
		}
	}
}
