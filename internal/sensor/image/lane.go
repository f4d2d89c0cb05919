package image

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Kinds of file systems, by who may leave a read of theirs without an answer. They do not wait for one another: anybody may mount
// a FUSE file system that hangs, and a container's overlay may lie on one.
const (
	local   = iota // a disk of this host
	stacked        // what lies on others, and what the kernel gave no name of
	remote         // a server's, or a program's
	lanes
)

// stopWait is how long the end of Run waits for a worker that may hang.
const stopWait = 100 * time.Millisecond

// mostLeft is how many workers of one lane may be left behind. Full: its files get no hash until one comes back.
const mostLeft = 8

type request struct {
	want Want
	done func(Result)
}

type lane struct {
	queue chan request // full: Ask says so and the exec leaves without a hash
	turns chan struct{}
	left  atomic.Int32 // workers that hang and were left behind
}

// silence is a device whose files cannot be read now.
type silence struct {
	workers int
	since   time.Time
}

func (h *Hasher) makeLanes() (all [lanes]*lane) {
	for i := range all {
		workers := h.opts.Workers
		if i == remote {
			workers = 1
		}
		all[i] = &lane{queue: make(chan request, queueLength), turns: make(chan struct{}, workers)}
	}
	return all
}

// Run works until ctx ends. Requests still queued then are never answered; workers that hang are not waited for.
func (h *Hasher) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, l := range h.lanes {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case l.turns <- struct{}{}:
				}
				select {
				case <-ctx.Done():
					return
				case r := <-l.queue:
					wg.Go(func() {
						defer func() { <-l.turns }()
						h.attend(ctx, l, r)
					})
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// attend hashes a file, or gives up on it when its file system does not answer: the worker is then left behind, and its turn
// is another's.
func (h *Hasher) attend(ctx context.Context, l *lane, r request) {
	dev := r.want.Kernel.Dev
	if h.silent(dev) || l.left.Load() >= mostLeft {
		r.done(Result{Err: ErrHung}) // it waited in the queue meanwhile
		return
	}
	var moves atomic.Uint64
	var mu sync.Mutex // guards left
	left := false
	answer := make(chan Result, 1)
	go func() {
		buf := buffers.Get().(*[64 << 10]byte)
		defer buffers.Put(buf)
		sum, err := h.hash(ctx, r.want, buf[:], func() { moves.Add(1) })
		mu.Lock()
		defer mu.Unlock()
		if left {
			l.left.Add(-1)
			h.heard(dev)
		}
		answer <- Result{SHA256: sum, Err: err}
	}()
	tick := time.NewTicker(h.opts.Patience)
	defer tick.Stop()
	stop := ctx.Done()
	for last := uint64(0); ; {
		select {
		case res := <-answer:
			r.done(res)
			return
		case <-stop: // who does not hang ends at once
			stop, last = nil, ^uint64(0)
			tick.Reset(stopWait)
			continue
		case <-tick.C:
			if stop == nil {
				return
			}
		}
		if n := moves.Load(); n != last {
			last = n
			continue
		}
		mu.Lock()
		select {
		case res := <-answer:
			mu.Unlock()
			r.done(res)
			return
		default:
		}
		left = true
		l.left.Add(1)
		h.unheard(dev)
		mu.Unlock()
		r.done(Result{Err: ErrHung})
		return
	}
}

func (h *Hasher) silent(dev uint32) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return dev != 0 && h.hung[dev] != nil
}

func (h *Hasher) unheard(dev uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.hung[dev]
	if s == nil {
		s = &silence{since: time.Now()}
		h.hung[dev] = s
	}
	s.workers++
}

func (h *Hasher) heard(dev uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.hung[dev]; s != nil {
		if s.workers--; s.workers <= 0 {
			delete(h.hung, dev)
		}
	}
}

// Hung gives how many workers wait for file systems that do not answer, and since when the first of these is silent.
func (h *Hasher) Hung() (workers int, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.hung {
		workers += s.workers
		if since.IsZero() || s.since.Before(since) {
			since = s.since
		}
	}
	return workers, since
}
