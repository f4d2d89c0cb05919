package storetest

import (
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/tenant"
)

func keyOf(n int) event.Key { return event.LinuxKey(uint64(n), uint32(n), 1) }

func proc(n int, path string) event.Process {
	return event.Process{Key: keyOf(n), PID: uint64(n), Path: path}
}

// family puts 1 → 2 → {3 → 4, 5} in two parts.
func family(t *testing.T, s Store, of tenant.ID, h event.HostID) {
	t.Helper()
	now := time.Now().UnixMicro()
	s.Put(t, of, h,
		&event.Event{Kind: event.ProcessExec, Time: now, Received: now, Actor: proc(2, "/bin/bash"), Parent: proc(1, "/sbin/init")},
		&event.Event{Kind: event.ProcessFork, Time: now + 1, Received: now, Actor: proc(2, "/bin/bash"), Parent: proc(1, "/sbin/init"), Target: proc(3, "/bin/bash")},
		&event.Event{Kind: event.ProcessExec, Time: now + 2, Received: now, Actor: proc(3, "/bin/sh"), Parent: proc(2, "/bin/bash")})
	s.Put(t, of, h,
		&event.Event{Kind: event.ProcessExec, Time: now + 3, Received: now, Actor: proc(3, "/bin/dash"), Parent: proc(2, "/bin/bash")},
		&event.Event{Kind: event.ProcessFork, Time: now + 4, Received: now, Actor: proc(3, "/bin/dash"), Target: proc(4, "/bin/dash")},
		&event.Event{Kind: event.ProcessExec, Time: now + 5, Received: now, Actor: proc(5, "/bin/ls"), Parent: proc(2, "/bin/bash")},
		&event.Event{Kind: event.ProcessExit, Time: now + 6, Received: now, Actor: proc(5, "/bin/ls"), Parent: proc(1, "/sbin/init")})
}

// drawn says in one line a process what a tree shows.
func drawn(tree eventstore.Tree) map[event.Key]string {
	out := map[event.Key]string{}
	for _, n := range tree.Nodes {
		text := "below " + n.Parent.String()
		if n.Start != nil {
			text += " " + n.Start.Event.Kind.String() + " " + n.Start.Event.Actor.Path
		}
		if n.Exit != nil {
			text += " ended"
		}
		out[n.Ref.Key] = text
	}
	return out
}

func trees(c subject) {
	c.that("a tree holds what is below its root, told by the newest exec or the fork, and the chain above", func(t *testing.T, s Store) func(*testing.T) {
		mine, h := newTenant(), newHost()
		family(t, s, mine, h)
		below := func(n int) string { return "below " + keyOf(n).String() }
		return func(t *testing.T) {
			tree, err := s.Tree(t.Context(), mine, event.Ref{Host: h, Key: keyOf(2)}, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			want := map[event.Key]string{
				keyOf(2): below(1) + " process.exec /bin/bash", keyOf(3): below(2) + " process.exec /bin/dash",
				keyOf(4): below(3) + " process.fork /bin/dash", keyOf(5): below(2) + " process.exec /bin/ls ended",
			}
			got := drawn(tree)
			for k, w := range want {
				if got[k] != w {
					t.Errorf("process %s: %q; want %q", k, got[k], w)
				}
			}
			if len(got) != len(want) || tree.Truncated || len(tree.Above) != 1 || tree.Above[0].Ref.Key != keyOf(1) || tree.Nodes[0].Ref.Key != keyOf(2) {
				t.Errorf("%d processes, truncated %v, above %v; want %d from the root on, below process 1", len(got), tree.Truncated, tree.Above, len(want))
			}
		}
	})
	c.that("depth and number are bounded, and a tree that was cut says so", func(t *testing.T, s Store) func(*testing.T) {
		mine, h := newTenant(), newHost()
		family(t, s, mine, h)
		return func(t *testing.T) {
			for _, ask := range []struct{ depth, most, want int }{{1, 0, 3}, {0, 1, 1}, {0, 2, 2}} {
				tree, err := s.Tree(t.Context(), mine, event.Ref{Host: h, Key: keyOf(2)}, ask.depth, ask.most)
				if err != nil || len(tree.Nodes) > ask.want || !tree.Truncated {
					t.Errorf("depth %d, most %d: %d processes, truncated %v, %v; want at most %d, true", ask.depth, ask.most, len(tree.Nodes), tree.Truncated, err, ask.want)
				}
			}
		}
	})
	c.that("a tree is of one host of one tenant", func(t *testing.T, s Store) func(*testing.T) {
		mine, h, other := newTenant(), newHost(), newHost()
		family(t, s, mine, h)
		now := time.Now().UnixMicro()
		s.Put(t, mine, other, &event.Event{Kind: event.ProcessExec, Time: now, Received: now, Actor: proc(9, "/bin/x"), Parent: proc(3, "/bin/y")}) // the same key of another host
		return func(t *testing.T) {
			for what, ask := range map[string]struct {
				t tenant.ID
				h event.HostID
			}{"another tenant": {newTenant(), h}, "a host that is not there": {mine, newHost()}} {
				if tree, err := s.Tree(t.Context(), ask.t, event.Ref{Host: ask.h, Key: keyOf(2)}, 0, 0); err != nil || len(tree.Nodes) != 0 || len(tree.Above) != 0 {
					t.Errorf("%s has %v, %v; want nothing", what, tree.Nodes, err)
				}
			}
			if tree, err := s.Tree(t.Context(), mine, event.Ref{Host: h, Key: keyOf(3)}, 0, 0); err != nil || drawn(tree)[keyOf(9)] != "" || len(tree.Nodes) != 2 {
				t.Errorf("the tree holds %v, %v; want two processes of its host", drawn(tree), err)
			}
			for _, bad := range []event.Ref{{Host: h}, {Key: keyOf(2)}, {}} {
				if _, err := s.Tree(t.Context(), mine, bad, 0, 0); err == nil {
					t.Errorf("the tree of %v is drawn", bad)
				}
			}
			if _, err := s.Tree(t.Context(), tenant.ID{}, event.Ref{Host: h, Key: keyOf(2)}, 0, 0); err == nil {
				t.Error("a tree without a tenant is drawn")
			}
		}
	})
	// A host can say anything: each of two processes may be the other's parent, and one its own.
	c.that("processes that are each other's parents end", func(t *testing.T, s Store) func(*testing.T) {
		mine, h := newTenant(), newHost()
		now := time.Now().UnixMicro()
		s.Put(t, mine, h,
			&event.Event{Kind: event.ProcessExec, Time: now, Received: now, Actor: proc(2, "/a"), Parent: proc(3, "/b")},
			&event.Event{Kind: event.ProcessExec, Time: now, Received: now, Actor: proc(3, "/b"), Parent: proc(2, "/a")},
			&event.Event{Kind: event.ProcessExec, Time: now, Received: now, Actor: proc(4, "/c"), Parent: proc(4, "/c")})
		return func(t *testing.T) {
			for n, most := range map[int]int{2: 2, 3: 2, 4: 1} {
				tree, err := s.Tree(t.Context(), mine, event.Ref{Host: h, Key: keyOf(n)}, eventstore.MaxDepth, eventstore.MaxLimit)
				if got := drawn(tree); err != nil || len(got) == 0 || len(got) > most || len(tree.Nodes) != len(got) || len(tree.Above) > 32 {
					t.Errorf("the tree of %d: %v, %d above, %v; want each process once", n, got, len(tree.Above), err)
				}
			}
		}
	})
}
