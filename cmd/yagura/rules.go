package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/sigma"
	"github.com/yagura-edr/yagura/rules"
)

type rulesVerb struct {
	List  rulesListVerb  `cmd:"" help:"List the rules of the running server, or with --local those that this program would load."`
	Check rulesCheckVerb `cmd:"" help:"Say which rules load, which do not, and why; our own must also be complete in both languages."`
	Test  rulesTestVerb  `cmd:"" help:"Run every rule over its samples."`
}

type rulesListVerb struct {
	Local bool     `help:"Do not ask a server."`
	Rules []string `help:"Further folders of Sigma rules (with --local)." placeholder:"DIR"`
}

// Help shows examples.
func (rulesListVerb) Help() string {
	return "Examples:\n  yagura rules list\n  yagura rules list --local --json # what this program brings, without a server"
}

// Run lists rules.
func (v rulesListVerb) Run(s *shell) error {
	var m *consolev1.ListRulesResponse
	if v.Local || len(v.Rules) > 0 {
		set, err := rules.Load(v.Rules...)
		if err != nil {
			return fmt.Errorf("load rules: %w", err)
		}
		m = rulesMessage(set, nil, []event.OS{event.Linux})
	} else {
		r, err := s.console().ListRules(s.ctx, connect.NewRequest(&consolev1.ListRulesRequest{}))
		if err != nil {
			return s.explain("list rules", err)
		}
		m = r.Msg
	}
	if s.json {
		return s.printJSON(listedRules(m))
	}
	fire := 0
	var rows [][]string
	for _, r := range m.Rules {
		if r.CanFire {
			fire++
		}
		rows = append(rows, []string{s.severity(r.Level), s.said(r.Title), fmt.Sprint(r.Hits), s.tongue.Text(r.BlindReason), filterTitles(r), techniques(r.Attack), r.Logsource, r.File})
	}
	s.table([]string{"LEVEL", "RULE", "HITS", "CANNOT FIRE", "FILTERS", "ATT&CK", "LOG SOURCE", "FILE"}, rows)
	for _, w := range m.Warnings {
		s.printf("%s\n", event.Show(s.say("warning: %s", s.tongue.Text(fmt.Sprintf("%s:%d: %s", w.File, w.Line, w.Reason)))))
	}
	for _, r := range m.Rejected {
		s.printf("%s\n", event.Show(s.say("not loaded: %s", s.oddRule(r.File, int(r.Line), r.Class, r.Reason))))
	}
	s.printf("%s\n", s.say("%d rules, %d of them can fire here, %d rejected", len(m.Rules), fire, len(m.Rejected)))
	return nil
}

func filterTitles(r *consolev1.Rule) string {
	var out []string
	for _, f := range r.Filters {
		t := f.Title
		if f.Wide {
			t = "!" + t // it hides what it does not name
		}
		out = append(out, t)
	}
	return strings.Join(out, ", ")
}

// listedRules is what scripts read: every rule with every key, and behind them the documents that were not loaded, which
// have the key rejected.
func listedRules(m *consolev1.ListRulesResponse) []any {
	type rule struct {
		*consolev1.Rule
		BlindFields []string                `json:"blind_fields"`
		CanFire     bool                    `json:"can_fire"`
		BlindReason string                  `json:"blind_reason"`
		Filters     []*consolev1.RuleFilter `json:"filters"`
		Hits        uint64                  `json:"hits"`
		Ours        bool                    `json:"ours"`
	}
	type document struct {
		File     string `json:"file"`
		Line     uint32 `json:"line"`
		ID       string `json:"id"`
		Class    string `json:"class"`
		Rejected string `json:"rejected"`
	}
	out := []any{}
	for _, r := range m.Rules {
		out = append(out, rule{r, append([]string{}, r.BlindFields...), r.CanFire, r.BlindReason, append([]*consolev1.RuleFilter{}, r.Filters...), r.Hits, r.Ours})
	}
	for _, r := range m.Rejected {
		out = append(out, document{r.File, r.Line, r.Id, r.Class, r.Reason})
	}
	return out
}

type rulesCheckVerb struct {
	Rules []string `help:"Further folders of Sigma rules." placeholder:"DIR"`
	OS    []string `name:"os" enum:"linux,windows,macos" default:"linux" help:"Systems of the fleet, to count the rules that can fire there." placeholder:"OS"`
}

// Help shows examples.
func (rulesCheckVerb) Help() string {
	return "Exit code 1: a rule of ours is wrong; 3: rules of the folder were not loaded, or a filter hides more than it names.\n\nExamples:\n  yagura rules check\n  yagura rules check --rules ~/sigma/rules/linux"
}

// Run checks our rules and lists what was rejected. Rejected rules of other people are exit code 3.
func (v rulesCheckVerb) Run(s *shell) error {
	problems, err := rules.Check(rules.Content())
	if err != nil {
		return fmt.Errorf("check rules: %w", err)
	}
	set, err := rules.Load(v.Rules...)
	if err != nil {
		return fmt.Errorf("load rules: %w", err)
	}
	var fleet []event.OS
	for _, os := range []event.OS{event.Linux, event.Windows, event.MacOS} {
		if slices.Contains(v.OS, os.String()) {
			fleet = append(fleet, os)
		}
	}
	blind, fire := map[string]int{}, 0
	for _, sight := range set.Sights(fleet...) {
		if sight.CanFire {
			fire++
		} else {
			blind[sight.Reason]++
		}
	}
	rejected, warnings := set.Rejected(), set.Warnings()
	reasons := map[string]int{}
	for _, r := range rejected {
		reasons[r.Class]++
	}
	type exception struct {
		File   string `json:"file"`
		ID     string `json:"id"`
		Reason string `json:"reason"`
	}
	trusting := []exception{}
	for _, r := range set.Rules() {
		if r.Ours {
			for _, why := range rules.Trusting(r) {
				trusting = append(trusting, exception{r.File, r.ID, why})
			}
		}
	}
	if s.json {
		out := map[string]any{
			"trusting": trusting,
			"loaded":   len(set.Rules()), "can_fire": fire, "cannot_fire": blind, "os": v.OS, "problems": append([]rules.Problem{}, problems...),
			"rejected": append([]sigma.RejectedRule{}, rejected...), "rejected_by_class": reasons, "warnings": append([]sigma.Warning{}, warnings...),
		}
		if err := s.printJSON(out); err != nil {
			return err
		}
	} else {
		for _, p := range problems {
			s.printf("%s\n", event.Show(s.tongue.Text(p.String())))
		}
		for _, r := range rejected {
			s.printf("%s\n", event.Show(s.oddRule(r.File, r.Line, r.Class, r.Reason)))
		}
		for _, w := range warnings {
			s.printf("%s\n", event.Show(s.say("warning: %s", s.oddRule(w.File, w.Line, w.Class, w.Reason))))
		}
		s.printf("%s\n", s.say("%d rules loaded, %d rejected, %d problems in our own, %d warnings", len(set.Rules()), len(rejected), len(problems), len(warnings)))
		for _, class := range slices.Sorted(maps.Keys(reasons)) {
			s.printf("  %s: %d\n", s.say(class), reasons[class])
		}
		s.printf("%s\n", s.say("%d of them can fire on this fleet (%s)", fire, strings.Join(v.OS, ", ")))
		for _, why := range slices.Sorted(maps.Keys(blind)) {
			s.printf("  %s: %d\n", s.tongue.Text(why), blind[why])
		}
		s.printf("%s\n", s.say("%d exceptions of our own rules rest on nothing but text that the actor writes (listed by --json)", len(trusting)))
	}
	switch {
	case len(problems) > 0:
		return fmt.Errorf("problems in our own rules: %d", len(problems))
	case len(rejected) > 0:
		return partialf("rules not loaded: %d", len(rejected))
	case len(warnings) > 0:
		return partialf("%d warnings about filters", len(warnings))
	}
	return nil
}

// oddRule says which rule is meant, and why. The class is said by itself: a single word is no part that Text would know.
func (s *shell) oddRule(file string, line int, class, reason string) string {
	return fmt.Sprintf("%s:%d: %s: %s", file, line, s.say(class), s.tongue.Text(reason))
}

type rulesTestVerb struct {
	Dir string `arg:"" optional:"" help:"Folder of rules with their .test.yml; our own when left out."`
}

// Help shows examples.
func (rulesTestVerb) Help() string {
	return "Examples:\n  yagura rules test\n  yagura rules test ./rules # a folder, while you write a rule"
}

// Run tests rules.
func (v rulesTestVerb) Run(s *shell) error {
	fsys := rules.Content()
	if v.Dir != "" {
		fsys = os.DirFS(v.Dir)
	}
	report, err := rules.Test(fsys)
	if err != nil {
		return fmt.Errorf("test rules: %w", err)
	}
	if s.json {
		report.Untested, report.Failures = append([]string{}, report.Untested...), append([]rules.Failure{}, report.Failures...)
		report.Rejected = append([]sigma.RejectedRule{}, report.Rejected...)
		if err := s.printJSON(report); err != nil {
			return err
		}
	} else {
		for _, f := range report.Failures {
			s.printf("%s\n", event.Show(s.tongue.Text(f.String())))
		}
		s.printf("%s\n", s.say("%d rules, %d samples, %d failures, %d rules without samples", report.Rules, report.Samples, len(report.Failures), len(report.Untested)))
	}
	if n := len(report.Failures); n > 0 {
		return fmt.Errorf("%d samples came out wrong", n)
	}
	return nil
}
