package console

import (
	"context"
	"slices"
	"sync"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

const (
	tapBacklog = 1000 // newest events kept for a tail that begins
	tapQueue   = 2000 // events waiting for one tail; full: the oldest are dropped and counted
)

// Tap lets tails see events as they are judged. It implements detect.Observer; it keeps the newest 1,000
// events of each tenant in memory and nothing else.
type Tap struct {
	mu    sync.Mutex // guards all below
	last  map[tenant.ID][]event.Stamped
	tails map[*tail]struct{}
}

type tail struct {
	tenant  tenant.ID
	host    event.HostID // zero: every host
	kinds   []event.Kind // empty: every kind
	queue   []event.Stamped
	skipped int
	wake    chan struct{} // one place; full: the tail will wake anyway
}

// NewTap makes a Tap.
func NewTap() *Tap {
	return &Tap{last: map[tenant.ID][]event.Stamped{}, tails: map[*tail]struct{}{}}
}

// Observe takes a batch of events. It never blocks.
func (p *Tap) Observe(_ context.Context, t tenant.ID, events []event.Stamped) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[t] = append(p.last[t], events...)
	if n := len(p.last[t]); n > 2*tapBacklog { // moved rarely, so that a batch costs its own length
		p.last[t] = slices.Clone(p.last[t][n-tapBacklog:])
	}
	for l := range p.tails {
		if l.tenant == t {
			l.offer(events)
		}
	}
}

func (l *tail) wants(e event.Stamped) bool {
	return (l.host == event.HostID{} || l.host == e.ID.Host) && (len(l.kinds) == 0 || slices.Contains(l.kinds, e.Event.Kind))
}

func (l *tail) offer(events []event.Stamped) {
	for _, e := range events {
		if l.wants(e) {
			l.queue = append(l.queue, e)
		}
	}
	if over := len(l.queue) - tapQueue; over > 0 {
		l.skipped += over
		l.queue = slices.Clone(l.queue[over:])
	}
	if len(l.queue) > 0 {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// follow calls tell with events in the order they were judged, and with how many were dropped before them
// because this tail was too slow. It begins with up to backlog older ones.
func (p *Tap) follow(ctx context.Context, t tenant.ID, host event.HostID, kinds []event.Kind, backlog int, tell func(events []event.Stamped, skipped int) error) error {
	l := &tail{tenant: t, host: host, kinds: kinds, wake: make(chan struct{}, 1)}
	p.mu.Lock()
	l.offer(p.last[t])
	if over := len(l.queue) - backlog; over > 0 {
		l.queue = slices.Clone(l.queue[over:])
	}
	l.skipped = 0
	p.tails[l] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.tails, l)
		p.mu.Unlock()
	}()
	for {
		p.mu.Lock()
		events, skipped := l.queue, l.skipped
		l.queue, l.skipped = nil, 0
		p.mu.Unlock()
		if len(events) > 0 {
			if err := tell(events, skipped); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.wake:
		}
	}
}
