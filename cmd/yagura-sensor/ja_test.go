package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/yagura-edr/yagura/internal/terminal"
	"github.com/yagura-edr/yagura/internal/terminal/terminaltest"
)

// TestEverySentenceHasItsJapanese holds the table to the code: nothing is said that has no Japanese, nothing is
// printed past it, and no line of it has outlived its sentence.
func TestEverySentenceHasItsJapanese(t *testing.T) {
	source := terminaltest.Read(t, ".")
	for _, en := range slices.Sorted(maps.Keys(source.Said)) {
		if japanese[en] == "" && terminal.Shared[en] == "" {
			t.Errorf("%s: no Japanese for %q", source.Said[en], en)
		}
	}
	for _, text := range slices.Sorted(maps.Keys(source.Bypasses)) {
		t.Errorf("%s: %q is printed without being looked up", source.Bypasses[text], text)
	}
	texts := terminaltest.Texts(t, "../../internal/sensor", "../../internal/command", "../../internal/fleet", "../../internal/event")
	for _, en := range slices.Sorted(maps.Keys(japanese)) {
		if _, said := source.Said[en]; !said && !texts[en] {
			t.Errorf("nothing says %q any more", en)
		}
	}
}
