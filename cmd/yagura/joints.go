package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/yagura-edr/yagura/internal/console"
	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detect"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/ingest"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// The joints turn what one part offers into what another one asks for. They hold no logic of their own.

// watermarks lets ingest read what the manifest has settled.
type watermarks struct{ db *controldb.DB }

func (w watermarks) Cursors(ctx context.Context) ([stream.Shards]uint64, error) {
	snap, err := w.db.Snapshot(ctx, eventstore.Want{From: 1<<63 - 1})
	return snap.Cursors, err
}

func (w watermarks) Settled(ctx context.Context, t tenant.ID, h event.HostID, of []ingest.Settled) ([]ingest.Settled, error) {
	lanes := make([]eventstore.StreamLane, len(of))
	for i, x := range of {
		lanes[i] = eventstore.StreamLane{Stream: x.Stream, Lane: x.Lane}
	}
	covered, err := w.db.Covered(ctx, t, h, lanes...)
	if err != nil {
		return nil, err
	}
	var out []ingest.Settled
	for k, ranges := range covered {
		out = append(out, ingest.Settled{Stream: k.Stream, Lane: k.Lane, Ranges: ranges})
	}
	return out, nil
}

// holes lets stories say where a host could not be seen.
type holes struct {
	coverage *coverage.Coverage
	store    *eventstore.Store
}

func (h holes) Holes(ctx context.Context, t tenant.ID, host event.HostID, from, to int64) ([]incident.Hole, error) {
	rows, err := h.coverage.Holes(ctx, t, host, from, to)
	if err != nil {
		return nil, err
	}
	var out []incident.Hole
	for _, r := range rows {
		out = append(out, incident.Hole{Host: r.Host.String(), Class: r.Class, From: r.From, To: r.To, State: string(r.State), Reason: r.Text()})
	}
	for _, d := range h.store.Damaged() {
		if d.Tenant == t && !d.Hot && d.Overlaps(host, from, to) {
			out = append(out, incident.Hole{Host: host.String(), Class: d.Group, From: d.MinTime, To: d.MaxTime, State: string(coverage.Partial), Reason: reasonStored})
		}
	}
	return out, nil
}

// reasonStored is why a class has a hole that was none when its events came.
const reasonStored = "stored events of this time cannot be read"

// changedDetections tells open pages that a detection was raised.
type changedDetections struct{ hub *console.Hub }

func (c changedDetections) Receive(_ context.Context, d detection.Detection) error {
	c.hub.Changed(d.Tenant, console.ChangedDetections)
	return nil
}

// poison counts what the engine could not judge as loss of its host.
type poison struct{ p *parts }

func (x poison) Quarantine(ctx context.Context, b detect.Poison) error {
	if b.Tenant == (tenant.ID{}) {
		x.p.log.ErrorContext(ctx, "log record cannot be read", slog.Int("shard", b.Shard), slog.Uint64("record", b.Seq), slog.String("reason", b.Reason))
		return nil
	}
	x.p.coverage.Quarantined(ctx, b.Tenant, event.ID{Host: b.Host, Stream: b.Stream, Lane: b.Lane, Seq: b.First}, uint64(max(0, b.Count)), time.Now().UnixMicro(), b.Reason)
	return nil
}

// quarantined counts what the store could not keep as loss of its host.
func (p *parts) quarantined(ctx context.Context, q eventstore.Quarantined) {
	p.log.ErrorContext(ctx, "batch quarantined", slog.String("host", q.Host.String()), slog.String("reason", q.Reason), slog.String("file", q.File))
	if q.Batch < 0 || p.coverage == nil {
		return
	}
	p.coverage.Quarantined(ctx, q.Tenant, event.ID{Host: q.Host, Stream: q.Stream, Lane: q.Lane, Seq: q.Range.First}, q.Range.Last-q.Range.First+1, time.Now().UnixMicro(), q.Reason)
}
