// Package say guards the words in which this project speaks: it reads docs/glossary.md and finds words
// that are not to be written, in any text. Its test looks at every sentence of the tree. Programs do not
// call it; `yagura rules check` may, for the sentences of a rule.
package say

import (
	"fmt"
	"strings"
)

// Word is a word that is not to be written.
type Word struct {
	Bad     string
	Instead string
	Except  []string // longer words that hold it and are right
}

// Words reads the table of words that we do not write from docs/glossary.md.
func Words(glossary string) ([]Word, error) {
	_, table, ok := strings.Cut(glossary, "| 使わない語 |")
	if !ok {
		return nil, fmt.Errorf("the glossary has no table that begins with | 使わない語 |")
	}
	var out []Word
	for i, line := range strings.Split(table, "\n") {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if i < 2 || len(cells) < 3 { // rest of the header, rule below it
			continue
		}
		w := Word{Bad: strings.TrimSpace(cells[0]), Instead: strings.TrimSpace(cells[1]), Except: strings.Fields(cells[2])}
		if w.Bad == "" || w.Instead == "" {
			return nil, fmt.Errorf("the glossary names no word in %q", line)
		}
		out = append(out, w)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the glossary's table of words that we do not write is empty")
	}
	return out, nil
}

// Look gives what is wrong with a text, one finding a word.
func Look(words []Word, text string) []string {
	var out []string
	for _, w := range words {
		t := text
		for _, right := range w.Except {
			t = strings.ReplaceAll(t, right, "")
		}
		if strings.Contains(t, w.Bad) {
			out = append(out, fmt.Sprintf("says %s; docs/glossary.md has %s", w.Bad, w.Instead))
		}
	}
	return out
}
