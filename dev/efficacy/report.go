//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// result is what a run keeps.
type result struct {
	Commit  string         `json:"commit"`
	Kernel  string         `json:"kernel"`
	Time    time.Time      `json:"time"`
	Seconds float64        `json:"seconds"`
	Whole   bool           `json:"whole"` // every test that counts was tried
	Sums    map[string]sum `json:"sums"`  // by class and mode: "attack c"
	Stray   int            `json:"stray"` // detections that no room made
	Tests   []line         `json:"tests"`
}

type sum struct {
	Tests    int `json:"tests"`
	Detected int `json:"detected"`
	High     int `json:"high"`
}

// line is one test in one mode.
type line struct {
	Test     string   `json:"test"`
	Mode     string   `json:"mode"`
	Class    string   `json:"class"`
	Tactic   string   `json:"tactic"`
	Name     string   `json:"name"`
	Detected bool     `json:"detected"`
	Severity string   `json:"severity,omitempty"` // the worst
	Rules    []string `json:"rules,omitempty"`
	Exit     int      `json:"exit"`
	Timeout  bool     `json:"timeout,omitempty"`
	Unmet    []string `json:"unmet,omitempty"`
	Problem  string   `json:"problem,omitempty"`
}

// report asks what was seen, assigns it, prints the tables and keeps the result.
func (m *measurement) report(ctx context.Context, h *house, all []*attempt, begin time.Time, stdout io.Writer) error {
	if err := h.settle(ctx); err != nil {
		return err
	}
	found, cgroups, err := h.detections(ctx)
	if err != nil {
		return err
	}
	rooms := map[string]*attempt{}
	for _, a := range all {
		rooms[a.name()] = a
	}
	r := result{Commit: m.commit, Kernel: release(), Time: begin.UTC(), Seconds: time.Since(begin).Seconds(), Whole: len(m.only) == 0, Sums: map[string]sum{}}
	beside := map[string]int{}
	for _, d := range found {
		if a := rooms[cgroups[d.Event]]; a != nil {
			a.found = append(a.found, d)
		} else if d.counts() && cgroups[d.Event] != prepare { // getting a tool is no part of its test
			r.Stray++
			beside[d.Title.En+": "+d.Image]++
		}
	}
	for _, what := range slices.Sorted(maps.Keys(beside)) {
		_, _ = fmt.Fprintf(m.log, "efficacy: beside the rooms: %d× %s\n", beside[what], what)
	}
	for _, a := range all {
		l := a.line()
		r.Tests = append(r.Tests, l)
		s := r.Sums[l.Class+" "+l.Mode]
		s.Tests++
		if l.Detected {
			s.Detected++
		}
		if rank(l.Severity) >= 3 {
			s.High++
		}
		r.Sums[l.Class+" "+l.Mode] = s
	}
	before := m.last()
	table(stdout, &r)
	compare(stdout, before, &r)
	if err := m.keep(&r); err != nil {
		return err
	}
	return h.export(ctx, filepath.Join(m.out, "events"), begin)
}

func (a *attempt) line() line {
	l := line{Test: a.test.ID, Mode: a.mode, Class: a.test.class, Tactic: a.test.tactic, Name: a.test.Name, Exit: a.outcome.Exit, Timeout: a.outcome.Timeout, Unmet: a.outcome.Unmet}
	if a.err != nil {
		l.Problem = a.err.Error()
	}
	slices.SortStableFunc(a.found, func(x, y detection) int { return cmp.Compare(rank(y.Severity), rank(x.Severity)) })
	for i := range a.found {
		d := &a.found[i]
		if !d.counts() || slices.Contains(l.Rules, d.Title.En) {
			continue
		}
		if !l.Detected {
			l.Detected, l.Severity = true, d.Severity
		}
		l.Rules = append(l.Rules, d.Title.En)
	}
	return l
}

// table prints a line a test, by class, and the sums.
func table(w io.Writer, r *result) {
	byTest := map[string]map[string]line{}
	var order []line
	for _, l := range r.Tests {
		if byTest[l.Test] == nil {
			byTest[l.Test] = map[string]line{}
			order = append(order, l)
		}
		byTest[l.Test][l.Mode] = l
	}
	slices.SortStableFunc(order, func(a, b line) int { return strings.Compare(a.Class, b.Class) })
	_, _ = fmt.Fprintf(w, "%-14s %-7s %-20s %-9s %-9s %s\n", "test", "class", "tactic", "sh -c", "script", "rules, or what the test is")
	for _, l := range order {
		c, s := byTest[l.Test]["c"], byTest[l.Test]["script"]
		text := slices.Clone(c.Rules)
		for _, rule := range s.Rules {
			if !slices.Contains(text, rule) {
				text = append(text, rule)
			}
		}
		what := strings.Join(text, "; ")
		if what == "" {
			what = "(" + short(l.Name, 70) + ")"
		}
		_, _ = fmt.Fprintf(w, "%-14s %-7s %-20s %-9s %-9s %s\n", l.Test, l.Class, l.Tactic, c.mark(), s.mark(), what)
	}
	type key struct{ tactic, mode string }
	tactics, n := []string{}, map[key]sum{}
	for _, l := range r.Tests {
		if l.Class != "attack" {
			continue
		}
		k := key{l.Tactic, l.Mode}
		if !slices.Contains(tactics, l.Tactic) {
			tactics = append(tactics, l.Tactic)
		}
		s := n[k]
		s.Tests++
		if l.Detected {
			s.Detected++
		}
		n[k] = s
	}
	slices.Sort(tactics)
	_, _ = fmt.Fprintf(w, "\n%-22s %-9s %s\n", "attack-like, tactic", "sh -c", "script")
	for _, t := range tactics {
		_, _ = fmt.Fprintf(w, "%-22s %-9s %s\n", t, n[key{t, "c"}].of(), n[key{t, "script"}].of())
	}
	_, _ = fmt.Fprintln(w)
	for _, k := range []struct{ class, says string }{{"attack", "attack-like detected"}, {"benign", "benign-like detected (0 is right)"}, {"skip", "others detected"}} {
		c, s := r.Sums[k.class+" c"], r.Sums[k.class+" script"]
		if c.Tests+s.Tests > 0 {
			_, _ = fmt.Fprintf(w, "%-36s sh -c %s (high or critical %d), script %s (high or critical %d)\n", k.says, c.rate(), c.High, s.rate(), s.High)
		}
	}
	_, _ = fmt.Fprintf(w, "%-36s %d\n%-36s %.0f s on %s, %s\n", "detections beside the rooms", r.Stray, "took", r.Seconds, r.Kernel, r.Commit)
}

func (l line) mark() string {
	switch {
	case l.Problem != "":
		return "no room"
	case l.Detected:
		return l.Severity
	case l.Timeout:
		return "- (time)"
	case l.Exit != 0:
		return fmt.Sprintf("- (%d)", l.Exit)
	}
	return "-"
}

func (s sum) of() string { return fmt.Sprintf("%d/%d", s.Detected, s.Tests) }

func (s sum) rate() string {
	return fmt.Sprintf("%d of %d = %.0f %%", s.Detected, s.Tests, 100*float64(s.Detected)/float64(max(s.Tests, 1)))
}

// last gives the newest earlier run for each test and mode: what a run of some tests did not try stands as it was.
func (m *measurement) last() map[string]line {
	before := map[string]line{}
	b, err := os.ReadFile(filepath.Join(m.out, "history.ndjson"))
	if err != nil {
		return before
	}
	for text := range bytes.Lines(b) {
		var r result
		if json.Unmarshal(text, &r) != nil {
			continue
		}
		for _, l := range r.Tests {
			before[l.Test+" "+l.Mode] = l
		}
	}
	return before
}

// compare says which tests are seen now and were not before, and the other way round.
func compare(w io.Writer, before map[string]line, r *result) {
	var won, gone []string
	for _, l := range r.Tests {
		was, known := before[l.Test+" "+l.Mode]
		switch {
		case known && !was.Detected && l.Detected:
			won = append(won, l.Test+" "+l.Mode)
		case known && was.Detected && !l.Detected:
			gone = append(gone, l.Test+" "+l.Mode)
		}
	}
	if len(before) > 0 {
		_, _ = fmt.Fprintf(w, "since the last run: %d newly detected, %d no longer\n", len(won), len(gone))
		for _, list := range []struct{ sign, text string }{{"+", strings.Join(won, ", ")}, {"-", strings.Join(gone, ", ")}} {
			if list.text != "" {
				_, _ = fmt.Fprintf(w, "  %s %s\n", list.sign, list.text)
			}
		}
	}
}

func (m *measurement) keep(r *result) error {
	pretty, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.out, "result.json"), append(pretty, '\n'), 0o644); err != nil {
		return err
	}
	one, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(m.out, "history.ndjson"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(one, '\n'))
	return cmp.Or(err, f.Close())
}

func release() string {
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(b))
}

func short(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}
