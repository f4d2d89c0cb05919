package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type detectionsVerb struct {
	Limit    uint32 `help:"At most this many, newest first." default:"50"`
	Severity string `help:"Only this severity." enum:"critical,high,medium,low,informational," default:""`
	Incident string `help:"Only those of one incident (i-…); last: the newest one."`
	Canary   bool   `help:"Canaries too: they prove that the sensors see."`
}

// Help shows examples.
func (detectionsVerb) Help() string {
	return "Examples:\n  yagura detections --severity high\n  yagura detections --incident last\n  yagura detections --json | jq '.[].title.en'"
}

// techniques gives the ATT&CK techniques, which imply their tactics.
func techniques(attack []string) string {
	var out []string
	for _, a := range attack {
		if !strings.HasPrefix(a, "tactic:") && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return strings.Join(out, " ")
}

// inOrder puts what the server gives, the last that arrived, in the order of when it happened: a table whose first
// column jumps back and forth cannot be read.
func inOrder(all []*consolev1.Detection) {
	slices.SortStableFunc(all, func(a, b *consolev1.Detection) int { return cmp.Compare(b.Time, a.Time) })
}

// lateAfter is how long after the act a detection still counts as immediate.
const lateAfter = time.Minute

// late marks a detection whose event lay in a spool: who watches the list did not see it at its time.
func (s *shell) late(d *consolev1.Detection) string {
	if by := time.Duration(d.BootLatencyUs) * time.Microsecond; by > lateAfter {
		return " " + s.say("(+%s late)", by.Round(time.Second))
	}
	return ""
}

// Run lists detections.
func (v detectionsVerb) Run(s *shell) error {
	of, err := s.incidentID(v.Incident)
	if err != nil {
		return err
	}
	var all []*consolev1.Detection
	total, q := uint64(0), &consolev1.ListDetectionsRequest{Severity: v.Severity, IncidentId: of, Canary: v.Canary}
	for left := v.Limit; left > 0; left = v.Limit - uint32(len(all)) { // the server gives a page at a time
		q.Limit = left
		r, err := s.console().ListDetections(s.ctx, connect.NewRequest(q))
		if err != nil {
			return s.explain("list detections", err)
		}
		all, total = append(all, r.Msg.Detections...), r.Msg.Total
		if q.Cursor = r.Msg.Cursor; q.Cursor == "" || len(r.Msg.Detections) == 0 {
			break
		}
	}
	inOrder(all)
	if s.json {
		return s.printJSON(all)
	}
	if len(all) == 0 {
		s.printf("%s\n", s.say("no detections: that is good news only while `yagura hosts` shows every host reporting"))
		return nil
	}
	var rows [][]string
	names := s.shortNames()
	for _, d := range all {
		rows = append(rows, []string{terminal.Clock(d.Time) + s.late(d), s.severity(d.Severity), s.said(d.Title), shortRef(names, d.Process), techniques(d.Attack), d.CommandLine})
	}
	s.tableCut([]string{"TIME", "SEVERITY", "DETECTION", "PROCESS", "ATT&CK", "COMMAND LINE"}, rows)
	if total > uint64(len(all)) {
		s.warn(s.say("%d of %d detections are shown: --limit shows more", len(all), total))
	}
	return nil
}
