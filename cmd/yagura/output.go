package main

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// printJSON writes v as indented JSON; nil slices become [].
func (s *shell) printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	if string(b) == "null" {
		b = []byte("[]")
	}
	s.print(string(event.ShowJSON(b)) + "\n")
	return nil
}

// table prints rows under a header given in English. Cells hold text of hosts, so they are made harmless
// here, once.
func (s *shell) table(header []string, rows [][]string) {
	heads, rows := s.cells(header, rows)
	s.print(terminal.Table(heads, rows, s.width()))
}

// tableCut is table with the last column cut to what fits the screen.
func (s *shell) tableCut(header []string, rows [][]string) {
	heads, rows := s.cells(header, rows)
	s.print(terminal.TableCut(heads, rows, s.width()))
}

func (s *shell) cells(header []string, rows [][]string) (heads []string, shown [][]string) {
	heads = make([]string, len(header))
	for i, h := range header {
		heads[i] = s.say(h)
	}
	for _, r := range rows {
		for i := range r {
			r[i] = event.Show(r[i])
		}
	}
	return heads, rows
}

// many gives the sentence for one thing or the one for any other number of them: English has two.
func many[N int | uint32 | uint64](n N, one, others string) string {
	if n == 1 {
		return one
	}
	return others
}

// width gives the columns of the terminal. Where the output goes elsewhere it is what COLUMNS says, as for a pager,
// or 0: no width.
func (s *shell) width() int {
	if f, ok := s.given.stdout.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			return w
		}
	}
	return s.columns
}

// said gives a sentence of the server in the caller's language, its times in the caller's zone.
func (s *shell) said(t *consolev1.Said) string {
	return s.saidHere(detection.Said{En: t.GetEn(), Ja: t.GetJa()})
}

func (s *shell) saidHere(t detection.Said) string {
	return s.paste(terminal.LocalTimes(t.In(s.tongue.Language())))
}

// severity gives a severity with its mark, in both languages where the language is Japanese.
func (s *shell) severity(level string) string {
	mark := map[string]string{"critical": "◆", "high": "▲", "medium": "●", "low": "○", "informational": "·"}[level]
	return mark + " " + s.say(level)
}
