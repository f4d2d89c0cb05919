package main

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
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
		m = rulesMessage(set, nil)
	} else {
		r, err := s.console().ListRules(s.ctx, connect.NewRequest(&consolev1.ListRulesRequest{}))
		if err != nil {
			return s.explain("list rules", err)
		}
		m = r.Msg
	}
	if s.json {
		return s.printJSON(m.Rules)
	}
	var rows [][]string
	for _, r := range m.Rules {
		rows = append(rows, []string{s.severity(r.Level), s.said(r.Title), fmt.Sprint(r.Hits), techniques(r.Attack), r.Logsource, r.File})
	}
	s.table([]string{"LEVEL", "RULE", "HITS", "ATT&CK", "LOG SOURCE", "FILE"}, rows)
	s.printf("%s\n", s.say("%d rules, %d rejected (`yagura rules check` says why)", len(m.Rules), len(m.Rejected)))
	return nil
}

type rulesCheckVerb struct {
	Rules []string `help:"Further folders of Sigma rules." placeholder:"DIR"`
}

// Help shows examples.
func (rulesCheckVerb) Help() string {
	return "Exit code 1: a rule of ours is wrong; 3: rules of the folder were not loaded.\n\nExamples:\n  yagura rules check\n  yagura rules check --rules ~/sigma/rules/linux"
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
	rejected := set.Rejected()
	if s.json {
		out := map[string]any{"loaded": len(set.Rules()), "problems": problems, "rejected": rejected}
		if err := s.printJSON(out); err != nil {
			return err
		}
	} else {
		for _, p := range problems {
			s.printf("%s\n", event.Show(s.tongue.Text(p.String())))
		}
		reasons := map[string]int{}
		for _, r := range rejected {
			s.printf("%s\n", event.Show(s.tongue.Text(r.String())))
			reasons[r.Class]++
		}
		s.printf("%s\n", s.say("%d rules loaded, %d rejected, %d problems in our own", len(set.Rules()), len(rejected), len(problems)))
		for _, class := range slices.Sorted(maps.Keys(reasons)) {
			s.printf("  %s: %d\n", s.tongue.Text(class), reasons[class])
		}
	}
	switch {
	case len(problems) > 0:
		return fmt.Errorf("%d problems in our own rules", len(problems))
	case len(rejected) > 0:
		return partialf("%d rules were not loaded", len(rejected))
	}
	return nil
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
