package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/stream"
)

// maxRecent bounds the events that a restarted server reads again for its stories; full: stories begin later.
const maxRecent = 200_000

// recentTime bounds the reading of sealed events; what was read by then, the newest, counts.
const recentTime = time.Minute

// recent gives a restarted server what it knew: sealed events from the store, later ones from the log.
type recent struct{ p *parts }

// page is some events, newest first, as they wait to be given in their order: packed, for 200,000 open ones
// take 800 MB.
type page struct {
	ids    []event.ID
	packed []byte
}

func (r recent) Recent(ctx context.Context, since int64) iter.Seq2[incident.Observed, error] {
	return func(yield func(incident.Observed, error) bool) {
		pages, err := r.sealed(ctx, since)
		if err != nil && !yield(incident.Observed{}, fmt.Errorf("read stored events: %w", err)) {
			return
		}
		for _, p := range slices.Backward(pages) {
			events, err := p.open()
			if err != nil && !yield(incident.Observed{}, err) {
				return
			}
			for _, e := range slices.Backward(events) {
				if !yield(incident.Observed{Tenant: r.p.tenant.ID, Event: e}, nil) {
					return
				}
			}
		}
		r.unsealed(ctx, yield)
	}
}

// sealed reads the newest events of the store since a time, newest first. With an error it gives what it had.
func (r recent) sealed(ctx context.Context, since int64) (pages []page, err error) {
	ctx, cancel := context.WithTimeout(ctx, recentTime)
	defer cancel()
	told, n := time.Now(), 0
	for to := time.Now().Add(time.Hour).UnixMicro(); n < maxRecent; {
		a, err := r.p.store.Events(ctx, eventstore.Query{Tenant: r.p.tenant.ID, From: since, To: to, Limit: eventstore.MaxLimit})
		if err != nil {
			return pages, err
		}
		for chunk := range slices.Chunk(a.Events, event.MaxBatchEvents) {
			p, err := pack(chunk)
			if err != nil {
				return pages, err
			}
			pages = append(pages, p)
		}
		n += len(a.Events)
		if !a.Truncated || len(a.Events) == 0 || a.Events[len(a.Events)-1].Event.Time == to {
			break
		}
		to = a.Events[len(a.Events)-1].Event.Time
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			r.p.log.InfoContext(ctx, "stored events are read back for the stories", slog.Int("events", n), slog.Int("at_most", maxRecent))
		}
	}
	return pages, nil
}

func pack(events []event.Stamped) (p page, err error) {
	plain := make([]*event.Event, len(events))
	p.ids = make([]event.ID, len(events))
	for i, e := range events {
		p.ids[i], plain[i] = e.ID, e.Event
	}
	p.packed, err = stream.Pack(plain)
	return p, err
}

func (p page) open() ([]event.Stamped, error) {
	b := stream.Batch{Count: len(p.ids), Content: p.packed}
	events, err := b.Events()
	for i := range events {
		events[i].ID = p.ids[i]
	}
	return events, err
}

// unsealed reads the log behind what is sealed: what the engine judged before the start it does not show again.
func (r recent) unsealed(ctx context.Context, yield func(incident.Observed, error) bool) {
	for shard := range stream.Shards {
		last := r.p.judged[shard]
		reader := r.p.stream.Reader(shard, r.p.store.Sealed(shard)+1)
		for {
			_, batches, err := reader.NextThrough(ctx, last)
			if errors.Is(err, io.EOF) {
				break
			}
			if _, damaged := errors.AsType[*stream.DamagedError](err); err != nil && !damaged {
				return
			}
			for i := range batches {
				events, err := batches[i].Events()
				if err != nil {
					continue // the engine quarantines it when it comes to it
				}
				for _, e := range events {
					if !yield(incident.Observed{Tenant: batches[i].Tenant, Event: e}, nil) {
						return
					}
				}
			}
		}
	}
}
