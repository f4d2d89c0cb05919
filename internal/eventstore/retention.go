package eventstore

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// stride is the most that retention removes at once, counted in time of receipt, without being told to: a
// clock that jumps and a retention that was mistyped delete nothing. A machine that was off over a weekend
// stays below it.
const stride = 72 * time.Hour

// Waiting is what is past the retention and is not removed, because it would be too much at once.
type Waiting struct {
	Segments int
	Events   int64
	Oldest   int64 // when the oldest and the newest of it were received, µs UTC
	Newest   int64
}

// Waiting gives what waits for Confirm; zero when nothing does.
func (s *Store) Waiting() Waiting {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// believable puts the receipt of a new segment into what the store believes of the time: a segment that was
// sealed while the clock was wrong must not be the first to go, nor stay for ever, once it is right again.
func (s *Store) believable(received int64) int64 {
	now := s.opts.Now().UnixMicro()
	if received > now+time.Hour.Microseconds() || received < now-stride.Microseconds() {
		return now
	}
	return received
}

// Expire removes the segments whose newest received is older than the retention, unless that is more than a
// stride at once: then they wait, and somebody is told.
func (s *Store) Expire(ctx context.Context, now time.Time) error { return s.expire(ctx, now, false) }

// Confirm removes all that is past the retention, however much it is, and says how much that was.
func (s *Store) Confirm(ctx context.Context) (Waiting, error) {
	now := s.opts.Now()
	due, err := s.Due(ctx, now)
	if err != nil {
		return Waiting{}, err
	}
	return due, s.expire(ctx, now, true)
}

// Retention gives how long events are kept.
func (s *Store) Retention() time.Duration { return s.opts.Retention }

// Due counts what would be past the retention at a time.
func (s *Store) Due(ctx context.Context, now time.Time) (w Waiting, err error) {
	files, err := s.opts.Manifest.Segments(ctx)
	if err != nil {
		return w, fmt.Errorf("list segments: %w", err)
	}
	before := now.Add(-s.opts.Retention).UnixMicro()
	for _, f := range slices.DeleteFunc(files, func(f File) bool { return f.Received >= before }) {
		if w.Segments == 0 {
			w.Oldest, w.Newest = f.Received, f.Received
		}
		w.Segments, w.Events = w.Segments+1, w.Events+f.Rows
		w.Oldest, w.Newest = min(w.Oldest, f.Received), max(w.Newest, f.Received)
	}
	return w, nil
}

func (s *Store) expire(ctx context.Context, now time.Time, all bool) error {
	due, err := s.Due(ctx, now)
	if err != nil {
		return fmt.Errorf("expire segments: %w", err)
	}
	before := now.Add(-s.opts.Retention).UnixMicro()
	waits := Waiting{}
	if due.Segments > 0 && !all && before-due.Oldest > stride.Microseconds() {
		waits = due
	}
	s.mu.Lock()
	changed := s.waiting != waits
	s.waiting = waits
	s.mu.Unlock()
	if changed {
		s.changed()
	}
	if waits.Segments > 0 {
		if changed {
			s.opts.Log.ErrorContext(ctx, "more is past the retention than goes by at once: nothing is removed until `yagura store expire` confirms it",
				slog.Int("segments", due.Segments), slog.Int64("events", due.Events), slog.Time("oldest", time.UnixMicro(due.Oldest)), slog.Time("now", now))
		}
		return nil
	}
	if due.Segments == 0 {
		return nil
	}
	gone, err := s.opts.Manifest.Expire(ctx, before)
	if err != nil {
		return fmt.Errorf("expire segments: %w", err)
	}
	paths := make([]string, len(gone))
	var rows int64
	for i, f := range gone {
		paths[i], rows = f.Path, rows+f.Rows
	}
	s.waste.add(paths)
	s.unmark(paths...)
	if len(gone) > 0 {
		s.opts.Log.InfoContext(ctx, "segments past the retention removed", slog.Int("segments", len(gone)), slog.Int64("events", rows),
			slog.Time("received_before", time.UnixMicro(before)))
	}
	return nil
}
