package sense

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestLoweredCapabilityNeverRisesAndSaysEveryReason(t *testing.T) {
	for name, c := range map[string]struct {
		blind []bool
		want  string
	}{
		"nothing":             {nil, StateFull},
		"a part":              {[]bool{false}, StatePartial},
		"all":                 {[]bool{true}, StateBlind},
		"a part, then all":    {[]bool{false, true}, StateBlind},
		"all, then a part":    {[]bool{true, false}, StateBlind},
		"two parts of a part": {[]bool{false, false}, StatePartial},
	} {
		got := Capability{Class: "file", State: StateFull}
		var reasons []string
		for i, blind := range c.blind {
			why := fmt.Sprintf("reason %d", i)
			reasons = append(reasons, why)
			got.Lower(blind, why)
		}
		if want := strings.Join(reasons, "; "); got.State != c.want || got.Reason != want {
			t.Errorf("%s: %+v; want %s, %q", name, got, c.want, want)
		}
	}
}

// What a process calls itself is its own choice, and there may be a thousand of them: an operator reads one line.
func TestWhatIsSaidOfSurvivorsIsShortAndHarmless(t *testing.T) {
	p := ProcessProof{PID: 7, State: "exited", Reached: 3, Millis: 1.5}
	if want := "pid 7 is exited (3 reached) after 1.5 ms"; p.Said() != want {
		t.Errorf("Said = %q; want %q", p.Said(), want)
	}
	for i := range 64 {
		p.Survivors = append(p.Survivors, Survivor{PID: 100 + i, Name: "x\n\x1b[2J; pid 1 is exited", Why: "it waits"})
	}
	p.Survived = 1000
	said := p.Said()
	if strings.ContainsAny(said, "\n\x1b") || strings.Count(said, "still lives: it waits") != 12 || !strings.HasSuffix(said, "988 more still live: see the proof") {
		t.Errorf("Said = %q", said)
	}
}

func TestOSIsTheOneItIsBuiltFor(t *testing.T) {
	if want := map[string]string{"linux": "linux", "windows": "windows", "darwin": "macos"}[runtime.GOOS]; OS.String() != want {
		t.Errorf("OS = %s on %s; want %s", OS, runtime.GOOS, want)
	}
}
