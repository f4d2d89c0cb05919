package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Bounds of a record (docs/format/log-record.md). A decoder refuses more before it allocates.
const (
	MaxRecordBytes   = 1 << 20              // one record, as JetStream's MaxMsgSize
	MaxRecordBatches = 4096                 // batches in a record
	MaxContentBytes  = MaxRecordBytes - 512 // compressed content of one batch, so that it always fits a record alone
	batchOverhead    = 96                   // most that a batch costs beside its content
	headerBytes      = 13
)

const (
	magic   = "YGLR"
	version = 1
)

// ErrMalformed marks bytes that are not a record or a batch of ours.
var ErrMalformed = errors.New("malformed")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Shards is the number of shards of the log, fixed for ever: a host's shard never changes.
const Shards = 16

// ShardOf gives the shard that holds everything of a host (FNV-1a of its 16 bytes, modulo Shards).
func ShardOf(h event.HostID) int {
	f := fnv.New32a()
	_, _ = f.Write(h[:])
	return int(f.Sum32() % Shards)
}

// Batch is what one sensor sent and ingest accepted: consecutive events of one stream and lane.
type Batch struct {
	Tenant   tenant.ID
	Host     event.HostID
	Stream   uint64
	Lane     event.Lane
	First    uint64 // sequence number of its first event, from 1
	Count    int
	Received int64  // µs UTC, when the server took it
	Content  []byte // Pack of its events, after Textify and with Time and Received set
}

// Size gives an upper bound of what b adds to a record, for those who gather batches into one.
func (b *Batch) Size() int { return batchOverhead + len(b.Content) }

// EncodeRecord gives the bytes of one log record. The caller keeps the sum of Size within
// MaxRecordBytes; Append refuses a bigger record.
func EncodeRecord(batches []Batch) []byte {
	size := headerBytes + binary.MaxVarintLen32
	for i := range batches {
		size += batches[i].Size()
	}
	b := make([]byte, headerBytes, size)
	b = protowire.AppendVarint(b, uint64(len(batches)))
	for i := range batches {
		x := &batches[i]
		b = append(b, x.Tenant[:]...)
		b = append(b, x.Host[:]...)
		b = binary.BigEndian.AppendUint64(b, x.Stream)
		b = append(b, byte(x.Lane))
		b = protowire.AppendVarint(b, x.First)
		b = protowire.AppendVarint(b, uint64(x.Count))
		b = protowire.AppendVarint(b, protowire.EncodeZigZag(x.Received))
		b = protowire.AppendBytes(b, x.Content)
	}
	copy(b, magic)
	b[4] = version
	binary.BigEndian.PutUint32(b[5:], uint32(len(b)-headerBytes))
	binary.BigEndian.PutUint32(b[9:], crc32.Checksum(b[headerBytes:], castagnoli))
	return b
}

// DecodeRecord reads what EncodeRecord wrote. The contents refer into b. It never panics, and what it
// returns keeps every bound of this package.
func DecodeRecord(b []byte) ([]Batch, error) {
	if len(b) > MaxRecordBytes {
		return nil, fmt.Errorf("log record of %d bytes, more than %d: %w", len(b), MaxRecordBytes, ErrMalformed)
	}
	if len(b) < headerBytes || string(b[:4]) != magic {
		return nil, fmt.Errorf("log record has no magic: %w", ErrMalformed)
	}
	if b[4] != version {
		return nil, fmt.Errorf("log record of version %d, this program reads %d: %w", b[4], version, ErrMalformed)
	}
	body := b[headerBytes:]
	if n := binary.BigEndian.Uint32(b[5:]); uint64(n) != uint64(len(body)) {
		return nil, fmt.Errorf("log record of %d bytes, its header says %d: %w", len(body), n, ErrMalformed)
	}
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(b[9:]) {
		return nil, fmt.Errorf("log record with a wrong checksum: %w", ErrMalformed)
	}
	r := reader{b: body}
	n := r.varint()
	// A batch takes at least 45 bytes, so this also bounds the allocation by the size of the input.
	if n > MaxRecordBatches || n > uint64(len(body)/45) {
		return nil, fmt.Errorf("log record names %d batches: %w", n, ErrMalformed)
	}
	out := make([]Batch, n)
	for i := range out {
		x := &out[i]
		copy(x.Tenant[:], r.take(16))
		copy(x.Host[:], r.take(16))
		if s := r.take(8); s != nil {
			x.Stream = binary.BigEndian.Uint64(s)
		}
		if l := r.take(1); l != nil {
			x.Lane = event.Lane(l[0])
		}
		x.First = r.varint()
		count := r.varint()
		x.Received = protowire.DecodeZigZag(r.varint())
		x.Content = r.bytes()
		if r.bad {
			return nil, fmt.Errorf("batch %d of the log record: %w", i, ErrMalformed)
		}
		if count > event.MaxBatchEvents || x.First == 0 || x.First+count < x.First {
			return nil, fmt.Errorf("batch %d of the log record has %d events from %d: %w", i, count, x.First, ErrMalformed)
		}
		x.Count = int(count)
	}
	if len(r.b) != 0 {
		return nil, fmt.Errorf("%d bytes after the last batch of a log record: %w", len(r.b), ErrMalformed)
	}
	return out, nil
}

type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || len(r.b) < n {
		r.bad = true
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() uint64 {
	v, n := protowire.ConsumeVarint(r.b)
	if r.bad || n < 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes() []byte {
	v, n := protowire.ConsumeBytes(r.b)
	if r.bad || n < 0 {
		r.bad = true
		return nil
	}
	r.b = r.b[n:]
	return v
}
