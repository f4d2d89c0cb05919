package sight

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// What the sight may lose while every hook works: the drain stands still, since whoever takes the events does; or file systems do
// not answer, so that programs on them have no hash.
const (
	stallAfter = 2 * time.Second
	stallLook  = 250 * time.Millisecond
	hungAfter  = 10 * time.Second // a slow server is no news
	hungKeep   = time.Minute      // and one that comes and goes is told once
)

// watch is what was found of these.
type watch struct {
	mu      sync.Mutex // guards all
	stalled bool
	hung    bool
	healed  time.Time // when hung last was not so any more
}

// lower says of each class what is not seen of it now.
func (w *watch) lower(all []sense.Capability) []sense.Capability {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range all {
		c := &all[i]
		switch {
		case w.stalled && c.State != sense.StateBlind:
			c.State, c.Reason = sense.StateBlind, event.ReasonStalled
		case w.hung && c.Class == "process" && c.State == sense.StateFull:
			c.State, c.Reason = sense.StatePartial, event.ReasonHungFiles
		}
	}
	return all
}

// keepWatch looks whether the drain moves, until ctx ends. It takes no lock that the drain takes, and emits nothing: emitting may
// be what stands still. Capabilities tells.
func (s *Sight) keepWatch(ctx context.Context) {
	tick := time.NewTicker(stallLook)
	defer tick.Stop()
	moves, still, last := s.probe.Moves(), 0, time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		late := now.Sub(last) > 4*stallLook // the sensor itself was stopped, or starved
		last = now
		if n := s.probe.Moves(); n != moves || late {
			moves, still = n, 0
		} else {
			still++
		}
		_, since := s.hasher.Hung()
		s.watch.note(ctx, s.log, time.Duration(still)*stallLook >= stallAfter, !since.IsZero() && now.Sub(since) > hungAfter, now)
	}
}

// note logs with no lock held: whoever reads the log may be what stands still.
func (w *watch) note(ctx context.Context, log *slog.Logger, stalled, hung bool, now time.Time) {
	w.mu.Lock()
	stall, hang := stalled != w.stalled, hung && !w.hung
	w.stalled = stalled
	switch {
	case hung:
		w.hung, w.healed = true, time.Time{}
	case w.hung && w.healed.IsZero():
		w.healed = now
	case w.hung && now.Sub(w.healed) > hungKeep:
		w.hung = false
	}
	w.mu.Unlock()
	switch {
	case stall && stalled:
		log.ErrorContext(ctx, "events are not taken: nothing is seen until they are")
	case stall:
		log.WarnContext(ctx, "events are taken again")
	}
	if hang {
		log.WarnContext(ctx, "a file system does not answer: programs on it have no hash")
	}
}
