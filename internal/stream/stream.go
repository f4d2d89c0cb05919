// Package stream is the durable log between ingest and everything that reads events: what Append
// returned for is on disk, in order, per shard. It is an embedded JetStream that listens nowhere. It
// knows batches and bytes, not what becomes of them: ingest appends, detect and eventstore read, and
// cmd/yagura purges up to what both have finished. It keeps no position for anybody.
//
// There is one JetStream stream for each shard, not one stream with sixteen subjects: purging a shard
// then drops whole blocks from its front instead of punching holes between the records of the others,
// first, last and size are exact per shard, and the fsyncs of two shards do not wait for each other.
package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fault"
)

// Errors that callers branch on.
var (
	ErrFull   = errors.New("event log full")
	ErrClosed = errors.New("event log closed")
)

// defaultReserve is what Append leaves free on the disk. JetStream shuts itself down for good when a
// write fails for want of space, so we stop before it.
const (
	defaultReserve       = 64 << 20
	defaultReserveInodes = 1024
)

// Options say where and how large the log is.
type Options struct {
	Dir      string // made 0700 when absent
	MaxBytes int64  // of all shards together; Append refuses beyond it
	Reserve  int64  // bytes left free on the disk; 0 = 64 MiB
	// ReserveInodes are left free on the file system, but no more than a tenth of all; 0 = 1,024. A seal makes some
	// dozen files and each shard of the log a few, before old ones go.
	ReserveInodes int64
	Faults        *fault.Board // told when the log takes no more, and when it does again; may be nil
	Log           *slog.Logger
}

// Log is the open log. Its methods may be called from many goroutines.
type Log struct {
	opts   Options
	server *server.Server
	conn   *nats.Conn
	js     jetstream.JetStream
	shards [Shards]*shard
	closed chan struct{}
	once   sync.Once
	dir    string      // absolute
	hung   atomic.Bool // the embedded server did not end
	failed atomic.Bool // a write or a purge failed and the log was not opened again since

	healing sync.Mutex // one reopening at a time; guards healed, held across the whole of it
	healed  time.Time

	patience time.Duration // endsWithin
}

// Bounds of the embedded server. That of the log is ours, in Append: a log that is over a lowered MaxBytes must open
// all the same.
const (
	storeMax  = 1 << 60
	memoryMax = 1 << 20
)

type shard struct {
	number  int
	subject string
	stream  jetstream.Stream

	mu    sync.Mutex // guards what follows; never held across a call to the server
	first uint64     // first record kept, last+1 when none
	last  uint64     // last record acknowledged, 0 when there never was one
	bytes int64
	grown chan struct{} // closed and replaced by each append
}

// Open starts the log in opts.Dir or reopens the one there. After a crash every acknowledged record is
// present. One process may have it open.
func Open(ctx context.Context, opts Options) (*Log, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Reserve == 0 {
		opts.Reserve = defaultReserve
	}
	if opts.ReserveInodes == 0 {
		opts.ReserveInodes = defaultReserveInodes
	}
	if opts.MaxBytes <= 0 {
		return nil, fmt.Errorf("open event log %s: its size is %d bytes: set stream_max_bytes", opts.Dir, opts.MaxBytes)
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("open event log %s: %w", opts.Dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	srv, err := server.NewServer(&server.Options{
		ServerName:             "yagura",
		DontListen:             true,
		NoSigs:                 true,
		NoSystemAccount:        false,
		JetStream:              true,
		StoreDir:               dir,
		SyncAlways:             true,
		JetStreamMaxStore:      storeMax,
		JetStreamMaxMemory:     memoryMax,
		DisableJetStreamBanner: true,
		MaxPayload:             MaxRecordBytes + 64<<10,
	})
	if err != nil {
		return nil, fmt.Errorf("open event log %s: %w", dir, err)
	}
	srv.SetLogger(serverLog{opts.Log}, false, false)
	l := &Log{opts: opts, dir: dir, server: srv, closed: make(chan struct{}), patience: endsWithin}
	srv.Start()
	if err := l.start(ctx); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("open event log %s: %w", dir, err)
	}
	return l, nil
}

func (l *Log) start(ctx context.Context) error {
	// 2 GB of log took 3 s; an hour is a bound against a hang, not an expectation.
	if !l.server.ReadyForConnections(time.Hour) {
		return errors.New("the embedded server did not start: look for its messages above")
	}
	if !l.server.JetStreamEnabled() {
		return errors.New("the embedded server runs without its store: look for its messages above")
	}
	conn, err := nats.Connect("", nats.InProcessServer(l.server), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("connect in process: %w", err)
	}
	l.conn = conn
	if l.js, err = jetstream.New(conn); err != nil {
		return fmt.Errorf("use jetstream: %w", err)
	}
	for i := range l.shards {
		s := &shard{number: i, subject: fmt.Sprintf("ev.%d", i), grown: make(chan struct{})}
		s.stream, err = l.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name:        fmt.Sprintf("EV-%d", i),
			Subjects:    []string{s.subject},
			Retention:   jetstream.LimitsPolicy,
			Discard:     jetstream.DiscardNew,
			Storage:     jetstream.FileStorage,
			Replicas:    1,
			MaxBytes:    l.opts.MaxBytes,
			MaxMsgs:     -1,
			MaxMsgSize:  MaxRecordBytes,
			AllowDirect: true,
			DenyDelete:  true,
			// Records carry no message ids: duplicates are removed before the log, by ingest.
			Duplicates: 100 * time.Millisecond,
		})
		if err != nil {
			return fmt.Errorf("shard %d: %w", i, err)
		}
		if err := s.refresh(ctx); err != nil {
			return err
		}
		l.shards[i] = s
	}
	return nil
}

func (s *shard) refresh(ctx context.Context) error {
	info, err := s.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("state of shard %d: %w", s.number, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// An append may have been counted since the answer was made; never go back.
	s.last = max(s.last, info.State.LastSeq)
	s.first = info.State.FirstSeq
	if info.State.Msgs == 0 {
		s.first = s.last + 1
	}
	s.bytes = int64(info.State.Bytes)
	return nil
}

// State gives the first and the last record of a shard and its size. An empty shard has first = last+1.
func (l *Log) State(shard int) (first, last uint64, bytes int64) {
	s := l.shards[shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first, s.last, s.bytes
}

// Bytes gives the size of all shards.
func (l *Log) Bytes() int64 {
	var sum int64
	for i := range l.shards {
		_, _, n := l.State(i)
		sum += n
	}
	return sum
}

// Append writes one record and returns its number in the shard once it is fsynced. ErrFull means that
// nothing was kept and that the sensors should keep it and come again. After any other error the record
// may or may not be in the log; whoever appends it again relies on the readers' event ids.
func (l *Log) Append(ctx context.Context, shard int, batches []Batch) (seq uint64, err error) {
	s := l.shards[shard]
	for i := range batches {
		// What a reader would call damaged must not be acknowledged.
		if b := &batches[i]; b.First == 0 || b.Count < 0 || b.Count > event.MaxBatchEvents || b.First+uint64(b.Count) < b.First {
			return 0, fmt.Errorf("append batch of %d events from %d to shard %d: %w", b.Count, b.First, shard, ErrMalformed)
		}
	}
	record := EncodeRecord(batches)
	if len(record) > MaxRecordBytes || len(batches) > MaxRecordBatches {
		return 0, fmt.Errorf("append %d batches in %d bytes to shard %d: more than %d bytes or %d batches: %w", len(batches), len(record), shard, MaxRecordBytes, MaxRecordBatches, ErrMalformed)
	}
	if err := l.room(int64(len(record))); err != nil {
		return 0, fmt.Errorf("append to shard %d: %w", shard, err)
	}
	ack, err := l.js.Publish(ctx, s.subject, record)
	if err != nil {
		return 0, l.refused(s, err)
	}
	l.opts.Faults.Clear(fault.LogShard, strconv.Itoa(shard))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last, ack.Sequence)
	s.bytes += int64(len(record)) + int64(len(s.subject)) + 30 // JetStream's frame; Purge takes the exact size again
	close(s.grown)
	s.grown = make(chan struct{})
	return ack.Sequence, nil
}

// Purge removes the records of a shard up to and including through. Removing what is gone does nothing. ErrFull means
// that the disk has not even the room to note what is gone: nothing was removed.
func (l *Log) Purge(ctx context.Context, shard int, through uint64) error {
	s := l.shards[shard]
	first, last, _ := l.State(shard)
	through = min(through, last)
	if through < first {
		return nil
	}
	return l.purge(ctx, s, through)
}

// Advance makes sure that the next record gets a number above through. A log that was lost, wholly or
// at its end, would otherwise give numbers again that the manifest has already passed, and those records
// would never be sealed. Whoever keeps a position calls it once at start, before the first Append.
func (l *Log) Advance(ctx context.Context, shard int, through uint64) error {
	s := l.shards[shard]
	_, last, _ := l.State(shard)
	if last >= through {
		return nil
	}
	l.opts.Log.WarnContext(ctx, "event log ends before a reader's position; sensors will be asked again",
		slog.Int("shard", shard), slog.Uint64("last", last), slog.Uint64("position", through))
	return l.purge(ctx, s, through)
}

func (l *Log) purge(ctx context.Context, s *shard, through uint64) error {
	if err := l.space(0, purgeShare); err != nil {
		return fmt.Errorf("purge shard %d through %d: %w: %w", s.number, through, ErrFull, err)
	}
	if err := s.stream.Purge(ctx, jetstream.WithPurgeSequence(through+1)); err != nil {
		l.failed.Store(true)
		return fmt.Errorf("purge shard %d through %d: %w", s.number, through, err)
	}
	return s.refresh(ctx)
}

func (l *Log) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// Close ends the log, or leaves it after ErrHung. Readers that wait get ErrClosed.
func (l *Log) Close() (err error) {
	l.once.Do(func() {
		close(l.closed)
		if l.hung.Load() {
			return
		}
		err = l.ends(func() error {
			if l.conn != nil {
				l.conn.Close()
			}
			l.server.Shutdown()
			l.server.WaitForShutdown()
			return nil
		})
	})
	return err
}

// serverLog passes the embedded server's messages on. Its notices are of no use to an operator of ours.
type serverLog struct{ log *slog.Logger }

func (s serverLog) Noticef(f string, v ...any) { s.say(slog.LevelDebug, f, v) }
func (s serverLog) Debugf(f string, v ...any)  { s.say(slog.LevelDebug, f, v) }
func (s serverLog) Tracef(f string, v ...any)  { s.say(slog.LevelDebug, f, v) }
func (s serverLog) Warnf(f string, v ...any)   { s.say(slog.LevelWarn, f, v) }
func (s serverLog) Errorf(f string, v ...any)  { s.say(slog.LevelError, f, v) }
func (s serverLog) Fatalf(f string, v ...any)  { s.say(slog.LevelError, f, v) }

func (s serverLog) say(level slog.Level, format string, v []any) {
	s.log.LogAttrs(context.Background(), level, "embedded log server", slog.String("said", fmt.Sprintf(format, v...)))
}
