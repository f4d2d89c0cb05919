package stream

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/yagura-edr/yagura/internal/fault"
)

// healEvery is how often a log that fails is opened again; a large one takes seconds for it.
const healEvery = 30 * time.Second

// Heal reports whether the log has room now, for times in which nobody appends, and opens a log again that could not
// write: a shard of JetStream's that met a full disk or no inode keeps its error for good, and so does the whole of
// it when it noticed. Whoever runs the log calls it every few seconds.
func (l *Log) Heal(ctx context.Context) {
	if l.room(0) != nil || l.isClosed() {
		return
	}
	l.healing.Lock()
	defer l.healing.Unlock()
	if !l.failed.Load() && l.server.JetStreamEnabled() || time.Since(l.healed) < healEvery {
		return
	}
	l.healed = time.Now()
	if err := l.reopen(ctx); err != nil {
		l.opts.Faults.Raise(fault.LogShard, "0", err)
		return
	}
	l.failed.Store(false)
	for i := range l.shards {
		l.opts.Faults.Clear(fault.LogShard, strconv.Itoa(i)) // what still fails says so again
	}
}

// reopen closes the embedded server's store and opens it from the disk, as a start does. Appends fail meanwhile and
// readers try again; the log's own connection stays.
func (l *Log) reopen(ctx context.Context) error {
	if err := l.server.ShutdownJetStream(); err != nil {
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
