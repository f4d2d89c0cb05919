package stream

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/yagura-edr/yagura/internal/fault"
)

// Error codes of JetStream that say "no room".
const (
	storeFailed           jetstream.ErrorCode = 10077
	insufficientResources jetstream.ErrorCode = 10023
)

// Disk is what the file system of the log has left.
type Disk struct {
	Bytes, Free, Reserve              int64
	Inodes, FreeInodes, ReserveInodes int64 // Inodes 0: it has no bound on them
}

// Disk looks at the file system. A small one does not have to keep the whole reserve of inodes, only a tenth.
func (l *Log) Disk() (Disk, error) {
	d, err := disk(l.opts.Dir)
	if err != nil {
		return d, fmt.Errorf("look at the disk under %s: %w", l.opts.Dir, err)
	}
	d.Reserve, d.ReserveInodes = l.opts.Reserve, min(l.opts.ReserveInodes, d.Inodes/10)
	return d, nil
}

// room says whether a record of n bytes may be written: the log has its bound, and the disk a reserve of bytes
// and inodes. JetStream must never find it full: a write that fails ends its shard.
func (l *Log) room(n int64) error {
	have := l.Bytes()
	full := error(nil)
	if have+n > l.opts.MaxBytes {
		full = fmt.Errorf("it holds %d of %d bytes: raise stream_max_bytes, or see why it is not sealed", have, l.opts.MaxBytes)
	}
	l.opts.Faults.Report(fault.LogFull, "", full)
	d, err := l.Disk()
	if err != nil {
		return nil //nolint:nilerr // the write itself will tell
	}
	var bytes, inodes error
	if d.Free-n < d.Reserve {
		bytes = fmt.Errorf("the disk has %d bytes free and %d are kept in reserve: free space under %s", d.Free, d.Reserve, l.opts.Dir)
	}
	if d.Inodes > 0 && d.FreeInodes < d.ReserveInodes {
		inodes = fmt.Errorf("the file system has %d inodes free and %d are kept in reserve: remove files on the file system of %s", d.FreeInodes, d.ReserveInodes, l.opts.Dir)
	}
	l.opts.Faults.Report(fault.DiskFull, "", bytes)
	l.opts.Faults.Report(fault.InodesFull, "", inodes)
	if err := errors.Join(full, bytes, inodes); err != nil {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return nil
}

// refused turns an error of JetStream's into ours. It may answer none at all when a write failed.
func (l *Log) refused(s *shard, err error) error {
	if l.isClosed() {
		return ErrClosed
	}
	l.opts.Faults.Raise(fault.LogShard, strconv.Itoa(s.number), err)
	var api *jetstream.APIError
	l.failed.Store(true)
	if errors.As(err, &api) && (api.ErrorCode == storeFailed || api.ErrorCode == insufficientResources) {
		return fmt.Errorf("append to shard %d: %w: %s", s.number, ErrFull, api.Description)
	}
	return fmt.Errorf("append to shard %d: %w", s.number, err)
}
