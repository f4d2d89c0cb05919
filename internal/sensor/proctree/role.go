package proctree

import (
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
)

// Role is what the program of a process was found to be, by whoever judges programs on this system. The tree carries it to what
// the process starts, as far as its scope goes.
type Role struct {
	Name  string
	Scope registry.Scope
	// Inside says whether an act of the program, or of what it started, counts; nil: every one does. It is asked with the tree
	// locked, so it must not wait for a file system, nor ask the tree.
	Inside func(e *event.Event) bool
}

// counts says whether the role holds for an act of a process that is as far below its program as least says.
func (r *Role) counts(e *event.Event, least registry.Scope) bool {
	return reach(r.Scope) >= reach(least) && (r.Inside == nil || r.Inside(e))
}

func reach(s registry.Scope) int {
	switch s {
	case registry.Tree:
		return 2
	case registry.Children:
		return 1
	case registry.Self:
	}
	return 0
}
