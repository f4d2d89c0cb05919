package incident_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yagura-edr/yagura/internal/event/eventtest"
	"github.com/yagura-edr/yagura/internal/incident"
)

// tell runs the stage's events through a desk that works while they come, in the order of the lanes that the seed gives
// (negative: their own), and writes down what it tells.
func (s *stage) tell(seed, every int) (string, []incident.Told, error) {
	list := s.events
	if seed >= 0 {
		list = eventtest.Interleave(list, uint64(seed))
	}
	told, err := s.desk(list, every)
	if err != nil {
		return "", nil, err
	}
	var b strings.Builder
	for i := range told {
		if i > 0 {
			b.WriteByte('\n')
		}
		s.write(&b, &told[i])
	}
	if len(told) == 0 {
		b.WriteString("no incident\n")
	}
	return b.String(), told, nil
}

// write writes one incident for a reader of the case.
func (s *stage) write(b *strings.Builder, x *incident.Told) {
	st, r := &x.Story, &x.Row
	hosts := len(r.Hostnames) > 1
	name := map[string]string{}
	for _, n := range st.Nodes {
		switch known := s.names[n.Ref]; {
		case n.Kind != incident.NodeProcess:
			name[n.Ref] = n.Labels.En
		case known == "":
			name[n.Ref] = fmt.Sprintf("%s(%d)", n.Label, n.PID)
		case hosts:
			name[n.Ref] = n.HostName + "." + known
		default:
			name[n.Ref] = known
		}
	}
	fmt.Fprintf(b, "incident: %s\n", r.Title.En)
	fmt.Fprintf(b, "  severity %s, detections %d, processes %d, hosts %s, user %q\n", r.Severity, r.Detections, r.Processes, strings.Join(r.Hostnames, " "), r.User)
	b.WriteString("nodes:\n")
	s.rows(b, st, name, "", "  ")
	b.WriteString("edges:\n")
	for _, e := range st.Edges {
		fmt.Fprintf(b, "  %s: %s → %s (%s, %s: %s)\n", e.Kind, name[e.From], name[e.To], e.Basis, e.Confidence, e.Reason.En)
	}
	for _, f := range st.Folds {
		fmt.Fprintf(b, "fold: %d %s %s (%s)\n", f.Count, f.Kind, name[f.Parent], f.Reason.En)
	}
	if l := st.LeftOut; st.Truncated || l != (incident.LeftOut{}) {
		fmt.Fprintf(b, "left out: %d members, %d things, %d beside, truncated %v\n", l.Members, l.Things, l.Beside, st.Truncated)
	}
	for _, x := range st.Related {
		fmt.Fprintf(b, "related: %s\n", x.Reason.En)
	}
	e := &st.Entry
	fmt.Fprintf(b, "entry: %s, %s\n", e.Route, e.Confidence)
	for _, c := range e.Chain {
		fmt.Fprintf(b, "  %s\n", c.Text.En)
	}
	if e.Stopped.Why.En != "" {
		fmt.Fprintf(b, "  stopped at %s: %s\n", name[e.Stopped.Where], e.Stopped.Why.En)
	}
	for _, c := range e.Steps {
		fmt.Fprintf(b, "  step %s\n", c.Text.En)
	}
	for _, a := range e.Alternatives {
		fmt.Fprintf(b, "  or %s, %s\n", a.Route, a.Confidence)
	}
	b.WriteString("answers:\n")
	for _, a := range st.Answers {
		for _, x := range a.Sentences {
			fmt.Fprintf(b, "  %s: %s\n", x.Finding, x.Text.En)
		}
	}
}

// rows writes the nodes as a console draws them: each below the one it came from.
func (s *stage) rows(b *strings.Builder, st *incident.Story, name map[string]string, parent, in string) {
	if len(in) > 80 {
		fmt.Fprintf(b, "%s…\n", in)
		return
	}
	for i := range st.Nodes {
		n := &st.Nodes[i]
		if n.RowParent != parent {
			continue
		}
		b.WriteString(in + name[n.Ref])
		if len(n.Flags) > 0 {
			fmt.Fprintf(b, " [%s]", strings.Join(n.Flags, " "))
		}
		if len(n.Detections) > 0 {
			fmt.Fprintf(b, " found %d", len(n.Detections))
		}
		b.WriteByte('\n')
		s.rows(b, st, name, n.Ref, in+"  ")
	}
}

// sorted is a telling without an order of its own: where two things have one time, either may come first.
func sorted(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
