package eventstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Bounds of a tree.
const (
	DefaultDepth = 32
	MaxDepth     = 256
)

// Tree is a process with the processes below it and the chain above it.
type Tree struct {
	Nodes     []Node    // the root first, then by depth
	Above     []Node    // the root's parent first
	Truncated bool      // depth or limit was reached, or events were left out
	From      int64     // µs UTC: nothing older was looked at
	Missing   []Damaged // files that may hold more and cannot be read
}

// Node is one process of a tree.
type Node struct {
	Ref    event.Ref
	Parent event.Key // zero when it is not known
	Depth  int
	// Start is the event that describes the process best: its newest exec, else that it ran already, else
	// its fork. Nil when the store holds none of them; the process is then known from its children only.
	Start *event.Stamped
	Exit  *event.Stamped // nil while it runs, or when its end was not seen
}

// Tree gives the process tree below root, at most depth levels and limit processes, 0 for the defaults.
func (s *Store) Tree(ctx context.Context, t tenant.ID, root event.Ref, depth, max int) (Tree, error) {
	if t == (tenant.ID{}) || root.Host == (event.HostID{}) || root.Key == (event.Key{}) {
		return Tree{}, errors.New("draw a process tree: tenant, host or process key is missing")
	}
	if depth <= 0 {
		depth = DefaultDepth
	}
	from := s.opts.Now().Add(-s.opts.TreeHorizon).UnixMicro()
	if recorded, err := s.recordedBefore(ctx, t, root, from); err != nil {
		return Tree{}, fmt.Errorf("draw the tree of %s: %w", root, err)
	} else if recorded {
		from = 0 // an imported recording keeps its own time; the host's few days are all there is
	}
	r := Request{Op: "tree", Host: root.Host.String(), Process: root.Key.String(), Depth: min(depth, MaxDepth), Limit: limit(max), From: from}
	var events []event.Stamped
	a, gaps, err := s.ask(ctx, Want{Tenant: t, From: from, Groups: []string{"process"}, Host: r.Host}, r, &events)
	if err != nil {
		return Tree{}, fmt.Errorf("draw the tree of %s: %w", root, err)
	}
	tree, err := assemble(root, a, events, from, r.Depth)
	tree.Missing = gaps
	return tree, err
}

// recordedBefore says whether everything known of a process lies before the horizon.
func (s *Store) recordedBefore(ctx context.Context, t tenant.ID, root event.Ref, from int64) (bool, error) {
	newest, err := s.Events(ctx, Query{
		Tenant: t, Host: root.Host, Process: root.Key, Limit: 1,
		Kinds: []event.Kind{event.ProcessExec, event.ProcessExit, event.ProcessFork, event.ProcessRunning, event.ProcessImageHashed},
	})
	if err != nil {
		return false, err
	}
	return len(newest.Events) == 1 && newest.Events[0].Event.Time < from, nil
}

func assemble(root event.Ref, a Answer, events []event.Stamped, from int64, depth int) (Tree, error) {
	t := Tree{Truncated: a.Truncated, From: from}
	about := map[event.Key]*Node{}
	var order []*Node
	for _, l := range a.Links {
		k, err := event.ParseKey(l.Key)
		if err != nil {
			return Tree{}, err
		}
		if about[k] != nil {
			continue
		}
		n := &Node{Ref: event.Ref{Host: root.Host, Key: k}, Depth: l.Depth}
		if l.Parent != "" {
			if n.Parent, err = event.ParseKey(l.Parent); err != nil {
				return Tree{}, err
			}
		}
		about[k] = n
		order = append(order, n)
		t.Truncated = t.Truncated || l.Depth >= depth
	}
	// Events come newest first, so the first of the best sort stays.
	for i := range events {
		e := &events[i]
		k := e.Event.Actor.Key
		if e.Event.Kind == event.ProcessFork {
			k = e.Event.Target.Key
		}
		n := about[k]
		switch {
		case n == nil:
		case e.Event.Kind == event.ProcessExit:
			if n.Exit == nil {
				n.Exit = e
			}
		case rank(e.Event.Kind) > 0 && (n.Start == nil || rank(e.Event.Kind) > rank(n.Start.Event.Kind)):
			n.Start = e
		}
	}
	for _, n := range order {
		if n.Depth < 0 {
			t.Above = append(t.Above, *n)
		} else if n.Start != nil || n.Exit != nil || n.Depth > 0 || len(order) > 1 {
			t.Nodes = append(t.Nodes, *n)
		}
	}
	return t, nil
}

func rank(k event.Kind) int {
	switch k {
	case event.ProcessExec:
		return 3
	case event.ProcessRunning:
		return 2
	case event.ProcessFork:
		return 1
	}
	return 0
}
