package detect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/pause"
	"github.com/yagura-edr/yagura/internal/sigma"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// retryAfter is how long a shard waits when the log or the store fails; nothing is skipped meanwhile.
const retryAfter = time.Second

// judge is the state of one shard's goroutine.
type judge struct {
	e       *Engine
	shard   int
	set     *sigma.Ruleset
	scratch *sigma.Scratch
	rec     sigma.EventRecord
}

// follow reads one shard for ever.
func (e *Engine) follow(ctx context.Context, shard int, from uint64) error {
	j := &judge{e: e, shard: shard}
	r := e.opts.Log.Reader(shard, from)
	for {
		seq, batches, err := r.Next(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // asked to stop
		}
		if damaged, ok := errors.AsType[*stream.DamagedError](err); ok {
			j.poison(ctx, Poison{Shard: shard, Seq: damaged.Seq, Reason: damaged.Error(), Content: damaged.Raw})
			e.moved(shard, damaged.Seq)
			continue
		}
		switch {
		case errors.Is(err, stream.ErrClosed):
			return fmt.Errorf("follow shard %d: %w", shard, err)
		case err != nil:
			e.opts.Logger.ErrorContext(ctx, "event log cannot be read; will try again", slog.Int("shard", shard), slog.Any("err", err))
			if !pause.For(ctx, retryAfter) {
				return nil
			}
			continue
		}
		found := j.record(ctx, seq, batches)
		for len(found) > 0 {
			err := e.deliver(ctx, found)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return nil //nolint:nilerr // not delivered: the position stays, the next start judges it again
			}
			e.opts.Logger.ErrorContext(ctx, "detections not kept; will try again", slog.Int("shard", shard), slog.Any("err", err))
			if !pause.For(ctx, retryAfter) {
				return nil
			}
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the record may be half judged
		}
		e.moved(shard, seq)
	}
}

// record shows and judges the batches of one log record.
func (j *judge) record(ctx context.Context, seq uint64, batches []stream.Batch) (found []detection.Detection) {
	for i := range batches {
		b := &batches[i]
		found = append(found, j.batch(ctx, seq, b)...)
	}
	return found
}

// batch judges one batch. One that cannot be decoded, or that makes our own code panic, goes to
// quarantine: a poison batch must not stop the detector, least of all again after each restart.
func (j *judge) batch(ctx context.Context, seq uint64, b *stream.Batch) (found []detection.Detection) {
	p := Poison{Tenant: b.Tenant, Host: b.Host, Stream: b.Stream, Lane: b.Lane, First: b.First, Count: b.Count, Shard: j.shard, Seq: seq, Content: b.Content}
	defer func() {
		if r := recover(); r != nil {
			p.Reason = fmt.Sprintf("judging it made the server panic: %v", r)
			j.poison(ctx, p)
			j.scratch, j.set = nil, nil
			found = nil
		}
	}()
	events, err := b.Events()
	if err != nil {
		p.Reason = err.Error()
		j.poison(ctx, p)
		return nil
	}
	for _, o := range j.e.opts.Observers {
		o.Observe(ctx, b.Tenant, events)
	}
	return j.events(ctx, b.Tenant, events)
}

func (j *judge) poison(ctx context.Context, p Poison) {
	log := j.e.opts.Logger.With(slog.Int("shard", p.Shard), slog.Uint64("seq", p.Seq), slog.String("reason", p.Reason))
	if p.Tenant != (tenant.ID{}) {
		log = log.With(slog.String("tenant", p.Tenant.String()), slog.String("host", p.Host.String()))
	}
	log.ErrorContext(ctx, "batch cannot be judged; it is in quarantine and counted as loss")
	if j.e.opts.Quarantine == nil {
		return
	}
	for {
		err := j.e.opts.Quarantine.Quarantine(ctx, p)
		if err == nil || ctx.Err() != nil {
			return
		}
		log.ErrorContext(ctx, "quarantine cannot be written; will try again", slog.Any("err", err))
		if !pause.For(ctx, retryAfter) {
			return
		}
	}
}

// events judges decoded events.
func (j *judge) events(ctx context.Context, t tenant.ID, events []event.Stamped) (found []detection.Detection) {
	if set := j.e.rules.Load(); set != j.set {
		j.set, j.scratch = set, set.Scratch()
	}
	for _, s := range events {
		j.rec.Set(s.Event)
		hits := j.scratch.Judge(&j.rec, sigma.SkipFor(s.Event))
		if len(hits) == 0 {
			continue
		}
		now := time.Now().UnixMicro()
		canary := s.Event.Flags&event.FlagCanary != 0 || j.e.opts.Canary != nil && j.e.opts.Canary.IsCanary(ctx, s.ID.Host, s.Event.Actor.Key)
		for _, h := range hits {
			if h.Rule.ID == CanaryRule && !canary {
				continue // coverage knows the nonces and raises what is no canary of ours
			}
			j.e.hits.add(h.Rule.ID)
			if !canary && !j.e.noise.allow(t, s.ID.Host, h.Rule.ID, s.Event, now) {
				continue
			}
			d := Make(t, h, s, now)
			d.Canary = canary
			found = append(found, d)
			j.e.latency.note(s.Event, now)
		}
	}
	return found
}

// Make gives the detection of a hit.
func Make(t tenant.ID, h sigma.Hit, s event.Stamped, now int64) detection.Detection {
	r := h.Rule
	return detection.Detection{
		ID: detection.NewID(r.ID, r.Version, s.ID), Tenant: t, RuleID: r.ID, RuleVersion: r.Version,
		Title: r.Title, Why: r.Why, Todo: r.Todo, Severity: r.Severity, ATTACK: r.ATTACK,
		Author: r.Author, Licence: r.Licence, Matched: h.Matched, Event: s, Detected: now,
	}
}
