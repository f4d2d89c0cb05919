package probe

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// ring reads a kernel ring buffer in place. The library's reader copies each record and asks the kernel whenever
// it comes to the end of the ring; this one looks at the mapped positions only.
type ring struct {
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
	ringBusy    = 1 << 31
	ringDiscard = 1 << 30
	ringHead    = 8
)

// errRing is a ring whose positions contradict each other: nothing in it can be believed.
var errRing = errors.New("the ring's positions are out of bounds")

func openRing(m *ebpf.Map) (*ring, error) {
	size, page := int(m.MaxEntries()), os.Getpagesize()
	own, err := unix.Mmap(m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the reader's position: %w", err)
	}
	rest, err := unix.Mmap(m.FD(), int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map the records: %w", err), unix.Munmap(own))
	}
	r := &ring{consumer: (*atomic.Uint64)(unsafe.Pointer(&own[0])), producer: (*atomic.Uint64)(unsafe.Pointer(&rest[0])), //nolint:gosec // positions that the kernel shares
		data: rest[page:], mask: uint64(size - 1), pages: [2][]byte{own, rest}}
	r.at = r.consumer.Load()
	r.given = r.at
	return r, nil
}

// available gives the bytes that were written and not handed out.
func (r *ring) available() uint64 { return r.producer.Load() - r.at }

// size gives the bytes that fit into the ring.
func (r *ring) size() uint64 { return r.mask + 1 }

// next gives the next record, which stays where it is until done is called; nil when there is none yet.
func (r *ring) next() ([]byte, error) {
	for {
		have := r.available()
		if have == 0 {
			return nil, nil
		}
		if have < ringHead || have > r.size() {
			return nil, errRing
		}
		at := r.at & r.mask
		// Atomic: the kernel clears the busy bit behind the last byte of the record.
		n := (*atomic.Uint32)(unsafe.Pointer(&r.data[at])).Load() //nolint:gosec // inside data: at is masked
		if n&ringBusy != 0 {
			return nil, nil
		}
		length := uint64(n &^ (ringBusy | ringDiscard))
		whole := (ringHead + length + 7) &^ 7
		if whole > have {
			return nil, errRing
		}
		r.at += whole
		if n&ringDiscard == 0 {
			return r.data[at+ringHead : at+ringHead+length : at+ringHead+length], nil
		}
		r.done()
	}
}

// done gives the room of all records handed out back to the kernel.
func (r *ring) done() {
	r.moved = r.consumer.Swap(r.at) != r.given || r.moved
	r.given = r.at
}

// skip gives up what is in the ring.
func (r *ring) skip() {
	r.at = r.producer.Load()
	r.done()
}

// intruded says whether somebody else moved the reader's position, and puts it right. The page that it lies in can be
// mapped by whoever may open the ring, so it cannot be closed to others: a position behind ours would fill the
// ring for good, one before ours let the kernel write over what was not read.
func (r *ring) intruded() bool {
	yes := r.consumer.Swap(r.given) != r.given || r.moved
	r.moved = false
	return yes
}

func (r *ring) close() error {
	return errors.Join(unix.Munmap(r.pages[0]), unix.Munmap(r.pages[1]))
}
