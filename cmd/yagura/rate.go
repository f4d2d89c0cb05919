package main

import (
	"context"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// rate counts judged events a second over the last ten seconds. It implements detect.Observer.
type rate struct {
	mu     sync.Mutex // guards all below
	second [11]int64
	count  [11]uint64
	last   int64 // µs UTC, the newest event that was judged
}

// Observe counts a batch.
func (r *rate) Observe(_ context.Context, _ tenant.ID, events []event.Stamped) {
	now := time.Now().Unix()
	i := now % int64(len(r.second))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.second[i] != now {
		r.second[i], r.count[i] = now, 0
	}
	r.count[i] += uint64(len(events))
	for _, e := range events {
		r.last = max(r.last, e.Event.Time)
	}
}

// newest gives when the newest event happened; 0 when none was judged since the start.
func (r *rate) newest() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// knew notes an event of before the start.
func (r *rate) knew(at int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = max(r.last, at)
}

// now gives the mean of the last ten whole seconds.
func (r *rate) now() uint64 {
	now := time.Now().Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	var sum uint64
	for i, s := range r.second {
		if s < now && s >= now-10 {
			sum += r.count[i]
		}
	}
	return sum / 10
}
