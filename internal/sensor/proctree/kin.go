package proctree

import (
	"slices"

	"github.com/yagura-edr/yagura/internal/event"
)

// Bounds of a line of descent: who forks and ends, again and again, makes it longer for as long as he likes. Past maxKin the middle is
// left out: the nearest and the farthest stay.
const (
	maxKin  = 512
	keepKin = 128 // of either end
)

// kin is one process in a line of descent, as it was recorded: it stays when the process has ended, for as long as somebody lives who
// descends from it, whoever the kernel gave him to since.
type kin struct {
	key   event.Key
	up    *kin
	depth int
}

// adopt notes who started a process, by its parent's key.
func (t *Tree) adopt(p *process) {
	var up *kin
	if i, ok := t.byKey[p.parent]; ok && p.parent != p.key {
		q := &t.slots[i]
		if q.kin == nil {
			q.kin = &kin{key: q.key}
		}
		up = q.kin
	}
	if p.kin == nil {
		p.kin = &kin{key: p.key}
	}
	if up == nil {
		return
	}
	if p.kin.up, p.kin.depth = up, up.depth+1; p.kin.depth >= maxKin {
		p.kin.up = up.shorter()
		p.kin.depth = p.kin.up.depth + 1
	}
}

// shorter gives the line without its middle.
func (k *kin) shorter() *kin {
	var line []event.Key // the nearest first
	for ; k != nil; k = k.up {
		line = append(line, k.key)
	}
	var up *kin
	for i, key := range slices.Backward(line) {
		if i < keepKin || i >= len(line)-keepKin {
			depth := 0
			if up != nil {
				depth = up.depth + 1
			}
			up = &kin{key: key, up: up, depth: depth}
		}
	}
	return up
}

// Below gives the processes that live and descend from one, by what was recorded of who started whom: also those whose parents have
// ended. The process itself may be gone, and is not among them.
func (t *Tree) Below(root event.Key) (all []event.Process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	below := map[*kin]bool{}
	var path []*kin
	for i := range t.slots {
		p := &t.slots[i]
		if p.key == (event.Key{}) || p.exited != 0 || p.kin == nil || p.key == root {
			continue
		}
		path = path[:0]
		in := false
		for k := p.kin.up; k != nil; k = k.up {
			if yes, known := below[k]; known || k.key == root {
				in = yes || k.key == root
				break
			}
			path = append(path, k)
		}
		for _, k := range path {
			below[k] = in
		}
		if in {
			var out event.Process
			t.show(&out, p)
			all = append(all, out)
		}
	}
	return all
}
