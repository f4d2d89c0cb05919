package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

type incidentRow struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
}

type storyNode struct {
	Ref  string `json:"ref"`
	Kind string `json:"kind"`
	PID  uint64 `json:"pid"`
}

type storyJSON struct {
	Nodes []storyNode `json:"nodes"`
	Edges []struct {
		Kind     string   `json:"kind"`
		From     string   `json:"from"`
		To       string   `json:"to"`
		EventIDs []string `json:"event_ids"`
	} `json:"edges"`
	Answers []struct {
		Answer    string `json:"answer"`
		Sentences []struct {
			EventIDs []string `json:"event_ids"`
		} `json:"sentences"`
	} `json:"answers"`
	Entry struct {
		Route string `json:"route"`
	} `json:"entry"`
}

// TestAttackStories runs each harmless attack against a real sensor and server and reads its story in the
// CLI: one new incident with every step's process in it, the edges that make the story, the entry route.
func TestAttackStories(t *testing.T) {
	needRoot(t)
	h := startHouse(t)
	h.reporting()
	for _, story := range []struct {
		name   string
		args   []string
		edges  []string
		entry  []string
		within time.Duration // after the last step
	}{
		{"web-shell", nil, []string{"spawn", "wrote_executed", "downloaded_from"}, []string{"exploited_service"}, 2 * time.Second},
		{"spear-phish", []string{"closed"}, []string{"spawn", "wrote_executed", "downloaded_from"}, []string{"mail_link"}, 2 * time.Second},
		{"spear-phish", []string{"open"}, []string{"spawn", "url_handoff", "wrote_executed", "downloaded_from"}, []string{"mail_link"}, 2 * time.Second},
		{"credential-theft", nil, []string{"spawn"}, nil, 2 * time.Second},
		{"persistence", nil, []string{"spawn", "scheduled_by"}, nil, 5 * time.Second},
		{"fileless", nil, []string{"spawn", "injected"}, nil, 2 * time.Second},
		{"miner-like", nil, []string{"spawn"}, nil, 2 * time.Second},
	} {
		t.Run(strings.Join(append([]string{story.name}, story.args...), "-"), func(t *testing.T) {
			h.t = t
			before := h.incidents()
			steps := runAttack(t, story.name, story.args...)
			var fresh []string
			h.eventually(story.within, "exactly one new incident with every step in its story", func() error {
				if fresh = h.incidentsWith(before, steps); len(fresh) != 1 {
					return fmt.Errorf("new incidents with steps of the attack: %v", fresh)
				}
				var st storyJSON
				h.json(&st, "incidents", "show", fresh[0])
				return st.check(steps, story.edges, story.entry)
			})
			// Two seconds later it is still one: nothing of the same attack became another incident.
			time.Sleep(2 * time.Second)
			if now := h.incidentsWith(before, steps); len(now) != 1 {
				t.Errorf("the attack is in %d incidents: %v; want one", len(now), now)
			}
			var st storyJSON
			h.json(&st, "incidents", "show", fresh[0])
			for _, n := range st.Nodes {
				if n.Kind == "process" {
					var tree map[string]any
					h.json(&tree, "tree", n.Ref)
					break
				}
			}
		})
	}
}

// incidentsWith gives the incidents that are new since before and hold a process of the attack. What else
// goes on on this host may have made others.
func (h *house) incidentsWith(before []string, steps []step) (ids []string) {
	h.t.Helper()
	for _, id := range h.incidents() {
		if slices.Contains(before, id) {
			continue
		}
		var st storyJSON
		h.json(&st, "incidents", "show", id)
		if slices.ContainsFunc(st.Nodes, func(n storyNode) bool {
			return n.Kind == "process" && slices.ContainsFunc(steps, func(s step) bool { return s.pid != 0 && s.pid == n.PID })
		}) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (h *house) incidents() []string {
	h.t.Helper()
	var rows []incidentRow
	h.json(&rows, "incidents")
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

// check says what is missing from a story, nil when nothing is.
func (st *storyJSON) check(steps []step, edges, entry []string) error {
	pids := map[uint64]bool{}
	for _, n := range st.Nodes {
		if n.Kind == "process" {
			pids[n.PID] = true
		}
	}
	for _, s := range steps {
		if s.pid != 0 && !pids[s.pid] {
			return fmt.Errorf("step %q (pid %d) is not in the story of %d nodes", s.name, s.pid, len(st.Nodes))
		}
	}
	for _, want := range edges {
		if !slices.ContainsFunc(st.Edges, func(e struct {
			Kind     string   `json:"kind"`
			From     string   `json:"from"`
			To       string   `json:"to"`
			EventIDs []string `json:"event_ids"`
		}) bool {
			return e.Kind == want && len(e.EventIDs) > 0
		}) {
			return fmt.Errorf("no edge %s with its events", want)
		}
	}
	if len(entry) > 0 && !slices.Contains(entry, st.Entry.Route) {
		return fmt.Errorf("entry route %q; want one of %v", st.Entry.Route, entry)
	}
	if len(st.Answers) < 5 {
		return fmt.Errorf("%d answers; want at least five", len(st.Answers))
	}
	return nil
}

type step struct {
	name string
	pid  uint64
}

// runAttack runs a script of dev/attacks and gives its steps.
func runAttack(t *testing.T, name string, args ...string) []step {
	t.Helper()
	log := filepath.Join(t.TempDir(), "steps.tsv")
	cmd := exec.Command("bash", append([]string{filepath.Join("..", "..", "dev", "attacks", name+".sh")}, args...)...)
	cmd.Env = append(os.Environ(), "ATTACK_LOG="+log)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	f, err := os.Open(log)
	if err != nil {
		t.Fatalf("%s wrote no steps: %v\n%s", name, err, out)
	}
	defer func() { _ = f.Close() }()
	var steps []step
	for sc := bufio.NewScanner(f); sc.Scan(); {
		part := strings.SplitN(sc.Text(), "\t", 3)
		pid, err := strconv.ParseUint(part[1], 10, 64)
		if err != nil {
			t.Fatalf("step %q: %v", sc.Text(), err)
		}
		steps = append(steps, step{name: part[0], pid: pid})
	}
	if len(steps) < 5 {
		t.Fatalf("%s has %d steps; want at least 5", name, len(steps))
	}
	return steps
}
