// Package detect reads the event log, decodes each record once, shows its events to observers and judges
// them with the Sigma rules. It alone raises detections: it keeps them, then hands them to desks
// (incidents), then moves the judged position on. It knows nothing of how rules are judged (sigma), how
// incidents are made (incident) or how anything is stored: controldb implements Store. cmd/yagura wires
// it and runs Engine.Run.
//
// Everything here may happen twice after a crash: detections have deterministic ids, observers and desks
// are idempotent, and the position moves last.
package detect

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Observer sees each batch of events before its detections. It is called from one goroutine a shard, so
// events of one host come in order and calls for different hosts run at the same time. It must not block long.
type Observer interface {
	Observe(ctx context.Context, t tenant.ID, events []event.Stamped)
}

// Desk takes each detection that is not a canary's. It may be given the same one again.
type Desk interface {
	Receive(ctx context.Context, d detection.Detection) error
}

// Canary says which processes are canaries that this server asked for.
type Canary interface {
	IsCanary(ctx context.Context, h event.HostID, key event.Key) bool
}

// Poison is a batch, or a whole record, that cannot be judged.
type Poison struct {
	Tenant  tenant.ID // zero: a whole record, see Shard and Seq
	Host    event.HostID
	Stream  uint64
	Lane    event.Lane
	First   uint64
	Count   int
	Shard   int
	Seq     uint64
	Reason  string
	Content []byte
}

// Quarantine keeps what could not be judged and counts it as loss.
type Quarantine interface {
	Quarantine(ctx context.Context, p Poison) error
}

// Suppressed counts detections of one rule on one host that were over the bound.
type Suppressed struct {
	Tenant tenant.ID
	Host   event.HostID
	RuleID string
	Count  uint64
	From   int64 // µs UTC of the first
	To     int64
}

// Store keeps detections and positions.
type Store interface {
	// Judged gives the last judged record of each shard.
	Judged(ctx context.Context) (map[int]uint64, error)
	// SaveJudged keeps positions; they never go back.
	SaveJudged(ctx context.Context, through map[int]uint64) error
	// SaveDetections keeps detections; those it has already stay as they are.
	SaveDetections(ctx context.Context, d []detection.Detection) error
	// SaveSuppressed adds to the counts.
	SaveSuppressed(ctx context.Context, s []Suppressed) error
}

// Options of an Engine. Log, Rules, Store and Logger must be set.
type Options struct {
	Log        *stream.Log
	Rules      *sigma.Ruleset
	Store      Store
	Observers  []Observer
	Desks      []Desk
	Canary     Canary     // nil: nothing is a canary
	Quarantine Quarantine // nil: poison is logged and passed over
	Logger     *slog.Logger

	// PerMinute bounds how many detections one rule raises on one host in a minute; more are counted.
	// 0: 60.
	PerMinute int
}

// CanaryRule is the rule that sees the sensor's own proof of sight. What it finds is a canary's
// detection, or nothing: package coverage raises the ones that were never asked for.
const CanaryRule = "6f0f2a52-6a0b-4a0e-9d6d-5f9a3c1e7b01"

// Engine judges the log.
type Engine struct {
	opts    Options
	rules   atomic.Pointer[sigma.Ruleset]
	latency Latency
	hits    hitCounts
	noise   noise

	mu     sync.Mutex // guards judged, dirty
	judged map[int]uint64
	dirty  map[int]uint64
}

// New makes an engine.
func New(opts Options) *Engine {
	if opts.PerMinute == 0 {
		opts.PerMinute = 60
	}
	e := &Engine{opts: opts, judged: map[int]uint64{}, dirty: map[int]uint64{}}
	e.noise.limit = opts.PerMinute
	e.rules.Store(opts.Rules)
	return e
}

// Use swaps the rules; the record at hand is finished with the old ones.
func (e *Engine) Use(set *sigma.Ruleset) { e.rules.Store(set) }

// Rules gives the rules in use.
func (e *Engine) Rules() *sigma.Ruleset { return e.rules.Load() }

// Hits gives how often each rule fired since the engine was made, canaries included.
func (e *Engine) Hits() map[string]uint64 { return e.hits.all() }

// Latency gives the distribution of the time from the event to its detection.
func (e *Engine) Latency() *Latency { return &e.latency }

// Judged gives the last judged record of a shard, as far as it is kept: the log may be purged up to it.
// It is 0 until Run has read the positions.
func (e *Engine) Judged(shard int) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.judged[shard]
}

// positions of idle shards are kept once in this time; a crash repeats at most that much work.
const keepEvery = 500 * time.Millisecond

// Run judges until ctx ends, and then keeps the positions.
func (e *Engine) Run(ctx context.Context) error {
	at, err := e.opts.Store.Judged(ctx)
	if err != nil {
		return fmt.Errorf("read judged positions: %w", err)
	}
	e.mu.Lock()
	maps.Copy(e.judged, at)
	e.mu.Unlock()

	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	for shard := range stream.Shards {
		from := at[shard] + 1
		wg.Go(func() {
			if err := e.follow(ctx, shard, from); err != nil {
				cancel(err)
			}
		})
	}
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := e.keep(ctx); err != nil {
				e.opts.Logger.ErrorContext(ctx, "judged positions not kept; will try again", slog.Any("err", err))
			}
		case <-ctx.Done():
			wg.Wait()
			last, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer stop()
			if err := e.keep(last); err != nil {
				return err
			}
			return context.Cause(ctx)
		}
	}
}

// keep writes what moved since the last time: counts of what was held back first, positions after.
func (e *Engine) keep(ctx context.Context) error {
	if held := e.noise.take(); len(held) > 0 {
		if err := e.opts.Store.SaveSuppressed(ctx, held); err != nil {
			e.noise.putBack(held)
			return fmt.Errorf("keep suppressed counts: %w", err)
		}
	}
	e.mu.Lock()
	moved := e.dirty
	e.dirty = map[int]uint64{}
	e.mu.Unlock()
	if len(moved) == 0 {
		return nil
	}
	if err := e.opts.Store.SaveJudged(ctx, moved); err != nil {
		e.mu.Lock()
		for s, q := range moved {
			e.dirty[s] = max(e.dirty[s], q)
		}
		e.mu.Unlock()
		return fmt.Errorf("keep judged positions: %w", err)
	}
	e.mu.Lock()
	for s, q := range moved {
		e.judged[s] = max(e.judged[s], q)
	}
	e.mu.Unlock()
	return nil
}

func (e *Engine) moved(shard int, seq uint64) {
	e.mu.Lock()
	e.dirty[shard] = max(e.dirty[shard], seq)
	e.mu.Unlock()
}

// Wire adds what the engine itself is needed to make, such as coverage, which raises through it. It is
// called before Run.
func (e *Engine) Wire(observers []Observer, desks []Desk, canary Canary) {
	e.opts.Observers = append(e.opts.Observers, observers...)
	e.opts.Desks = append(e.opts.Desks, desks...)
	if canary != nil {
		e.opts.Canary = canary
	}
}

// Receive takes a detection that no rule made, such as coverage's false canary: it is kept and handed to
// the desks like any other. Raising it again changes nothing.
func (e *Engine) Receive(ctx context.Context, d detection.Detection) error {
	if d.Detected == 0 {
		d.Detected = time.Now().UnixMicro()
	}
	return e.deliver(ctx, []detection.Detection{d})
}

// deliver keeps detections and then shows them to the desks.
func (e *Engine) deliver(ctx context.Context, found []detection.Detection) error {
	if err := e.opts.Store.SaveDetections(ctx, found); err != nil {
		return fmt.Errorf("keep %d detections: %w", len(found), err)
	}
	for _, d := range found {
		if d.Canary {
			continue
		}
		for _, desk := range e.opts.Desks {
			if err := desk.Receive(ctx, d); err != nil {
				return fmt.Errorf("hand over detection %s: %w", d.ID, err)
			}
		}
	}
	return nil
}
