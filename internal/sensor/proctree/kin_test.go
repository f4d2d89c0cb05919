package proctree

import (
	"slices"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

func pids(all []event.Process) (out []uint64) {
	for _, p := range all {
		out = append(out, p.PID)
	}
	slices.Sort(out)
	return out
}

// TestRecordedTreeOutlivesThoseInBetween: the intermediate of a double fork is gone and long forgotten, the kernel gave its child to
// init, and the tree still knows whose it is.
func TestRecordedTreeOutlivesThoseInBetween(t *testing.T) {
	tr := New(0, nil)
	tr.Apply(execOf(10, 1, "/bin/bash", "bash"))
	tr.Apply(forkOf(10, 11))
	tr.Apply(forkOf(11, 12))
	tr.Apply(execOf(12, 11, "/usr/bin/nc", "nc -l"))
	tr.Apply(act(event.ProcessExit, 11, 10, 2*time.Second))
	tr.Apply(execOf(30, 1, "/bin/other", "other"))
	for i := range uint64(60) { // time goes by, and the slots of the exited are used again
		e := forkOf(30, 100+i)
		e.BootNS = uint64(3 * time.Minute)
		tr.Apply(e)
		tr.Apply(act(event.ProcessExit, 100+i, 30, 3*time.Minute))
	}
	if _, known := tr.Process(proc(11).Key); known {
		t.Fatal("the intermediate is still known: this proves nothing")
	}
	tr.Apply(act(event.NetListen, 12, 1, 4*time.Minute)) // by now the kernel says that init is its parent
	tr.Apply(forkOf(12, 13))
	if got := pids(tr.Below(proc(10).Key)); !slices.Equal(got, []uint64{12, 13}) {
		t.Errorf("below the shell = %v; want 12 and 13", got)
	}
	if got := pids(tr.Below(proc(11).Key)); !slices.Equal(got, []uint64{12, 13}) {
		t.Errorf("below the intermediate = %v; want 12 and 13", got)
	}
	tr.Apply(act(event.ProcessExit, 10, 1, 5*time.Minute))
	if got := pids(tr.Below(proc(10).Key)); !slices.Equal(got, []uint64{12, 13}) {
		t.Errorf("below the shell that ended = %v; want 12 and 13", got)
	}
	if got := pids(tr.Below(proc(30).Key)); len(got) != 0 {
		t.Errorf("below another = %v; want nobody", got)
	}
}

// TestLineOfDescentIsBounded: a process that forks and ends, again and again, is still below the first and below the last.
func TestLineOfDescentIsBounded(t *testing.T) {
	tr := New(1000, nil)
	tr.Apply(execOf(10, 1, "/bin/walker", "walker"))
	last := uint64(10)
	for i := range uint64(5000) {
		next := 1000 + i
		tr.Apply(forkOf(last, next))
		tr.Apply(act(event.ProcessExit, last, 0, time.Duration(i)*time.Second))
		last = next
	}
	for _, root := range []uint64{10, last - 1, last - 100} {
		if got := pids(tr.Below(proc(root).Key)); !slices.Equal(got, []uint64{last}) {
			t.Errorf("below %d = %v; want %d", root, got, last)
		}
	}
	n := 0
	i := tr.byKey[proc(last).Key]
	for k := tr.slots[i].kin; k != nil; k = k.up {
		n++
	}
	if n > maxKin+1 {
		t.Errorf("a line of %d", n)
	}
}
