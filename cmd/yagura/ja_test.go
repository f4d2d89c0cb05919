package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/say"
	"github.com/yagura-edr/yagura/internal/terminal"
	"github.com/yagura-edr/yagura/internal/terminal/terminaltest"
)

// TestEverySentenceHasItsJapanese holds the tables to the code: nothing is said that has no Japanese, nothing
// is printed past the tables, and no line of a table has outlived its sentence.
func TestEverySentenceHasItsJapanese(t *testing.T) {
	source := terminaltest.Read(t, ".")
	known := terminal.Sentences{}
	for _, table := range []terminal.Sentences{terminal.Shared, say.Help, say.Said, say.Elsewhere, say.Reasons, say.Rules, say.Replay, say.Authority, say.Store, say.Doctor, say.Start} {
		maps.Copy(known, table)
	}
	for _, en := range slices.Sorted(maps.Keys(source.Said)) {
		if known[en] == "" {
			t.Errorf("%s: no Japanese for %q", source.Said[en], en)
		}
	}
	for _, text := range slices.Sorted(maps.Keys(source.Bypasses)) {
		t.Errorf("%s: %q is printed without being looked up", source.Bypasses[text], text)
	}
	for name, table := range map[string]terminal.Sentences{"jaHelp": say.Help, "jaSaid": say.Said} {
		for _, en := range slices.Sorted(maps.Keys(table)) {
			if _, said := source.Said[en]; !said {
				t.Errorf("%s: nothing says %q any more", name, en)
			}
		}
	}
	texts := terminaltest.Texts(t, "../../internal", "../../rules", ".")
	for _, en := range slices.Sorted(maps.Keys(say.Replay)) {
		if _, said := source.Said[en]; !said && !texts[en] {
			t.Errorf("jaReplay: nothing says %q any more", en)
		}
	}
	for _, en := range slices.Sorted(maps.Keys(say.Authority)) {
		if _, said := source.Said[en]; !said && !texts[en] {
			t.Errorf("jaAuthority: nothing says %q any more", en)
		}
	}
	for _, en := range slices.Sorted(maps.Keys(say.Elsewhere)) {
		word := en[strings.LastIndex(en, " ")+1:] // of "confidence high" the code has high
		if !texts[en] && (!strings.HasPrefix(en, "confidence ") || !texts[word]) {
			t.Errorf("jaElsewhere: nothing says %q any more", en)
		}
	}
}
