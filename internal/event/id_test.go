package event_test

import (
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
)

// One thing has one name: every other spelling is refused, or two names would stand for one event.
func TestIDsHaveOneSpelling(t *testing.T) {
	id := event.ID{Host: goldenHost, Stream: 0xBEEF, Lane: event.Network, Seq: 12}
	if got, want := id.String(), "h-01930000-0000-7000-8000-000000000001/e-000000000000beef.1.12"; got != want {
		t.Errorf("ID.String() = %s; want %s", got, want)
	}
	if back, err := event.ParseID(id.String()); err != nil || back != id {
		t.Errorf("ParseID(%s) = %v, %v", id, back, err)
	}
	h := goldenHost.String()
	for _, s := range []string{
		"", "h-", h, h + "/e-beef.1.12", h + "/e-000000000000BEEF.1.12", h + "/e-000000000000beef.01.12", h + "/e-000000000000beef.1.+12",
		h + "/e-000000000000beef.256.1", h + "/e-000000000000beef.1", h + "/e-000000000000beef.1.2.3", strings.ToUpper(h) + "/e-000000000000beef.1.1",
		"h-{01930000-0000-7000-8000-000000000001}/e-000000000000beef.1.1",
	} {
		if got, err := event.ParseID(s); err == nil {
			t.Errorf("ParseID(%q) = %v; want an error", s, got)
		}
	}
	for _, s := range []string{"h-urn:uuid:01930000-0000-7000-8000-000000000001", "h-01930000000070008000000000000001", "h-h-", "t-01930000-0000-7000-8000-000000000001"} {
		if got, err := event.ParseHostID(s); err == nil {
			t.Errorf("ParseHostID(%q) = %v; want an error", s, got)
		}
	}
}

func TestProcessKeys(t *testing.T) {
	k := event.LinuxKey(81_200_000_000, 4242, 7)
	if k == event.LinuxKey(81_200_000_000, 4242, 8) || k == event.LinuxKey(81_200_000_001, 4242, 7) || k == event.LinuxKey(81_200_000_000, 4243, 7) {
		t.Errorf("keys of different processes are equal")
	}
	if a, again := event.ImportKey(goldenHost, "a"), event.ImportKey(goldenHost, "a"); a != again || a == event.ImportKey(goldenHost, "b") {
		t.Errorf("imported keys do not follow their names")
	}
	ref := event.Ref{Host: goldenHost, Key: k}
	if back, err := event.ParseRef(ref.String()); err != nil || back != ref {
		t.Errorf("ParseRef(%s) = %v, %v", ref, back, err)
	}
	text := k.String()
	last := text[len(text)-1]
	for _, s := range []string{
		"", "p-", text[1:], text + "a", strings.ToUpper(text), text[:len(text)-2] + "\n\n",
		text[:len(text)-1] + string(last+1), // the last letter holds two bits too many: only one spelling is right
	} {
		if got, err := event.ParseKey(s); err == nil {
			t.Errorf("ParseKey(%q) = %v; want an error", s, got)
		}
	}
	if got := (event.Key{}).String(); got != "" {
		t.Errorf("the zero key is written %q; want nothing", got)
	}
}

func TestKindNamesLanesAndClasses(t *testing.T) {
	for k := event.Kind(1); k < 200; k++ {
		name := k.String()
		back, ok := event.ParseKind(name)
		if strings.HasPrefix(name, "kind-") {
			if ok || k.Lane() != event.Bulk || k.Class() != "other" {
				t.Errorf("unknown kind %d: parses %v, lane %v, class %s", k, ok, k.Lane(), k.Class())
			}
			continue
		}
		if !ok || back != k {
			t.Errorf("ParseKind(%q) = %v, %v; want %v", name, back, ok, k)
		}
	}
}
