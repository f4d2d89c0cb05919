// Package image hashes executed files: SHA-256 by a bounded number of workers, cached by what identifies the
// content, bounded in size and in bytes per second, so that no file an attacker runs can stall the sensor, nor any file
// system that does not answer. It knows nothing of events; package sight decides how long an exec waits for its hash.
package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Defaults of Options.
const (
	DefaultMaxBytes = 64 << 20 // of one file
	DefaultRate     = 20 << 20 // bytes per second, sustained
	DefaultWorkers  = 2
	cacheEntries    = 4096
	queueLength     = 1024
)

// Errors that say why there is no hash.
var (
	ErrTooBig = errors.New("file is over the size that is hashed")
	ErrGone   = errors.New("file is gone or no longer what was executed")
	ErrBusy   = errors.New("too many files wait to be hashed")
	ErrHung   = errors.New("the file system of the file does not answer")
)

// Options bounds the work. Zero values take the defaults.
type Options struct {
	MaxBytes int64
	Rate     int64
	Workers  int           // of files on local file systems
	Patience time.Duration // how long one look at a file, or one read of it, may take; 2 s
}

// Hasher hashes the images of processes.
type Hasher struct {
	opts  Options
	lanes [lanes]*lane

	mu    sync.Mutex // guards all below
	files generations[key]
	seen  generations[Identity] // the same hashes, by the kernel's identity of their files
	next  time.Time             // when the byte budget allows the next read
	hung  map[uint32]*silence   // by device
}

// Result is the hash of an image, or why there is none.
type Result struct {
	SHA256 [32]byte
	Err    error
}

// New makes a hasher; Run does its work.
func New(opts Options) *Hasher {
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = DefaultMaxBytes
	}
	if opts.Rate <= 0 {
		opts.Rate = DefaultRate
	}
	if opts.Workers <= 0 {
		opts.Workers = DefaultWorkers
	}
	if opts.Patience <= 0 {
		opts.Patience = 2 * time.Second
	}
	h := &Hasher{opts: opts, hung: map[uint32]*silence{}}
	h.lanes = h.makeLanes()
	return h
}

// Ask looks for the hash of an executed file. It touches no file itself. What can be said at once is (ok is true); otherwise
// done is called later, from a worker, exactly once, unless err says that it never will be.
func (h *Hasher) Ask(want Want, done func(Result)) (r Result, ok bool, err error) {
	if want.Size > h.opts.MaxBytes {
		return Result{Err: ErrTooBig}, true, nil
	}
	l := h.lanes[laneOf(want.Kernel.Magic)]
	if h.silent(want.Kernel.Dev) || l.left.Load() >= mostLeft {
		return Result{Err: ErrHung}, true, nil
	}
	select {
	case l.queue <- request{want, done}:
		return Result{}, false, nil
	default:
		return Result{}, false, ErrBusy
	}
}

// hash reads an executed file. It is stat'ed again behind the last byte, so a file written meanwhile is not
// cached, and its hash not believed.
func (h *Hasher) hash(ctx context.Context, want Want, buf []byte, moved func()) (sum [32]byte, err error) {
	f, content, err := want.open()
	moved()
	if err != nil {
		return sum, err
	}
	defer f.Close()
	if content.size > h.opts.MaxBytes {
		return sum, ErrTooBig
	}
	if sum, ok := h.known(content); ok {
		h.remember(want.Kernel, content, sum)
		return sum, nil
	}
	d := sha256.New()
	for read := int64(0); ; {
		n, err := f.Read(buf)
		moved()
		d.Write(buf[:n])
		if read += int64(n); read > h.opts.MaxBytes {
			return sum, ErrTooBig
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return sum, fmt.Errorf("read image: %w", err)
		}
		if err := h.pay(ctx, n, moved); err != nil {
			return sum, err
		}
	}
	d.Sum(sum[:0])
	after, err := identify(f)
	if err != nil || after.content() != content.content() {
		return [32]byte{}, ErrGone
	}
	h.keep(after, sum)
	h.remember(want.Kernel, after, sum)
	return sum, nil
}

// pay waits until the byte budget allows to go on. A second's worth may be spent at once: most programs are
// small, and an exec waits for its hash.
func (h *Hasher) pay(ctx context.Context, n int, moved func()) error {
	cost := time.Duration(n) * time.Second / time.Duration(h.opts.Rate)
	now := time.Now()
	h.mu.Lock()
	if floor := now.Add(-time.Second); h.next.Before(floor) {
		h.next = floor
	}
	h.next = h.next.Add(cost)
	wait := h.next.Sub(now)
	h.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		moved()
		return nil
	}
}

func (h *Hasher) known(k key) (sum [32]byte, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.files.get(k)
}

func (h *Hasher) keep(k key, sum [32]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files.put(k, sum)
}

// Known gives the hash of a file that the kernel described just so before. It asks nobody, so it is the way to
// begin; Ask is for what it does not know.
func (h *Hasher) Known(i Identity) (sum [32]byte, ok bool) {
	if i == (Identity{}) {
		return sum, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen.get(i)
}

// remember ties a hash to what the kernel said of the file, if the file that was hashed is that one.
func (h *Hasher) remember(i Identity, k key, sum [32]byte) {
	if i == (Identity{}) || !i.fits(k) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen.put(i, sum)
}

// generations remembers hashes: two halves of half the entries each; a full young one becomes the old one.
type generations[K comparable] struct{ young, old map[K][32]byte }

// get looks a hash up; what is found stays in the young half.
func (g *generations[K]) get(k K) (sum [32]byte, ok bool) {
	if sum, ok = g.young[k]; ok {
		return sum, true
	}
	if sum, ok = g.old[k]; ok {
		g.put(k, sum)
	}
	return sum, ok
}

func (g *generations[K]) put(k K, sum [32]byte) {
	if g.young == nil || len(g.young) >= cacheEntries/2 {
		g.old, g.young = g.young, make(map[K][32]byte)
	}
	g.young[k] = sum
}
