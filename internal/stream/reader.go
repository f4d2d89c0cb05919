package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// DamagedError says that one record cannot be read. The reader has moved past it; what it held is loss
// to be counted, and the sensors still have it unless it was sealed.
type DamagedError struct {
	Shard  int
	Seq    uint64
	Reason string
	Raw    []byte // the bytes found, nil when there were none
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("record %d of shard %d is damaged: %s", e.Seq, e.Shard, e.Reason)
}

// Reader reads one shard in order. It belongs to one goroutine.
type Reader struct {
	log  *Log
	s    *shard
	next uint64
}

// Reader gives a reader of shard that begins with record from (0 or 1: the first kept). A from beyond
// the end of the log means that the log lost its tail; the reader then begins with the next record.
func (l *Log) Reader(shard int, from uint64) *Reader {
	_, last, _ := l.State(shard)
	return &Reader{log: l, s: l.shards[shard], next: min(max(from, 1), last+1)}
}

// Next gives the next record, and waits for it when there is none: an appended record is seen at once,
// without polling. Records that were purged are passed over. After a DamagedError the reader goes on
// with the record behind it; after any other error the same record is tried again.
func (r *Reader) Next(ctx context.Context) (seq uint64, batches []Batch, err error) {
	for {
		r.s.mu.Lock()
		first, last, grown := r.s.first, r.s.last, r.s.grown
		r.s.mu.Unlock()
		r.next = max(r.next, first)
		if r.next <= last {
			break
		}
		select {
		case <-ctx.Done():
			return 0, nil, context.Cause(ctx)
		case <-r.log.closed:
			return 0, nil, ErrClosed
		case <-grown:
		}
	}
	seq, batches, again, err := r.read(ctx)
	if again {
		return r.Next(ctx)
	}
	return seq, batches, err
}

// NextThrough is Next for one who wants what the log holds up to and including the record last, and waits
// for nothing: it gives io.EOF when none of that is left, also when the rest was purged.
func (r *Reader) NextThrough(ctx context.Context, last uint64) (seq uint64, batches []Batch, err error) {
	first, newest, _ := r.log.State(r.s.number)
	r.next = max(r.next, first)
	if r.next > min(last, newest) {
		return 0, nil, io.EOF
	}
	seq, batches, again, err := r.read(ctx)
	if again {
		return r.NextThrough(ctx, last)
	}
	return seq, batches, err
}

// read gives the record at next, which the log should have; again says that it was purged meanwhile.
func (r *Reader) read(ctx context.Context) (seq uint64, batches []Batch, again bool, err error) {
	seq = r.next
	// A lost answer must not hold a reader for ever.
	get, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	msg, err := r.s.stream.GetMsg(get, seq)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		r.next++
		if first, _, _ := r.log.State(r.s.number); seq < first { // purged while we asked
			return 0, nil, true, nil
		}
		return seq, nil, false, &DamagedError{Shard: r.s.number, Seq: seq, Reason: "it is not in the log any more"}
	case err != nil && r.log.isClosed():
		return 0, nil, false, ErrClosed
	case err != nil:
		return 0, nil, false, fmt.Errorf("read record %d of shard %d: %w", seq, r.s.number, err)
	}
	r.next++
	batches, err = DecodeRecord(msg.Data)
	if err != nil {
		return seq, nil, false, &DamagedError{Shard: r.s.number, Seq: seq, Reason: err.Error(), Raw: msg.Data}
	}
	return seq, batches, false, nil
}
