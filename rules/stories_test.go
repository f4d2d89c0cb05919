package rules_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/rules"
)

// testdata/events holds acts of attackers and of ordinary servers, one a line: a name, what is expected of all rules
// together, and the event as the sensor would send it. Whoever meets an act that was judged wrongly adds its line.
//
// expect: of an attack "medium" (some rule says medium or more) or "weak" (some rule says anything); of an ordinary act
// "quiet" (at most informational or low, nobody is paged), "low" (the same, and an administrator may want to see it) or
// "medium" (never high: what a careful site may still want to know, such as an installer piped into a shell).
func TestActsOfAttackersAndOfOrdinaryServers(t *testing.T) {
	set, err := rules.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"attack.ndjson", "ordinary.ndjson"} {
		attack := file == "attack.ndjson"
		raw, err := os.ReadFile(filepath.Join("testdata", "events", file))
		if err != nil {
			t.Fatal(err)
		}
		names, n := map[string]bool{}, 0
		for line := range strings.Lines(string(raw)) {
			n++
			var act struct {
				Name, Expect string
				Event        json.RawMessage
			}
			if err := json.Unmarshal([]byte(line), &act); err != nil || act.Name == "" || names[act.Name] {
				t.Errorf("%s:%d: %q: %v: every line is an object with a name of its own", file, n, act.Name, err)
				continue
			}
			names[act.Name] = true
			e, err := event.FromJSON(act.Event)
			if err != nil {
				t.Errorf("%s:%d %s: %v", file, n, act.Name, err)
				continue
			}
			worst, said := judge(set, e)
			ok := false
			switch {
			case attack && act.Expect == "medium":
				ok = worst >= detection.Medium
			case attack && act.Expect == "weak":
				ok = len(said) > 0
			case !attack && (act.Expect == "quiet" || act.Expect == "low"):
				ok = worst < detection.Medium
			case !attack && act.Expect == "medium":
				ok = worst <= detection.Medium
			}
			if !ok {
				t.Errorf("%s:%d %s: expected %s, judged %v", file, n, act.Name, act.Expect, said)
			}
			if testing.Verbose() {
				t.Logf("%s:%d %s: %v", file, n, act.Name, said)
			}
		}
	}
}
