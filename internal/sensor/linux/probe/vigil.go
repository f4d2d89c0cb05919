package probe

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cilium/ebpf"

	"github.com/yagura-edr/yagura/internal/event"
)

// vigil looks after the kernel side while the sensor runs: every hook, and the few tables that cannot be frozen.
type vigil struct {
	next  uint64 // when to look again
	last  uint64 // when all was well
	found []intruded
	told  map[intruded]uint64 // when each was told last
	newer ebpf.ProgramID      // programs up to this one were looked at
}

// intruded is a trace of somebody who changes how the sensor sees, by what was changed and the sentence that says
// what that means.
type intruded struct{ subject, meaning string }

// Traces.
var (
	intrudedSettings = intruded{"map settings", "somebody wrote into the sensor's map settings: records could come a second late; it was put right"}
	intrudedHandlers = intruded{"map handlers", "somebody changed the sensor's map handlers: some system calls were not looked at; it was put right"}
	intrudedSnapshot = intruded{"program snapshot", "somebody replaced the sensor's program snapshot: running processes could be hidden from it; it was put right"}
)

func intrudedRing(i int) intruded {
	return intruded{"map " + ringNames[i], "somebody moved the reader's position of the sensor's map " + ringNames[i] + ": records could be lost or held up; it was put right"}
}

func intrudedBy(program, table string) intruded {
	return intruded{"map " + table, fmt.Sprintf("the kernel program %s, which is not the sensor's, uses its map %s: it can change what the sensor tells; find out who loaded it", program, table)}
}

// tellAgain is how long the same trace is not told again.
const tellAgain = uint64(time.Minute)

// intrusion notes a trace.
func (v *vigil) intrusion(i intruded) { v.found = append(v.found, i) }

// keep looks, at most every verifyEvery, and emits one sensor.tamper for each trace, and one sensor.capability for
// each class that lost a hook since the last look, or got one back.
func (v *vigil) keep(ctx context.Context, p *Probe, now uint64, emit func(*event.Event)) {
	if now < v.next {
		return
	}
	v.next = now + uint64(verifyEvery)
	before := p.Capabilities()
	news := p.verify(ctx, now)
	p.inspect()
	v.tell(ctx, p, now, emit)
	if !p.mend(ctx, now) && !news {
		v.last = now
		return
	}
	for i, c := range p.Capabilities() {
		if c != before[i] {
			emit(&event.Event{
				Kind: event.SensorCapability, OS: event.Linux, BootNS: now, HostTime: p.clock.Host(now), Subject: c.Class,
				State: c.State, Reason: c.Reason, FromNS: v.last, ToNS: now,
			})
		}
	}
	v.last = now
}

func (v *vigil) tell(ctx context.Context, p *Probe, now uint64, emit func(*event.Event)) {
	told := 0
	for _, i := range v.found {
		if told == mostAtOnce {
			break // whoever loads a thousand programs is told of with these
		}
		if at, ok := v.told[i]; ok && now < at+tellAgain {
			continue
		}
		if v.told == nil || len(v.told) > maxTold {
			v.told = map[intruded]uint64{}
		}
		v.told[i] = now
		told++
		p.log.ErrorContext(ctx, "somebody changes how the sensor sees", slog.String("what", i.subject), slog.String("reason", i.meaning))
		emit(&event.Event{
			Kind: event.SensorTamper, OS: event.Linux, BootNS: now, HostTime: p.clock.Host(now), Subject: i.subject, State: "found",
			Reason: i.meaning, FromNS: v.last, ToNS: now,
		})
	}
	v.found = v.found[:0]
}

// maxTold bounds the traces remembered (full: all are told once more), mostAtOnce those told at one look.
const (
	maxTold    = 256
	mostAtOnce = 16
)

// inspect looks at what is not a hook.
func (p *Probe) inspect() {
	v := &p.watch
	if p.sleep.intruded() {
		v.intrusion(intrudedSettings)
	}
	for i, r := range p.rings {
		if r.Intruded() {
			v.intrusion(intrudedRing(i))
		}
	}
	if p.iter != nil {
		lists := p.snap.Programs["snapshot"]
		if info, err := p.iter.Info(); err == nil && info.Program != idOf(lists) && p.iter.Update(lists) == nil {
			v.intrusion(intrudedSnapshot)
		}
	}
	p.strangers()
}

// strangers looks at the programs that were loaded since the last look: one that uses a table of ours and is not ours
// could write what a system call may not.
func (p *Probe) strangers() {
	for {
		id, err := ebpf.ProgramGetNextID(p.watch.newer)
		if err != nil {
			return // that was the last one, or there is no right to ask
		}
		p.watch.newer = id
		if p.ours.programs[id] {
			continue
		}
		other, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // gone already
		}
		_, name, tables, err := program(other)
		_ = other.Close()
		if err != nil {
			continue
		}
		for _, m := range tables {
			if table, is := p.ours.tables[m]; is {
				p.watch.intrusion(intrudedBy(name, table))
				break
			}
		}
	}
}
