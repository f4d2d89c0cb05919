package probe

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/yagura-edr/yagura/internal/boot"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/decode"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// Counters gives the sums over all CPUs, by class, since Open.
func (p *Probe) Counters() (map[string]sense.Counters, error) {
	all := make(map[string]sense.Counters, len(decode.Classes))
	for i, class := range decode.Classes {
		var perCPU []kernelCounters
		if err := p.maps["counters"].Lookup(uint32(i), &perCPU); err != nil {
			return nil, fmt.Errorf("read counters of %s: %w", class, err)
		}
		var c sense.Counters
		for _, n := range perCPU {
			c.Seen += n.Seen
			c.Filtered += n.Filtered
			c.Repeated += n.Repeated
			c.Throttled += n.Throttled
			c.Submitted += n.Submitted
			c.RingFull += n.RingFull
			c.NoScratch += n.NoScratch
			c.Rescued += n.Rescued
		}
		all[class] = c
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.hooks {
		if h.programs == nil || h.group == dispatcher {
			continue
		}
		for name, program := range h.programs.Programs {
			if stats, err := program.Stats(); err == nil && !doubled[name] {
				c := all[h.group]
				c.Missed += stats.RecursionMisses
				all[h.group] = c
			}
		}
	}
	return all, nil
}

// kernelCounters mirrors struct counters of record.h.
type kernelCounters struct {
	Seen, Filtered, Repeated, Throttled, Submitted, RingFull, NoScratch, Rescued uint64
}

// loss is one way in which acts of a class are lost.
type loss struct{ class, reason string }

// Ways to lose an act, as an event says it.
const (
	lostRingFull  = "the ring to the sensor was full"
	lostNoScratch = "two records were built on one processor at the same time"
	lostMissed    = "the kernel skipped a program that was running on that processor already"
	lostUndecoded = "a record was not understood" // ours on both ends, so a fault of ours
)

// lossMeter turns growing loss counters into sensor.loss events.
type lossMeter struct {
	p         *Probe
	before    map[loss]uint64
	since     uint64
	undecoded atomic.Uint64 // records that did not decode
}

func newLossMeter(p *Probe) *lossMeter {
	return &lossMeter{p: p, before: map[loss]uint64{}, since: boot.Now()}
}

// report emits one sensor.loss for each class, and each way, in which something was lost since the last report.
func (m *lossMeter) report(ctx context.Context, emit func(*event.Event)) {
	now := boot.Now()
	counters, err := m.p.Counters()
	if err != nil {
		m.p.log.ErrorContext(ctx, "loss not countable", slog.Any("err", err))
		return
	}
	lost := map[loss]uint64{{"sensor", lostUndecoded}: m.undecoded.Load()}
	for class, c := range counters {
		lost[loss{class, lostRingFull}], lost[loss{class, lostNoScratch}], lost[loss{class, lostMissed}] = c.RingFull, c.NoScratch, c.Missed
	}
	for way, n := range lost {
		if n <= m.before[way] {
			continue
		}
		emit(&event.Event{
			Kind: event.SensorLoss, OS: event.Linux, BootNS: now, HostTime: m.p.clock.Host(now), Subject: way.class,
			Count: n - m.before[way], FromNS: m.since, ToNS: now, Reason: way.reason,
		})
		m.before[way] = n
	}
	m.since = now
}

// RunTime says how often a program ran and how long in all. Both stay zero unless the kernel's run-time
// statistics are on (bpf_enable_stats), which a benchmark switches on and a sensor never does.
type RunTime struct {
	Runs uint64
	Time time.Duration
}

// RunTimes gives the run times of all attached programs by name.
func (p *Probe) RunTimes() map[string]RunTime {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]RunTime{}
	for _, h := range p.hooks {
		if h.programs == nil {
			continue
		}
		for name, program := range h.programs.Programs {
			if stats, err := program.Stats(); err == nil {
				all[name] = RunTime{Runs: stats.RunCount, Time: stats.Runtime}
			}
		}
	}
	return all
}
