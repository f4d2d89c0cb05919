package rules

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
)

// Least number of samples of a rule.
const (
	MinPositive = 2
	MinNearMiss = 3
)

// Problem is one thing that keeps a rule from being ours.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Reason) }

// Check reads every rule of fsys as one of ours and says what is wrong with it: not loadable, no
// {en, ja} title, why or todo, no author or licence, no ATT&CK technique and tactic, a field no sensor
// fills, too few samples, or a banned word (names, paths and ports of our own attack scripts: a rule
// that knows the test proves nothing).
func Check(fsys fs.FS, banned ...string) ([]Problem, error) {
	b := sigma.NewBuilder()
	if err := b.AddFS(fsys, ""); err != nil {
		return nil, fmt.Errorf("check rules: %w", err)
	}
	set := b.Build()
	var out []Problem
	for _, r := range set.Rejected() {
		out = append(out, Problem{r.File, r.Line, r.Class + ": " + r.Reason})
	}
	for _, r := range set.Rules() {
		found, err := checkRule(fsys, r, banned)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

func checkRule(fsys fs.FS, r *sigma.Rule, banned []string) (out []Problem, err error) {
	say := func(line int, format string, a ...any) {
		out = append(out, Problem{r.File, line, fmt.Sprintf(format, a...)})
	}
	if !r.Ours {
		say(r.Line, "no yagura block: title, why and todo in en and ja")
	}
	for what, s := range map[string]detection.Said{"yagura.title.ja": r.Title, "yagura.why.ja": r.Why, "yagura.todo.ja": r.Todo} {
		if s.Ja != "" && !japanese(s.Ja) {
			say(r.Line, "%s holds no Japanese", what)
		}
		s.Ja = strings.NewReplacer("疑似端末", "", "端末装置", "").Replace(s.Ja) // a tty, not a computer
		for _, w := range [...]string{"端末を", "端末で", "端末の", "エンドポイント"} {
			if strings.Contains(s.Ja, w) {
				say(r.Line, "%s: a computer is ホスト, not %s", what, w)
			}
		}
		if strings.Contains(strings.ReplaceAll(s.Ja, "ネットワーク隔離", ""), "隔離") {
			say(r.Line, "%s: 隔離 is never written alone: ネットワーク隔離 or ファイル検疫", what)
		}
	}
	if r.Author == "" || r.Licence == "" {
		say(r.Line, "no author or no license")
	}
	tactic, technique := false, false
	for _, a := range r.ATTACK {
		if strings.HasPrefix(a, "tactic:") {
			tactic = true
		} else {
			technique = true
		}
	}
	if (!tactic || !technique) && r.Severity > detection.Informational {
		say(r.Line, "tags name no ATT&CK tactic or no technique")
	}
	for _, f := range sigma.Blind(r, event.Linux) {
		say(r.Line, "no sensor provides %s: the rule can never fire", f)
	}
	_, refused := trusting(r)
	for _, why := range refused {
		say(r.Line, "exception %s: name a proven role (Lineage) or the program's whole path", why)
	}
	raw, err := fs.ReadFile(fsys, r.File)
	if err != nil {
		return nil, fmt.Errorf("check rule: %w", err)
	}
	for i, l := range strings.Split(string(raw), "\n") {
		for _, w := range banned {
			if w != "" && strings.Contains(strings.ToLower(l), strings.ToLower(w)) {
				say(i+1, "banned word %q: a rule must not know the names, paths or ports of our own attack scripts", w)
			}
		}
	}
	s, err := readSamples(fsys, testFile(r.File))
	if err != nil {
		return nil, err
	}
	tools := map[string]bool{}
	for _, p := range s.positive {
		tools[p.tool] = true
	}
	if len(s.positive) < MinPositive || len(tools) < 2 || tools[""] {
		say(1, "%d positive samples from %d tools; at least %d from different tools", len(s.positive), len(tools), MinPositive)
	}
	if len(s.nearMiss) < MinNearMiss {
		say(1, "%d near-misses; at least %d", len(s.nearMiss), MinNearMiss)
	}
	for _, p := range append(s.positive, s.nearMiss...) {
		for f := range p.fields {
			if !sigma.Knows(f) {
				out = append(out, Problem{testFile(r.File), p.line, fmt.Sprintf("no event carries field %s", f)})
			}
		}
	}
	return out, nil
}

func japanese(s string) bool {
	for _, r := range s {
		if r >= 0x3040 && r <= 0x30FF || r >= 0x4E00 && r <= 0x9FFF {
			return true
		}
	}
	return false
}
