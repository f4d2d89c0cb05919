package proctree

import (
	"slices"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
)

func TestRoleReachesAsFarAsItsScope(t *testing.T) {
	for scope, want := range map[registry.Scope][3]bool{registry.Self: {true, false, false}, registry.Children: {true, true, false}, registry.Tree: {true, true, true}} {
		tr := New(0, nil)
		tr.Run(execOf(10, 1, "/usr/bin/m", "m"), &Role{Name: "r", Scope: scope})
		tr.Apply(forkOf(10, 11))
		forked := act(event.FileCreate, 11, 10, 2*time.Second)
		if tr.Apply(forked); !slices.Contains(forked.Lineage, "r") {
			t.Errorf("%s: its own child before an exec has %q", scope, forked.Lineage)
		}
		tr.Run(execOf(11, 10, "/bin/sh", "sh script"), nil)
		tr.Apply(forkOf(11, 12))
		tr.Run(execOf(12, 11, "/bin/rm", "rm x"), nil)
		for i, pid := range []uint64{10, 11, 12} {
			e := act(event.FileDelete, pid, pid-1, 3*time.Second)
			if tr.Apply(e); slices.Contains(e.Lineage, "r") != want[i] || e.Flags&event.FlagJudged == 0 {
				t.Errorf("%s: level %d has %q, flags %x", scope, i, e.Lineage, e.Flags)
			}
		}
	}
}

// A maintainer script may leave something running; that is on its own from then on.
func TestWhoOutlivesItsManagerLosesTheRole(t *testing.T) {
	start := func() *Tree {
		tr := New(0, nil)
		tr.Run(execOf(10, 1, "/usr/bin/dpkg", "dpkg -i x"), &Role{Name: "r", Scope: registry.Tree})
		tr.Apply(forkOf(10, 11))
		tr.Run(execOf(11, 10, "/bin/sh", "sh postinst"), nil)
		tr.Apply(forkOf(11, 12))
		tr.Run(execOf(12, 11, "/usr/sbin/daemon", "daemon"), nil)
		return tr
	}
	tr := start()
	tr.Apply(act(event.ProcessExit, 11, 10, 4*time.Second)) // the script in between is over, dpkg still runs
	e := act(event.FileModify, 12, 11, 5*time.Second)
	if tr.Apply(e); len(e.Lineage) != 0 {
		t.Errorf("its parent is gone: %q", e.Lineage)
	}
	tr = start()
	tr.Apply(act(event.ProcessExit, 10, 1, 4*time.Second))
	e = act(event.FileModify, 12, 11, 5*time.Second)
	if tr.Apply(e); len(e.Lineage) != 0 {
		t.Errorf("the manager is gone: %q", e.Lineage)
	}
	tr = start()
	e = act(event.FileModify, 12, 1, 5*time.Second) // the exit was lost, but the kernel says who its parent is now
	if tr.Apply(e); len(e.Lineage) != 0 {
		t.Errorf("it was given to another parent: %q", e.Lineage)
	}
	tr = start()
	tr.Run(execOf(10, 1, "/bin/sh", "sh"), nil) // the manager became something else
	e = act(event.FileModify, 12, 11, 5*time.Second)
	if tr.Apply(e); len(e.Lineage) != 0 {
		t.Errorf("the manager runs another program: %q", e.Lineage)
	}
}
