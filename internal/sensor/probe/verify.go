package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"

	"github.com/yagura-edr/yagura/internal/event"
)

// verifyEvery is how often each hook is looked at: some twenty system calls.
const verifyEvery = 5 * time.Second

// ErrRemoved says that somebody took a hook off the kernel while the sensor ran: it closed a descriptor of
// ours, or emptied a table.
var ErrRemoved = errors.New("its hook was taken away from the running sensor: find out who did it; it is attached again after some minutes, or by a restart")

// oath is what a link was when it was attached.
type oath struct {
	id      link.ID
	program ebpf.ProgramID
}

// swear remembers what was attached, for verify.
func (h *hook) swear() error {
	h.oaths = map[link.Link]oath{}
	for _, c := range h.links {
		l, ok := c.(link.Link)
		if !ok {
			continue
		}
		info, err := l.Info()
		if err != nil {
			return fmt.Errorf("ask for link of %s: %w", h.name, err)
		}
		h.oaths[l] = oath{info.ID, info.Program}
	}
	return nil
}

// verify asks the kernel whether what was attached still is, and gives the links that are gone.
func (h *hook) verify(p *Probe) (gone []io.Closer, err error) {
	for _, c := range h.links {
		switch l := c.(type) {
		case link.Link:
			info, ierr := l.Info()
			if ierr != nil || (oath{info.ID, info.Program}) != h.oaths[l] {
				gone, err = append(gone, c), ErrRemoved
			}
		case *handled:
			for number, name := range l.programs {
				if !holds(l.table, number, h.programs.Programs[name]) {
					err = ErrRemoved
				}
			}
		}
	}
	if h.group != dispatcher {
		return gone, err
	}
	for number, want := range calls() {
		var have call
		if p.maps["calls"].Lookup(number, &have) != nil || have != want {
			return gone, ErrRemoved
		}
	}
	return gone, err
}

// holds says whether a table of programs has this one at a place.
func holds(table *ebpf.Map, number uint32, program *ebpf.Program) bool {
	info, err := program.Info()
	if err != nil {
		return false
	}
	want, ok := info.ID()
	var have uint32
	return table.Lookup(number, &have) == nil && ok && ebpf.ProgramID(have) == want
}

// stolen holds the links that somebody closed under us. They are never closed, and kept from the collector, which
// would close them, also when their Probe is long gone: their numbers may be other files' by now.
var stolen struct {
	mu    sync.Mutex // guards links
	links []io.Closer
}

func keep(link io.Closer) {
	stolen.mu.Lock()
	defer stolen.mu.Unlock()
	stolen.links = append(stolen.links, link)
}

// vigil looks after the hooks while the sensor runs.
type vigil struct {
	next uint64 // when to look again
	last uint64 // when all was well
}

// keep emits one sensor.capability for each class that lost a hook since the last look, or got one back.
func (v *vigil) keep(ctx context.Context, p *Probe, now uint64, emit func(*event.Event)) {
	if now < v.next {
		return
	}
	v.next = now + uint64(verifyEvery)
	before := p.Capabilities()
	news := p.verify(ctx, now)
	if !p.mend(ctx, now) && !news {
		v.last = now
		return
	}
	for i, c := range p.Capabilities() {
		if c != before[i] {
			emit(&event.Event{
				Kind: event.SensorCapability, OS: event.Linux, BootNS: now, HostTime: p.clock.host(now), Subject: c.Class,
				State: c.State, Reason: c.Reason, FromNS: v.last, ToNS: now,
			})
		}
	}
	v.last = now
}

// mend attaches hooks again that were taken away a while ago, and says whether it did. Not at once: people must see
// that a class was blind, and who takes a hook away twice must not be answered every five seconds.
func (p *Probe) mend(ctx context.Context, now uint64) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.hooks {
		if !errors.Is(h.err, ErrRemoved) || now < h.again {
			continue
		}
		h.again = now + uint64(p.opts.Mend)
		if err := h.close(); err != nil {
			p.log.DebugContext(ctx, "remains of a hook", slog.String("hook", h.name), slog.Any("err", err))
		}
		if err := p.loadHook(h, btf.NewCache()); err != nil {
			p.log.ErrorContext(ctx, "a hook that was taken away cannot be attached again: restart the sensor", slog.String("hook", h.name), slog.Any("err", err))
			continue
		}
		h.err, news = nil, true
		p.log.WarnContext(ctx, "a hook that was taken away is attached again", slog.String("hook", h.name))
	}
	return news
}

// verify looks at every hook that works and says whether one is gone.
func (p *Probe) verify(ctx context.Context, now uint64) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.hooks {
		if h.err != nil {
			continue
		}
		gone, err := h.verify(p)
		if err == nil {
			continue
		}
		h.err, h.again, news = err, now+uint64(p.opts.Mend), true
		p.log.ErrorContext(ctx, "a hook was taken away from the running sensor", slog.String("hook", h.name))
		for _, c := range gone {
			keep(c)
			for i, l := range h.links {
				if l == c {
					h.links = append(h.links[:i:i], h.links[i+1:]...)
					break
				}
			}
		}
	}
	return news
}
