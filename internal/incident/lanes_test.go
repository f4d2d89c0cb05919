package incident_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
)

func difference(want, got string) string {
	var b strings.Builder
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, l := range w {
		if !slices.Contains(g, l) {
			fmt.Fprintf(&b, "- %s\n", l)
		}
	}
	for _, l := range g {
		if !slices.Contains(w, l) {
			fmt.Fprintf(&b, "+ %s\n", l)
		}
	}
	return b.String()
}

func (t *tape) remove(name, path, inode string) event.Stamped {
	return t.add(event.Event{
		Kind: event.FileDelete, Actor: *t.procs[name], Parent: t.up(name),
		File: event.File{Path: path, VolumeID: "0:25", FileID: inode, Links: 1},
	})
}

// rename gives a file another name, or a second one (event.FileLink).
func (t *tape) rename(kind event.Kind, name, from, to, inode string) event.Stamped {
	return t.add(event.Event{
		Kind: kind, Actor: *t.procs[name], Parent: t.up(name), OldFile: event.File{Path: from},
		File: event.File{Path: to, VolumeID: "0:25", FileID: inode, Mode: 0o100755, Links: 1},
	})
}
