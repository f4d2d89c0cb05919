package proctree

import (
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// take gives a slot for a new process: a free one, a new one below the limit, or one that the clock hand finds
// evictable. The slots may move: pointers into them are void afterwards.
func (t *Tree) take(key event.Key, pid, start, now uint64) int32 {
	t.reap(now)
	var i int32
	switch {
	case len(t.free) > 0:
		i = t.free[len(t.free)-1]
		t.free = t.free[:len(t.free)-1]
	case len(t.slots) < t.limit:
		t.slots = append(t.slots, process{})
		i = int32(len(t.slots) - 1)
	default:
		i = t.evict()
	}
	t.slots[i] = process{key: key, pid: pid, start: start, used: true}
	t.byKey[key] = i
	t.byPID[pid] = i
	return i
}

// reap frees a few of those that exited long ago: each call looks at four slots, so the work is spread evenly.
func (t *Tree) reap(now uint64) {
	for range min(4, len(t.slots)) {
		t.hand = (t.hand + 1) % len(t.slots)
		p := &t.slots[t.hand]
		if p.key != (event.Key{}) && p.exited != 0 && now > p.exited+uint64(keepExited/time.Nanosecond) {
			t.drop(int32(t.hand))
			t.free = append(t.free, int32(t.hand))
		}
	}
}

// evict frees the next slot that was not touched since the hand last came by; the exited go first. Full of
// running processes: the one least recently heard of is forgotten, and its next event makes it known again
// from what its record says.
func (t *Tree) evict() int32 {
	for round := range 3 * len(t.slots) {
		t.hand = (t.hand + 1) % len(t.slots)
		p := &t.slots[t.hand]
		if p.exited == 0 && round < len(t.slots) {
			continue
		}
		if p.used && p.exited == 0 && round < 2*len(t.slots) {
			p.used = false
			continue
		}
		break
	}
	t.evicted++
	t.drop(int32(t.hand))
	return int32(t.hand)
}

func (t *Tree) drop(i int32) {
	p := &t.slots[i]
	t.texts -= len(p.line)
	delete(t.byKey, p.key)
	if t.byPID[p.pid] == i {
		delete(t.byPID, p.pid)
	}
	*p = process{}
}
