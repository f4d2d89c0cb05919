// Package image hashes executed files: SHA-256 by a fixed number of workers, cached by what identifies the
// content, bounded in size and in bytes per second, so that no file an attacker runs can stall the sensor.
// It knows nothing of events; package sight decides how long an exec waits for its hash.
package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
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
	ErrGone   = errors.New("file is gone")
	ErrBusy   = errors.New("too many files wait to be hashed")
)

// Key identifies the content of a file as long as nobody sets clocks and writes block devices behind the
// file system's back.
type Key struct {
	Dev, Ino     uint64
	Ctime, Mtime int64 // ns
	Size         int64
}

// Options bounds the work. Zero values take the defaults.
type Options struct {
	MaxBytes int64
	Rate     int64
	Workers  int
}

// Hasher hashes the images of processes.
type Hasher struct {
	opts  Options
	queue chan request // full: Ask says so and the exec leaves without a hash

	mu         sync.Mutex // guards all below
	young, old map[Key][32]byte
	next       time.Time // when the byte budget allows the next read
}

type request struct {
	pid, ino uint64
	done     func(Result)
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
	return &Hasher{opts: opts, queue: make(chan request, queueLength), young: map[Key][32]byte{}}
}

// Run works until ctx ends. Requests still queued then are never answered.
func (h *Hasher) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range h.opts.Workers {
		wg.Go(func() {
			buf := make([]byte, 64<<10)
			for {
				select {
				case <-ctx.Done():
					return
				case r := <-h.queue:
					sum, err := h.hash(ctx, r.pid, r.ino, buf)
					r.done(Result{SHA256: sum, Err: err})
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// Ask looks at what process pid runs, expecting the image with inode number ino: a process that runs another
// one by now gives ErrGone. A known content is answered at once (ok is true); otherwise done is
// called later, from a worker, exactly once, unless err says that it never will be.
func (h *Hasher) Ask(pid, ino uint64, done func(Result)) (r Result, ok bool, err error) {
	var st unix.Stat_t
	if err := unix.Stat(exe(pid), &st); err != nil {
		return Result{Err: gone(err)}, true, nil
	}
	if st.Ino != ino && !stacked(pid) {
		return Result{Err: ErrGone}, true, nil
	}
	if sum, ok := h.known(keyOf(&st)); ok {
		return Result{SHA256: sum}, true, nil
	}
	if st.Size > h.opts.MaxBytes {
		return Result{Err: ErrTooBig}, true, nil
	}
	select {
	case h.queue <- request{pid, ino, done}:
		return Result{}, false, nil
	default:
		return Result{}, false, ErrBusy
	}
}

func exe(pid uint64) string { return "/proc/" + strconv.FormatUint(pid, 10) + "/exe" }

// stacked says whether the image lies on an overlay, where stat and the kernel's inode may disagree.
func stacked(pid uint64) bool {
	var fs unix.Statfs_t
	return unix.Statfs(exe(pid), &fs) == nil && fs.Type == unix.OVERLAYFS_SUPER_MAGIC
}

func gone(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	return err
}

func keyOf(st *unix.Stat_t) Key {
	return Key{Dev: st.Dev, Ino: st.Ino, Ctime: st.Ctim.Nano(), Mtime: st.Mtim.Nano(), Size: st.Size}
}

// hash reads the image of a process. The file is opened through /proc, so it is the one that runs whatever
// its path says by now; it is stat'ed again behind the last byte, so a file written meanwhile is not cached.
func (h *Hasher) hash(ctx context.Context, pid, ino uint64, buf []byte) (sum [32]byte, err error) {
	fd, err := unix.Open(exe(pid), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return sum, gone(err)
	}
	f := os.NewFile(uintptr(fd), "image")
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return sum, fmt.Errorf("stat image: %w", err)
	}
	if st.Ino != ino && !stacked(pid) {
		return sum, ErrGone
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return sum, errors.New("image is no regular file")
	}
	if st.Size > h.opts.MaxBytes {
		return sum, ErrTooBig
	}
	key := keyOf(&st)
	if sum, ok := h.known(key); ok {
		return sum, nil
	}
	d := sha256.New()
	for read := int64(0); ; {
		n, err := f.Read(buf)
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
		if err := h.pay(ctx, n); err != nil {
			return sum, err
		}
	}
	d.Sum(sum[:0])
	if err := unix.Fstat(fd, &st); err == nil && keyOf(&st) == key {
		h.keep(key, sum)
	}
	return sum, nil
}

// pay waits until the byte budget allows to go on. A second's worth may be spent at once: most programs are
// small, and an exec waits for its hash.
func (h *Hasher) pay(ctx context.Context, n int) error {
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
		return nil
	}
}

// known looks a content up; what is found stays in the young half of the cache.
func (h *Hasher) known(k Key) (sum [32]byte, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if sum, ok = h.young[k]; ok {
		return sum, true
	}
	if sum, ok = h.old[k]; ok {
		h.put(k, sum)
	}
	return sum, ok
}

func (h *Hasher) keep(k Key, sum [32]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.put(k, sum)
}

// put needs mu. Two generations of half the entries each: a full young one becomes the old one.
func (h *Hasher) put(k Key, sum [32]byte) {
	if len(h.young) >= cacheEntries/2 {
		h.old, h.young = h.young, make(map[Key][32]byte)
	}
	h.young[k] = sum
}
