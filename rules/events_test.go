package rules_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
	"github.com/yagura-edr/yagura/rules"
)

// Events that a detection engineer wrote down beside the rules, without knowing them: on each line of attack.ndjson some rule
// says medium or more (low is enough where names.tsv calls the act weak alone), on each line of benign.ndjson none does (low
// at most where an administrator may want to see it, nothing of any level elsewhere but low).
func TestEventsOfOthersAreJudgedRightly(t *testing.T) {
	data := os.Getenv("YAGURA_DATA")
	if data == "" {
		t.Skip("YAGURA_DATA is not set: the events in its folder rule-events are not judged")
	}
	dir := filepath.Join(data, "rule-events")
	names, err := os.ReadFile(filepath.Join(dir, "names.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string][][]byte{}
	for _, file := range []string{"attack.ndjson", "benign.ndjson"} {
		raw, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		lines[file] = bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	}
	set, err := rules.Load()
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	for row := range strings.Lines(string(names)) {
		f := strings.Split(strings.TrimRight(row, "\n"), "\t")
		if f[0] == "file" {
			continue
		}
		n, err := strconv.Atoi(f[1])
		if err != nil || n < 1 || n > len(lines[f[0]]) || len(f) != 6 {
			t.Fatalf("names.tsv: %q: %v", row, err)
		}
		e, err := event.FromJSON(lines[f[0]][n-1])
		if err != nil {
			t.Fatalf("%s:%d: %v", f[0], n, err)
		}
		worst, said := judge(set, e)
		judged++
		switch note := f[5]; {
		case f[0] == "attack.ndjson":
			least := detection.Medium
			if strings.HasPrefix(note, "weak alone") {
				least = detection.Informational
			}
			if worst < least {
				t.Errorf("%s:%d %s: %v", f[0], n, f[2], said)
			}
		case worst >= detection.Medium:
			t.Errorf("%s:%d %s: %v", f[0], n, f[2], said)
		}
		t.Logf("%s:%d %s: %v", f[0], n, f[2], said)
	}
	if judged < 98 {
		t.Errorf("only %d events were judged", judged)
	}
}

// judge gives the worst severity of the rules that fire, and their titles.
func judge(set *sigma.Ruleset, e *event.Event) (worst detection.Severity, said []string) {
	r := new(sigma.EventRecord)
	r.Set(e)
	for _, hit := range set.Scratch().Judge(r, sigma.SkipFor(e)) {
		worst = max(worst, hit.Rule.Severity)
		said = append(said, hit.Rule.Severity.String()+": "+hit.Rule.Title.En)
	}
	return worst, said
}
