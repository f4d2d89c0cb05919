package main

import (
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// branch is one row of a tree: what stands right-aligned before it, how deep it is, and below it the notes.
type branch struct {
	right string // of the left margin
	depth int
	text  string
	notes []string
}

// drawn draws rows that come parent first, with lines from each parent to its children. width 0 breaks no line.
func drawn(rows []branch, margin, width int) string {
	var out strings.Builder
	for i, r := range rows {
		var lead, below strings.Builder
		for d := 1; d <= r.depth; d++ {
			more := follows(rows[i+1:], d)
			switch {
			case d < r.depth && more:
				lead.WriteString("│  ")
			case d < r.depth:
				lead.WriteString("   ")
			case more:
				lead.WriteString("├─ ")
			default:
				lead.WriteString("└─ ")
			}
			if more {
				below.WriteString("│  ")
			} else {
				below.WriteString("   ")
			}
		}
		if follows(rows[i+1:], r.depth+1) {
			below.WriteString("│ ")
		} else {
			below.WriteString("  ")
		}
		left := strings.Repeat(" ", max(0, margin-terminal.Width(r.right))) + r.right + "  "
		rest := strings.Repeat(" ", terminal.Width(left)) + below.String()
		text := event.Show(r.text)
		lines := []string{text}
		if width > 0 {
			lines = terminal.Wrap(text, max(30, width-terminal.Width(rest)))
		}
		out.WriteString(left + lead.String() + lines[0] + "\n")
		for _, l := range lines[1:] {
			out.WriteString(rest + l + "\n")
		}
		for _, n := range r.notes { // broken here: a terminal would go on at its left edge, through the tree
			n = event.Show(n)
			lines := []string{n}
			if width > 0 {
				lines = terminal.Wrap(n, max(30, width-terminal.Width(rest)))
			}
			for _, l := range lines {
				out.WriteString(rest + l + "\n")
			}
		}
	}
	return out.String()
}

// follows says whether a row of this depth comes before one that is less deep.
func follows(rows []branch, depth int) bool {
	for _, r := range rows {
		if r.depth <= depth {
			return r.depth == depth
		}
	}
	return false
}
