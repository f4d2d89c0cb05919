package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/yagura-edr/yagura/internal/fault"
)

// healEvery is how often a log that fails is opened again; a large one takes seconds for it.
const healEvery = 30 * time.Second

// ErrHung says that the embedded server does not end: one of its shards waits for itself, as JetStream does when a purge
// meets a full disk. Nothing but a new process frees it, and a second server over the same files would ruin them.
var ErrHung = errors.New("the embedded server of the event log hangs and does not end: the server starts anew")

// endsWithin is how long the embedded server may take to close; it takes milliseconds.
const endsWithin = 20 * time.Second

// Heal reports whether the log has room now, for times in which nobody appends, and opens a log again that could not
// write: a shard of JetStream's that met a full disk or no inode keeps its error for good, and so does the whole of
// it when it noticed. Whoever runs the log calls it every few seconds. After ErrHung only Close is of use, and a new process.
func (l *Log) Heal(ctx context.Context) error {
	_ = l.room(0) // tells
	if l.space(0, purgeShare) != nil || l.isClosed() {
		return nil
	}
	l.healing.Lock()
	defer l.healing.Unlock()
	if !l.failed.Load() && l.server.JetStreamEnabled() || time.Since(l.healed) < healEvery {
		return nil
	}
	l.healed = time.Now()
	if err := l.reopen(ctx); err != nil {
		l.opts.Faults.Raise(fault.LogShard, "0", err)
		if errors.Is(err, ErrHung) {
			return ErrHung
		}
		return nil
	}
	l.failed.Store(false)
	for i := range l.shards {
		l.opts.Faults.Clear(fault.LogShard, strconv.Itoa(i)) // what still fails says so again
	}
	return nil
}

// ends closes what may hang, within a bound.
func (l *Log) ends(closing func() error) error {
	done := make(chan error, 1)
	go func() { done <- closing() }()
	select {
	case err := <-done:
		return err
	case <-time.After(l.patience):
		l.hung.Store(true)
		go l.conn.Close() // whoever waits for an answer of it need not wait longer
		return ErrHung
	}
}

// reopen closes the embedded server's store and opens it from the disk, as a start does. Appends fail meanwhile and
// readers try again; the log's own connection stays.
func (l *Log) reopen(ctx context.Context) error {
	if err := l.ends(l.server.ShutdownJetStream); err != nil {
		return fmt.Errorf("close the log that failed: %w", err)
	}
	if err := l.server.EnableJetStream(&server.JetStreamConfig{StoreDir: l.dir, MaxStore: storeMax, MaxMemory: memoryMax, SyncAlways: true}); err != nil {
		return fmt.Errorf("open the log that failed: %w", err)
	}
	for _, s := range l.shards {
		if err := s.refresh(ctx); err != nil {
			return err
		}
	}
	return nil
}
