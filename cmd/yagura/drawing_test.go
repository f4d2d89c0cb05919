package main

import (
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// A long title of a detection went on at the left edge of the screen, through the lines of the tree.
func TestNotesStayInsideTheTree(t *testing.T) {
	const note = "◆ 緊急 Critical 標準入力がネットワーク接続であるシェルまたは不明なプログラムの実行"
	rows := []branch{{text: "init"}, {depth: 1, text: "sh -s", notes: []string{note, "▲ high Shell or unknown program whose standard input is a network connection"}}, {depth: 2, text: "id"}, {depth: 1, text: "cron"}}
	out := drawn(rows, storyMargin, 72)
	for l := range strings.Lines(out) {
		if l = strings.TrimRight(l, "\n"); terminal.Width(l) > 72 {
			t.Errorf("%q has %d columns; want at most 72", l, terminal.Width(l))
		}
	}
	if n := strings.Count(out, "│  │ "); n != 4 {
		t.Errorf("%d lines of notes stand in the tree; want 4:\n%s", n, out)
	}
	if whole := drawn(rows, storyMargin, 0); !strings.Contains(whole, note+"\n") {
		t.Errorf("without a width a note is broken: %s", whole)
	}
}

// file.read_credential pushed the rest of its row out of the columns.
func TestEveryKindFitsItsColumn(t *testing.T) {
	for k := range event.Kind(1 << 10) {
		if n := len(k.String()); n > kindColumn && !strings.HasPrefix(k.String(), "kind(") {
			t.Errorf("%s has %d letters; the column has %d", k, n, kindColumn)
		}
	}
}
