package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
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
	s.printf("%s\n", b)
	return nil
}

// table prints rows under a header; widths count Japanese characters as two columns. Cells hold text
// of hosts, so they are made harmless here, once.
func (s *shell) table(header []string, rows [][]string) {
	width := make([]int, len(header))
	for i, h := range header {
		width[i] = runewidth.StringWidth(h)
	}
	for _, r := range rows {
		for i := range r {
			r[i] = event.Show(r[i])
			if i < len(r)-1 {
				width[i] = max(width[i], min(runewidth.StringWidth(r[i]), 60))
			}
		}
	}
	line := func(cells []string) {
		var b strings.Builder
		for i, c := range cells {
			if i == len(cells)-1 {
				b.WriteString(c)
				break
			}
			c = runewidth.Truncate(c, 60, "…")
			b.WriteString(c)
			b.WriteString(strings.Repeat(" ", max(0, width[i]-runewidth.StringWidth(c))+2))
		}
		s.printf("%s\n", strings.TrimRight(b.String(), " "))
	}
	line(header)
	for _, r := range rows {
		line(r)
	}
}

func (s *shell) said(t *consolev1.Said) string {
	if t == nil {
		return ""
	}
	if s.ja && t.Ja != "" {
		return t.Ja
	}
	return t.En
}

// clock prints a time of the API (µs UTC) in local time; "–" for never.
func clock(us int64) string {
	if us == 0 {
		return "–"
	}
	return time.UnixMicro(us).Format("2006-01-02 15:04:05.000")
}

// severity gives a severity with its mark, in both languages where the language is Japanese.
func (s *shell) severity(level string) string {
	mark := map[string]string{"critical": "◆", "high": "▲", "medium": "●", "low": "○", "informational": "·"}[level]
	ja := map[string]string{"critical": "緊急 Critical", "high": "高 High", "medium": "中 Medium", "low": "低 Low", "informational": "情報 Informational"}[level]
	if s.ja && ja != "" {
		return mark + " " + ja
	}
	return mark + " " + level
}
