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

// purgeShare of the reserve suffices for a purge, which writes a block of at most 8 MiB anew or a line for each record
// that goes. Less than for an append: a purge frees what the seals, which go on, need.
const purgeShare = 4

// space says whether the disk keeps the share of its reserve that is named when n bytes are written. JetStream must
// never find it full: an append that fails ends its shard, and a purge that fails waits for itself for ever.
func (l *Log) space(n, share int64) error {
	d, err := l.Disk()
	if err != nil {
		return nil //nolint:nilerr // the write itself will tell
	}
	return errors.Join(d.bytes(n, share, l.opts.Dir), d.inodes(share, l.opts.Dir))
}

func (d Disk) bytes(n, share int64, dir string) error {
	if d.Free-n >= d.Reserve/share {
		return nil
	}
	return fmt.Errorf("the disk has %d bytes free and %d are kept in reserve: free space under %s", d.Free, d.Reserve/share, dir)
}

func (d Disk) inodes(share int64, dir string) error {
	if d.Inodes == 0 || d.FreeInodes >= d.ReserveInodes/share {
		return nil
	}
	return fmt.Errorf("the file system has %d inodes free and %d are kept in reserve: remove files on the file system of %s", d.FreeInodes, d.ReserveInodes/share, dir)
}

// room says whether a record of n bytes may be written: the log has its bound, and the disk a reserve of bytes
// and inodes.
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
	bytes, inodes := d.bytes(n, 1, l.opts.Dir), d.inodes(1, l.opts.Dir)
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
