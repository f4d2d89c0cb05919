package scenario

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/tools/txtar"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/eventtest"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/sigma"
	"github.com/yagura-edr/yagura/internal/tenant"
	"github.com/yagura-edr/yagura/rules"
)

// TestScenarios judges each list with our own rules and reads the incidents from the database.
func TestScenarios(t *testing.T) {
	set, err := rules.Load()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d scenarios, %v; want at least 8", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if first, _, _ := strings.Cut(string(a.Comment), ":"); first != "authored" && first != "recorded" {
				t.Fatalf("the first word is %q; want authored or recorded", first)
			}
			var want, lines string
			for _, x := range a.Files {
				switch x.Name {
				case "want":
					want = string(x.Data)
				case "events.ndjson":
					lines = string(x.Data)
				}
			}
			holds := func(order string, list []event.Stamped) {
				stories := run(t, set, list)
				for w := range strings.SplitSeq(strings.TrimSpace(want), "\n") {
					if why := check(stories, w); why != "" {
						t.Errorf("%s: %s: %s", order, w, why)
					}
				}
			}
			list, err := eventtest.Read(lines)
			if err != nil {
				t.Fatal(err)
			}
			holds("in order", list)
			for seed := range uint64(25) {
				holds(fmt.Sprint("lanes in order ", seed), eventtest.Interleave(list, seed))
			}
		})
	}
}

func run(t *testing.T, set *sigma.Ruleset, list []event.Stamped) []incident.Story {
	t.Helper()
	db, err := controldb.Open(t.Context(), filepath.Join(t.TempDir(), "c.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	tn := tenant.ID(uuid.MustParse("01900000-0000-7000-8000-0000000000ff"))
	desk := incident.New(incident.Options{Store: db.Incidents()})
	scratch, record := set.Scratch(), new(sigma.EventRecord)
	n := 0
	for i, s := range list {
		desk.Observe(t.Context(), tn, list[i:i+1])
		record.Set(s.Event)
		for _, hit := range scratch.Judge(record, sigma.SkipFor(s.Event)) {
			n++
			if err := desk.Receive(t.Context(), detection.Detection{
				ID: detection.NewID(hit.Rule.ID, "1", s.ID), Tenant: tn, RuleID: hit.Rule.ID, RuleVersion: "1",
				Title: hit.Rule.Title, Severity: hit.Rule.Severity, ATTACK: hit.Rule.ATTACK, Event: s, Detected: s.Event.Time,
			}); err != nil {
				t.Fatal(err)
			}
		}
		if i%7 == 0 { // as time goes by, not all at the end
			if err := desk.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := desk.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events, %d detections", len(list), n)
	rows, err := desk.List(t.Context(), tn, incident.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var out []incident.Story
	for _, r := range rows {
		k, _, err := desk.Get(t.Context(), tn, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		var s incident.Story
		if err := json.Unmarshal(k.Story, &s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// check says what is wrong with one line of what is wanted, "" when nothing is.
func check(stories []incident.Story, line string) string {
	verb, rest, _ := strings.Cut(line, " ")
	has := func(s incident.Story, part string) bool {
		return slices.ContainsFunc(s.Nodes, func(n incident.Node) bool {
			return n.Kind == incident.NodeProcess && strings.Contains(n.CommandLine, part) && !slices.Contains(n.Flags, incident.FlagContext)
		})
	}
	edges := func(kind string) (n int) {
		for _, s := range stories {
			for _, e := range s.Edges {
				if e.Kind == kind {
					n++
				}
			}
		}
		return n
	}
	switch verb {
	case "incidents":
		if n, _ := strconv.Atoi(rest); len(stories) != n {
			return fmt.Sprintf("there are %d", len(stories))
		}
	case "route":
		for _, s := range stories {
			if s.Entry.Route != rest {
				return fmt.Sprintf("it is %s (%s)", s.Entry.Route, s.Entry.Stopped.Why.En)
			}
			if rest == "unknown" && (s.Entry.Stopped.Why.En == "" || s.Entry.Stopped.Why.Ja == "") {
				return "without a reason in both languages"
			}
		}
	case "in":
		if !slices.ContainsFunc(stories, func(s incident.Story) bool { return has(s, rest) }) {
			return "no story has it"
		}
	case "at-most", "beside":
		want, _ := strconv.Atoi(rest)
		for _, s := range stories {
			got := s.LeftOut.Beside
			if verb == "at-most" {
				got = 0
				for _, n := range s.Nodes {
					if n.Kind == incident.NodeProcess {
						got++
					}
				}
			}
			if verb == "at-most" && got > want || verb == "beside" && got < want {
				return fmt.Sprintf("there are %d", got)
			}
		}
	case "steps":
		for _, s := range stories {
			if strconv.Itoa(len(s.Entry.Steps)) != rest {
				return fmt.Sprintf("there are %d", len(s.Entry.Steps))
			}
		}
	case "out":
		if slices.ContainsFunc(stories, func(s incident.Story) bool { return has(s, rest) }) {
			return "a story has it"
		}
	case "apart":
		a, b, _ := strings.Cut(rest, " | ")
		for _, s := range stories {
			if has(s, a) == has(s, b) {
				return "one story has both or none"
			}
		}
	case "edge":
		if edges(rest) == 0 {
			return "no story has one"
		}
	case "no-edge":
		if edges(rest) != 0 {
			return "a story has one"
		}
	case "related":
		n := 0
		for _, s := range stories {
			n += len(s.Related)
		}
		if strconv.Itoa(n) != rest {
			return fmt.Sprintf("there are %d", n)
		}
	default:
		return "no such check"
	}
	return ""
}
