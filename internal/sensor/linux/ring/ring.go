// Package ring reads a ring buffer of the kernel where it lies. It knows bytes, not records: package probe drains three of them and
// package decode reads what they hold.
package ring

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Ring reads a kernel ring buffer in place. The library's reader copies each record and asks the kernel whenever
// it comes to the end of the ring; this one looks at the mapped positions only.
type Ring struct {
	consumer, producer *atomic.Uint64 // in the mapped pages
	data               []byte         // mapped twice in a row, so no record is in two pieces
	mask               uint64
	at                 uint64 // how far records were handed out; consumer follows when they are done with
	given              uint64 // what consumer was set to last
	moved              bool   // somebody else set it since the last look
	pages              [2][]byte
}

// Bits of a record's length, as the kernel sets them (uapi/linux/bpf.h).
const (
	busy      = 1 << 31
	discard   = 1 << 30
	headBytes = 8
)

// ErrLies is a ring whose positions contradict each other: nothing in it can be believed.
var ErrLies = errors.New("the ring's positions are out of bounds")

// Open maps the ring of a table of the kernel. The caller ends with Close.
func Open(m *ebpf.Map) (*Ring, error) {
	size, page := int(m.MaxEntries()), os.Getpagesize()
	own, err := unix.Mmap(m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the reader's position: %w", err)
	}
	rest, err := unix.Mmap(m.FD(), int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map the records: %w", err), unix.Munmap(own))
	}
	return over(own, rest, page, size), nil
}

// over reads a ring of size bytes: own begins with the reader's position, rest with the writer's, and a page behind that lie the
// records, twice in a row.
func over(own, rest []byte, page, size int) *Ring {
	r := &Ring{consumer: (*atomic.Uint64)(unsafe.Pointer(&own[0])), producer: (*atomic.Uint64)(unsafe.Pointer(&rest[0])), //nolint:gosec // positions that the kernel shares
		data: rest[page:], mask: uint64(size - 1), pages: [2][]byte{own, rest}}
	r.at = r.consumer.Load()
	r.given = r.at
	return r
}

// Available gives the bytes that were written and not handed out.
func (r *Ring) Available() uint64 { return r.producer.Load() - r.at }

// Written gives how many bytes were ever written.
func (r *Ring) Written() uint64 { return r.producer.Load() }

// Read gives how many of the bytes that were ever written were given back.
func (r *Ring) Read() uint64 { return r.consumer.Load() }

// Size gives the bytes that fit into the ring.
func (r *Ring) Size() uint64 { return r.mask + 1 }

// Next gives the next record, which stays where it is until Done is called; nil when there is none yet.
func (r *Ring) Next() ([]byte, error) {
	for {
		have := r.Available()
		if have == 0 {
			return nil, nil
		}
		if have < headBytes || have > r.Size() {
			return nil, ErrLies
		}
		at := r.at & r.mask
		// Atomic: the kernel clears the busy bit behind the last byte of the record.
		n := (*atomic.Uint32)(unsafe.Pointer(&r.data[at])).Load() //nolint:gosec // inside data: at is masked
		if n&busy != 0 {
			return nil, nil
		}
		length := uint64(n &^ (busy | discard))
		whole := (headBytes + length + 7) &^ 7
		if whole > have {
			return nil, ErrLies
		}
		r.at += whole
		if n&discard == 0 {
			return r.data[at+headBytes : at+headBytes+length : at+headBytes+length], nil
		}
		r.Done()
	}
}

// Done gives the room of all records handed out back to the kernel.
func (r *Ring) Done() {
	r.moved = r.consumer.Swap(r.at) != r.given || r.moved
	r.given = r.at
}

// Skip gives up what is in the ring.
func (r *Ring) Skip() {
	r.at = r.producer.Load()
	r.Done()
}

// Intruded says whether somebody else moved the reader's position, and puts it right. The page that it lies in can be
// mapped by whoever may open the ring, so it cannot be closed to others: a position behind ours would fill the
// ring for good, one before ours let the kernel write over what was not read.
func (r *Ring) Intruded() bool {
	yes := r.consumer.Swap(r.given) != r.given || r.moved
	r.moved = false
	return yes
}

// Close gives the mapping up.
func (r *Ring) Close() error {
	return errors.Join(unix.Munmap(r.pages[0]), unix.Munmap(r.pages[1]))
}
