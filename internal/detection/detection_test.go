package detection_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

func TestTheSameRuleVersionAndEventGiveTheSameID(t *testing.T) {
	e := event.ID{Host: event.HostID{1}, Stream: 1<<64 - 1, Lane: event.Bulk, Seq: 7}
	id := detection.NewID("rule", "1", e)
	if again := detection.NewID("rule", "1", e); again != id {
		t.Errorf("judged twice: %s and %s", id, again)
	}
	if !regexp.MustCompile(`^d-[0-9a-f]{32}$`).MatchString(id) {
		t.Errorf("the id is %q", id)
	}
	// The id stands in databases, links and mails: it may never change.
	if want := "d-11a7c9291c40dddbed7541e20431a723"; id != want {
		t.Errorf("the id is %s; want %s as ever before", id, want)
	}
}

func TestAnythingElseGivesAnotherID(t *testing.T) {
	e := event.ID{Host: event.HostID{1}, Stream: 2, Lane: event.Bulk, Seq: 7}
	ids := map[string]string{}
	add := func(what, rule, version string, e event.ID) {
		id := detection.NewID(rule, version, e)
		if other, ok := ids[id]; ok {
			t.Errorf("%s and %s have one id", what, other)
		}
		ids[id] = what
	}
	add("the first", "rule", "1", e)
	add("another rule", "rule2", "1", e)
	add("another version", "rule", "2", e)
	other := e
	other.Seq++
	add("the next event", "rule", "1", other)
	other = e
	other.Lane = event.Critical
	add("another lane", "rule", "1", other)
	other = e
	other.Stream++
	add("another stream", "rule", "1", other)
	other = e
	other.Host[15] = 1
	add("another host", "rule", "1", other)
	add("a rule that ends as a version begins", "rul", "e1", e)
}

func TestSeveritiesAreOrderedAndReadBackAsTheyAreNamed(t *testing.T) {
	var last detection.Severity
	for _, name := range []string{"informational", "low", "medium", "high", "critical"} {
		s, err := detection.ParseSeverity(name)
		if err != nil || s <= last || s.String() != name {
			t.Errorf("ParseSeverity(%q) = %d %q, %v; want it above %d", name, s, s, err, last)
		}
		last = s
	}
	for _, bad := range []string{"", "High", "severity-0", "none", "6", " low"} {
		if s, err := detection.ParseSeverity(bad); err == nil {
			t.Errorf("ParseSeverity(%q) = %s; want an error", bad, s)
		}
	}
	// A number of a newer server is shown, never taken for a severity that is known.
	if got := detection.Severity(99).String(); got != "severity-99" {
		t.Errorf("an unknown severity reads %q", got)
	}
}

func TestASentenceIsEnglishWhereItsLanguageIsMissing(t *testing.T) {
	both, en := detection.Said{En: "host", Ja: "ホスト"}, detection.Said{En: "host"}
	for _, ask := range []struct {
		s    detection.Said
		lang string
		want string
	}{{both, "en", "host"}, {both, "ja", "ホスト"}, {both, "", "host"}, {both, "de", "host"}, {en, "ja", "host"}} {
		if got := ask.s.In(ask.lang); got != ask.want {
			t.Errorf("%+v in %q = %q; want %q", ask.s, ask.lang, got, ask.want)
		}
	}
	// Stories and notices are stored with these keys.
	if b, err := json.Marshal(both); err != nil || string(b) != `{"en":"host","ja":"ホスト"}` {
		t.Errorf("a sentence is stored as %s, %v", b, err)
	}
}
