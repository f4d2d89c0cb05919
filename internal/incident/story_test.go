package incident_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/incident"
)

func members(s incident.Story) map[string]bool {
	out := map[string]bool{}
	for _, n := range s.Nodes {
		context := false
		for _, f := range n.Flags {
			context = context || f == incident.FlagContext
		}
		if n.Kind == incident.NodeProcess && !context {
			out[n.Ref] = true
		}
	}
	return out
}

func wantMembers(t *testing.T, tp *tape, s incident.Story, in, out []string) {
	t.Helper()
	m := members(s)
	for _, n := range in {
		if !m[tp.ref(n)] {
			t.Errorf("%s (%s) is not in the story", n, tp.procs[n].CommandLine)
		}
	}
	for _, n := range out {
		if m[tp.ref(n)] {
			t.Errorf("%s (%s) is in the story; want it outside", n, tp.procs[n].CommandLine)
		}
	}
}

func wantEdge(t *testing.T, s incident.Story, kind string, n int) {
	t.Helper()
	got := 0
	for _, e := range s.Edges {
		if e.Kind == kind {
			got++
			if len(e.EventIDs) == 0 || e.Reason.En == "" || e.Reason.Ja == "" {
				t.Errorf("edge %s has no event or no reason: %+v", kind, e)
			}
		}
	}
	if got < n {
		t.Errorf("%d %s edges; want at least %d\n%s", got, kind, n, dump(s))
	}
}

func dump(s incident.Story) string {
	var b strings.Builder
	name := map[string]string{}
	for _, n := range s.Nodes {
		name[n.Ref] = n.Kind + ":" + n.Label
		fmt.Fprintf(&b, "node %-10s %-20s %v <- %s\n", n.Kind, n.Label, n.Flags, n.RowParent)
	}
	for _, e := range s.Edges {
		fmt.Fprintf(&b, "edge %-15s %s -> %s %s %s\n", e.Kind, name[e.From], name[e.To], e.Basis, e.Confidence)
	}
	for _, a := range s.Answers {
		for _, x := range a.Sentences {
			fmt.Fprintf(&b, "%-8s %s\n         %s\n", a.Answer, x.Text.En, x.Text.Ja)
		}
	}
	fmt.Fprintf(&b, "entry %s: stopped %v\n", s.Entry.Route, s.Entry.Stopped)
	return b.String()
}
