package event_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/yagura-edr/yagura/internal/event"
)

func TestClipAndCutStayInBoundsAndKeepCharactersWhole(t *testing.T) {
	for _, c := range []struct {
		s         string
		n         int
		clip, cut string
	}{
		{"abc", 3, "abc", "abc"},
		{"abcd", 3, "…", "abc"},
		{"abcdef", 5, "ab…", "abcde"},
		{"櫓の上", 9, "櫓の上", "櫓の上"},
		{"櫓の上から", 8, "櫓…", "櫓の"},
		{"櫓", 2, "", ""},
		{"abc", -1, "", ""},
	} {
		if clip, cut := event.Clip(c.s, c.n), event.Cut(c.s, c.n); clip != c.clip || cut != c.cut {
			t.Errorf("%q at %d: Clip %q, Cut %q; want %q, %q", c.s, c.n, clip, cut, c.clip, c.cut)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s, n := rapid.String().Draw(t, "s"), rapid.IntRange(0, 40).Draw(t, "n")
		clip, cut := event.Clip(s, n), event.Cut(s, n)
		if len(clip) > n || len(cut) > n || !utf8.ValidString(clip) || !utf8.ValidString(cut) {
			t.Fatalf("%q at %d: %q, %q", s, n, clip, cut)
		}
		if !strings.HasPrefix(s, cut) || !strings.HasPrefix(s, strings.TrimSuffix(clip, "…")) {
			t.Fatalf("%q at %d: %q, %q are not its beginning", s, n, clip, cut)
		}
	})
}
