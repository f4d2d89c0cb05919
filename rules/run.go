package rules

import (
	"fmt"
	"io/fs"

	"github.com/yagura-edr/yagura/internal/sigma"
)

// Failure is a sample that came out wrong.
type Failure struct {
	RuleID string `json:"rule_id"`
	File   string `json:"file"` // of the samples
	Line   int    `json:"line"`
	Want   bool   `json:"want"` // the rule had to fire
}

func (f Failure) String() string {
	if f.Want {
		return fmt.Sprintf("%s:%d: rule %s does not fire on this positive sample", f.File, f.Line, f.RuleID)
	}
	return fmt.Sprintf("%s:%d: rule %s fires on this near-miss", f.File, f.Line, f.RuleID)
}

// Report says what Test did.
type Report struct {
	Rules    int                  `json:"rules"`
	Samples  int                  `json:"samples"`
	Untested []string             `json:"untested"` // rules without samples
	Failures []Failure            `json:"failures"`
	Rejected []sigma.RejectedRule `json:"rejected"`
}

// Test judges the samples of every rule of fsys with that rule alone.
func Test(fsys fs.FS) (Report, error) {
	b := sigma.NewBuilder()
	if err := b.AddFS(fsys, ""); err != nil {
		return Report{}, fmt.Errorf("test rules: %w", err)
	}
	set := b.Build()
	rep := Report{Rejected: set.Rejected()}
	scratch := set.Scratch()
	for _, r := range set.Rules() {
		rep.Rules++
		file := testFile(r.File)
		s, err := readSamples(fsys, file)
		if err != nil {
			return rep, err
		}
		if len(s.positive)+len(s.nearMiss) == 0 {
			rep.Untested = append(rep.Untested, r.File)
		}
		only := func(other *sigma.Rule) bool { return other != r }
		run := func(list []sample, want bool) {
			for _, p := range list {
				rep.Samples++
				if got := len(scratch.Judge(p.record(r), only)) > 0; got != want {
					rep.Failures = append(rep.Failures, Failure{r.ID, file, p.line, want})
				}
			}
		}
		run(s.positive, true)
		run(s.nearMiss, false)
	}
	return rep, nil
}
