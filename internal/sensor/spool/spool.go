// Package spool keeps a sensor's events on disk, in batches by lane, until the server has them in a
// segment. It numbers every event, and accounts for every number: what was given out is stored at the
// server, spooled here, or reported as dropped with its exact range. It does not talk to the server
// (package uplink does) and does not look into events beyond their lane. Its one caller is the agent.
//
// What survives what: a batch of the critical lane is synced to disk before it may be sent; batches of the
// other lanes are written before they may be sent and synced when their file is closed, so a crash of the
// sensor loses nothing that was written and a power cut may lose the last seconds of those two lanes.
// When the disk takes nothing, batches wait in memory within a bound and are still sent.
// docs/format/spool.md has the bytes.
package spool

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/yagura-edr/yagura/internal/boot"
	"github.com/yagura-edr/yagura/internal/event"
)

// ErrLocked says that another sensor uses the folder.
var ErrLocked = errors.New("the spool is in use")

// Reasons of dropped events; each is one clear phrase for people.
const (
	ReasonBudget  = "spool over its budget"
	ReasonMemory  = "no disk to write to and memory budget spent"
	ReasonBusy    = "more events than could be written"
	ReasonBig     = "event over 64 KiB"
	ReasonDamaged = "spool record damaged"
	ReasonGap     = "lost before a restart"
	ReasonKilled  = "the sensor was killed before they were written"
	ReasonRefused = "refused by the server"
)

// Options of a spool. The zero value of a field takes the default named beside it.
type Options struct {
	MaxBytes   int64                  // of all files, 512 MiB; over it the lowest lanes are shed
	MinFree    int64                  // bytes to leave free on the file system, 64 MiB; -1: none
	MaxMemory  int                    // bytes of batches that no disk takes, 8 MiB
	Boot       [16]byte               // id of this boot; stays with each batch
	Log        *slog.Logger           // required
	Linger     [3]time.Duration       // by lane, 100 ms, 250 ms, 400 ms
	Stamp      func(*event.Event)     // sets BootNS and HostTime of the events made here; by default from the clocks
	SegmentMax int64                  // bytes of one file, MaxBytes/64 within 64 KiB and 4 MiB
	Random     func(stream *[8]byte)  // draws the stream, crypto/rand
	Sync       func(f *os.File) error // fdatasync; a test makes it fail
	Volatile   string                 // folder on a file system in memory for the tally, made when missing; the spool's own folder when empty or on a disk
}

// Spool is a folder of batches. All methods may be called at once.
type Spool struct {
	dir    string
	o      Options
	log    *slog.Logger
	stream uint64
	lock   *os.File
	zstd   *zstd.Encoder

	put   [3]builder    // each with its own lock
	tally *tally        // nil when no file could be made
	old   []oldTally    // of killed starts, until what they tell is on disk
	wake  chan struct{} // a builder has a whole batch
	flush sync.Mutex    // one writer at a time; held across I/O, guards active, before mu

	active [3]*segment // being written
	spare  int64       // bytes freed for the batch being kept, which a disk that others fill may take again; flush is held

	mu        sync.Mutex // guards what follows; never held across I/O
	lane      [3]queue
	state     map[uint64]*streamState
	lost      []Range // not yet in a dropped event
	stats     Stats
	problem   string
	dirty     bool             // streams.json is behind
	remembers bool             // streams.json was read: a stream that it does not know had nothing sealed
	more      [3]chan struct{} // closed and replaced when a lane got something to send
}

// Range is a run of numbers that were given out and will never arrive.
type Range struct {
	Stream      uint64
	Lane        event.Lane
	First, Last uint64
	Reason      string
	at          uint64 // number of the dropped event that reports it
	marker      string // file that keeps the range over a crash until the dropped event is on disk
}

// Stats are counters since Open and gauges of now.
type Stats struct {
	Produced [3]uint64 // numbers given out in this stream
	Dropped  uint64    // events, of any stream, that became ranges of dropped events
	Freed    uint64    // batches freed early because the server had accepted them
	Bytes    int64     // on disk
	Memory   int       // bytes of batches that no disk takes
	Events   uint64    // spooled, any stream, not yet accepted by the server (estimate by file)
	Damaged  uint64    // records moved to quarantine
	Problem  string    // why the disk is not used; empty when it is
	Tally    string    // file that survives a kill with the numbers given out; empty: a kill loses the last moment uncounted
}

// Open opens or makes the folder, draws a new stream, closes the streams of earlier starts, and reports
// what they lost. A folder that cannot be written is no error: the spool then holds batches in memory.
func Open(dir string, o Options) (*Spool, error) {
	defaults(&o)
	s := &Spool{dir: dir, o: o, log: o.Log, wake: make(chan struct{}, 1), state: map[uint64]*streamState{}}
	for i := range s.more {
		s.more[i] = make(chan struct{})
		s.put[i].next = 1
	}
	var err error
	// Level fastest and a 1 MiB window: about 2 MiB of memory, and batches are smaller than that anyway.
	if s.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true)); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	var b [8]byte
	o.Random(&b)
	s.stream = binary.BigEndian.Uint64(b[:])
	s.state[s.stream] = &streamState{Stream: s.stream}
	if err := s.takeFolder(); err != nil {
		return nil, err
	}
	if s.problem == "" {
		if err := s.readFolder(); err != nil {
			return nil, errors.Join(fmt.Errorf("open spool %s: %w", dir, err), s.lock.Close())
		}
	}
	s.openTally()
	s.closeOldStreams()
	if err := s.writeAll(); err != nil {
		s.log.Warn("spool cannot write", slog.Any("err", err))
	} else {
		s.removeOldTallies()
	}
	return s, nil
}

func defaults(o *Options) {
	if o.MaxBytes == 0 {
		o.MaxBytes = 512 << 20
	}
	if o.MinFree == 0 {
		o.MinFree = 64 << 20
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = 8 << 20
	}
	if o.SegmentMax == 0 {
		o.SegmentMax = min(max(o.MaxBytes/64, 64<<10), 4<<20)
	}
	for i, d := range [3]time.Duration{100 * time.Millisecond, 250 * time.Millisecond, 400 * time.Millisecond} {
		if o.Linger[i] == 0 {
			o.Linger[i] = d
		}
	}
	if o.Stamp == nil {
		o.Stamp = stamp
	}
	if o.Random == nil {
		o.Random = func(b *[8]byte) { rand.Read(b[:]) }
	}
	if o.Sync == nil {
		o.Sync = syncData
	}
}

func stamp(e *event.Event) {
	e.BootNS = boot.Now()
	e.HostTime = time.Now().UnixMicro()
}

func (s *Spool) takeFolder() error {
	err := os.MkdirAll(s.dir, 0o700)
	if err == nil {
		s.lock, err = os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	}
	if readOnly(err) || diskFull(err) {
		s.problem = err.Error()
		s.log.Warn("spool has no disk, batches stay in memory", slog.Any("err", err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	if err := lockFile(s.lock); err != nil {
		return errors.Join(fmt.Errorf("open spool %s: %w: stop the other yagura-sensor first", s.dir, ErrLocked), s.lock.Close())
	}
	return nil
}

// Stream is the stream of this start.
func (s *Spool) Stream() uint64 { return s.stream }

// Run writes batches when their time has come, until ctx ends; then it writes what is left. It sleeps until the
// first open batch is due, not by a tick: the sensor must cost nothing while nothing happens.
func (s *Spool) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.writeAll()
		case <-s.wake:
		case <-timer.C:
		}
		// A failed write is not the end: the batch waits in memory and Stats says why.
		if err := s.writeDue(time.Now()); err != nil {
			s.log.DebugContext(ctx, "spool cannot write", slog.Any("err", err))
		}
		timer.Reset(s.rest(time.Now()))
	}
}

// rest gives how long nothing has to be done unless something new is put.
func (s *Spool) rest(now time.Time) time.Duration {
	rest := time.Second
	s.mu.Lock()
	if len(s.lost) > 0 || s.dirty {
		rest = s.o.Linger[0] / 4
	}
	s.mu.Unlock()
	for lane, linger := range s.o.Linger {
		if since, ok := s.put[lane].opened(); ok {
			rest = min(rest, since.Add(linger).Sub(now))
		}
	}
	return max(rest, time.Millisecond)
}

// Flush puts everything given so far where Run would put it later.
func (s *Spool) Flush() error { return s.writeAll() }

// Close writes what is left and gives up the folder. Run must have ended.
func (s *Spool) Close() error {
	err := s.writeAll()
	s.flush.Lock()
	defer s.flush.Unlock()
	for l := range s.active {
		err = errors.Join(err, s.rotate(event.Lane(l)))
	}
	s.mu.Lock()
	for l := range s.put {
		s.state[s.stream].through(event.Lane(l), s.put[l].given())
	}
	s.mu.Unlock()
	saved := s.saveState()
	err = errors.Join(err, saved, s.closeTally(saved == nil && s.lock != nil), s.zstd.Close())
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// Stats gives the counters.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	st := s.stats
	st.Problem = s.problem
	st.Bytes, st.Memory, st.Events = 0, 0, 0
	for l := range s.lane {
		q := &s.lane[l]
		st.Bytes += q.bytes
		st.Memory += q.memory
		st.Events += q.events()
	}
	s.mu.Unlock()
	for l := range s.put {
		st.Produced[l] = s.put[l].given()
		if s.put[l].isLame() {
			st.Tally = ""
		}
	}
	return st
}
