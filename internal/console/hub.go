package console

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/tenant"
)

// The names that Hub.Changed takes; pages read the list of that name again.
const (
	ChangedHome       = "home"
	ChangedHosts      = "hosts"
	ChangedDetections = "detections"
	ChangedIncidents  = "incidents"
	ChangedActions    = "actions"
)

var changeable = []string{ChangedHome, ChangedHosts, ChangedDetections, ChangedIncidents, ChangedActions}

const (
	changeEvery = 100 * time.Millisecond // a watcher hears at most ten times a second
	aliveEvery  = 10 * time.Second
)

// Hub tells open pages which list changed. Changes gather per watcher in a set that cannot grow past the
// five names, so a slow page costs nothing and misses nothing: it reads the newest state anyway.
type Hub struct {
	mu       sync.Mutex // guards watchers and their sets
	watchers map[*watcher]struct{}
}

type watcher struct {
	tenant  tenant.ID
	pending map[string]bool
	wake    chan struct{} // one place; full: the watcher will wake anyway
}

// NewHub makes a Hub.
func NewHub() *Hub { return &Hub{watchers: map[*watcher]struct{}{}} }

// Changed says that a list of a tenant changed. It never blocks; an unknown name is left out.
func (h *Hub) Changed(t tenant.ID, what string) {
	if !slices.Contains(changeable, what) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		if w.tenant != t {
			continue
		}
		w.pending[what] = true
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// watch calls tell with the sorted names of a tenant that changed since the last call, at most ten times a second,
// and with none at the start and every ten quiet seconds. It ends with ctx or tell's error.
func (h *Hub) watch(ctx context.Context, t tenant.ID, tell func([]string) error) error {
	w := &watcher{tenant: t, pending: map[string]bool{}, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	h.watchers[w] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.watchers, w)
		h.mu.Unlock()
	}()
	if err := tell(nil); err != nil {
		return err
	}
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-alive.C:
			if err := tell(nil); err != nil {
				return err
			}
		case <-w.wake:
			if err := tell(h.take(w)); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(changeEvery):
			}
		}
	}
}

func (h *Hub) take(w *watcher) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	names := make([]string, 0, len(w.pending))
	for n := range w.pending {
		names = append(names, n)
	}
	clear(w.pending)
	slices.Sort(names)
	return names
}
