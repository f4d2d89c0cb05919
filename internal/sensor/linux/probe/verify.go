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
)

// verifyEvery is how often each hook is looked at: some twenty system calls.
const verifyEvery = 5 * time.Second

// ErrRemoved says that somebody took a hook off the kernel while the sensor ran: it closed a descriptor of
// ours, or emptied a table.
var ErrRemoved = errors.New("its hook was taken away from the running sensor: find out who did it; it is attached again by itself, later each time")

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

// verify asks the kernel whether what was attached still is, and gives the links that are gone. A handler that is
// missing from its table, or another's, is put back at once.
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
				if holds(l.table, number, h.programs.Programs[name]) {
					continue
				}
				p.watch.intrusion(intrudedHandlers)
				if l.table.Put(number, h.programs.Programs[name]) != nil {
					err = ErrRemoved
				}
			}
		}
	}
	return gone, err
}

// holds says whether a table of programs has this one at a place.
func holds(table *ebpf.Map, number uint32, program *ebpf.Program) bool {
	var have uint32
	return table.Lookup(number, &have) == nil && have != 0 && ebpf.ProgramID(have) == idOf(program)
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

// mendMost is the longest that a hook stays away.
const mendMost = 5 * time.Minute

// absence says for how long a hook that was taken away now stays away. Not attached at once: people must see
// that a class was blind, and who takes a hook away again and again must not be answered every five seconds.
func (h *hook) absence(first time.Duration, now uint64) time.Duration {
	switch {
	case h.away == 0 || now > h.again+uint64(2*mendMost): // it held since
		h.away = first
	default:
		h.away = min(2*h.away, mendMost)
	}
	return h.away
}

// mend attaches hooks again that were taken away a while ago, and says whether it did.
func (p *Probe) mend(ctx context.Context, now uint64) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.hooks {
		if !errors.Is(h.err, ErrRemoved) || now < h.again {
			continue
		}
		h.again = now + uint64(h.absence(p.opts.Mend, now))
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
		h.err, h.again, news = err, now+uint64(h.absence(p.opts.Mend, now)), true
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
