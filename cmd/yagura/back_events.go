package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/yagura-edr/yagura/internal/console"
	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/tenant"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// eventsBack reads the event store, and says with each answer what it cannot know.
type eventsBack struct {
	store    *eventstore.Store
	coverage *coverage.Coverage
}

func (b *eventsBack) Events(ctx context.Context, q console.EventQuery) (console.Found, error) {
	a, err := b.store.Events(ctx, eventstore.Query{Tenant: q.Tenant, IDs: q.IDs, Host: q.Host, Process: q.Process, From: q.From, To: q.To, Kinds: q.Kinds, Limit: q.Limit})
	if err != nil {
		if errors.Is(err, eventstore.ErrTooWide) {
			return console.Found{}, console.As(err, console.ErrInvalid)
		}
		return console.Found{}, err
	}
	found := console.Found{Events: a.Events, Truncated: a.Truncated}
	if len(q.IDs) == 0 || len(a.Events) < len(q.IDs) {
		found.Partial = partialSaid(a.Missing)
	}
	if len(q.IDs) > 0 {
		return found, nil
	}
	from, to := q.From, q.To
	if q.Process != (event.Key{}) && from == 0 && to == 0 && !a.Truncated && len(a.Events) > 0 {
		// What was not seen before a process began or after it ended hides nothing of it.
		from, to = a.Events[len(a.Events)-1].Event.Time, a.Events[0].Event.Time
		if !slices.ContainsFunc(a.Events, func(e event.Stamped) bool { return e.Event.Kind == event.ProcessExit && e.Event.Actor.Key == q.Process }) {
			to = 0
		}
	}
	rows, err := b.coverage.Holes(ctx, q.Tenant, q.Host, from, to)
	if err != nil {
		return console.Found{}, fmt.Errorf("read coverage: %w", err)
	}
	if n := len(rows); n > 0 {
		last, ja := rows[n-1], tongueOf(terminal.Japanese)
		gaps := "%d gaps in sight touch this answer, the latest: %s %s"
		if n == 1 {
			gaps = "%d gap in sight touches this answer: %s %s"
		}
		found.Note = &consolev1.Said{En: fmt.Sprintf(gaps, n, last.Class, last.State), Ja: ja.Say(gaps, n, ja.Say(last.Class), ja.Say(string(last.State)))}
	}
	return found, nil
}

func (b *eventsBack) Tree(ctx context.Context, t tenant.ID, process event.Ref, depth, limit int) (*consolev1.Tree, error) {
	tree, err := b.store.Tree(ctx, t, process, depth, limit)
	if err != nil {
		return nil, err
	}
	partial := partialSaid(tree.Missing)
	if len(tree.Nodes) == 0 && len(tree.Above) == 0 {
		if partial != nil {
			return nil, fmt.Errorf("nothing is stored about %s in what can be read. %s: %w", process, partial.GetEn(), console.ErrNotFound)
		}
		return nil, fmt.Errorf("nothing is stored about %s: %w", process, console.ErrNotFound)
	}
	m := &consolev1.Tree{Root: process.String(), Truncated: tree.Truncated, Partial: partial != nil, PartialSaid: partial}
	if tree.Truncated {
		m.Stopped = "the tree is deeper or wider: ask for more with --depth and --limit"
	}
	// The chain above comes first, its eldest at depth 0.
	for i, v := range slices.Backward(tree.Above) {
		m.Nodes = append(m.Nodes, treeNode(v, len(tree.Above)-1-i))
	}
	for _, n := range depthFirst(tree.Nodes) {
		m.Nodes = append(m.Nodes, treeNode(n, len(tree.Above)+n.Depth))
	}
	return m, nil
}

// depthFirst orders nodes so that each stands below its parent.
func depthFirst(nodes []eventstore.Node) []eventstore.Node {
	if len(nodes) == 0 {
		return nil
	}
	children := map[event.Key][]int{}
	for i, n := range nodes[1:] {
		children[n.Parent] = append(children[n.Parent], i+1)
	}
	out := make([]eventstore.Node, 0, len(nodes))
	seen := make([]bool, len(nodes))
	stack := []int{0}
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[i] {
			continue
		}
		seen[i] = true
		out = append(out, nodes[i])
		below := children[nodes[i].Ref.Key]
		for _, b := range slices.Backward(below) {
			stack = append(stack, b)
		}
	}
	for i, n := range nodes { // a parent that is not in the answer must not hide its children
		if !seen[i] {
			out = append(out, n)
		}
	}
	return out
}

func treeNode(n eventstore.Node, depth int) *consolev1.TreeNode {
	m := &consolev1.TreeNode{Process: n.Ref.String(), Depth: uint32(max(0, depth))}
	if n.Parent != (event.Key{}) {
		m.Parent = event.Ref{Host: n.Ref.Host, Key: n.Parent}.String()
	}
	if n.Start != nil {
		e := n.Start.Event
		p := &e.Actor
		if e.Kind == event.ProcessFork {
			p = &e.Target
		}
		m.Pid, m.Image, m.CommandLine, m.User, m.Cwd, m.Start = p.PID, p.Path, p.CommandLine, p.UserName, p.Cwd, e.Time
		m.Sha256 = e.Value(event.NActorSHA256).String()
	}
	if n.Exit != nil {
		m.Ended, m.End, m.ExitCode = true, n.Exit.Event.Time, n.Exit.Event.ExitCode
	}
	return m
}
