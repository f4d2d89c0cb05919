package eventstore

import (
	"encoding/binary"
	"errors"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// sequence names one sequence of events of one tenant.
type sequence struct {
	tenant tenant.ID
	host   event.HostID
	StreamLane
}

// spans are the events of a file, or of many. They forget nothing.
type spans map[sequence]seq.Set

// AppendSpan adds one range of an answer to an inspection to the payload of WriteRows.
func AppendSpan(b []byte, t tenant.ID, h event.HostID, k StreamLane, r seq.Range) []byte {
	b = append(append(b, t[:]...), h[:]...)
	b = append(binary.BigEndian.AppendUint64(b, k.Stream), byte(k.Lane))
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, r.First), r.Last)
}

const spanBytes = 16 + 16 + 8 + 1 + 8 + 8

// read adds the ranges of a frame. Call tidy after the last one.
func (s spans) read(b []byte) error {
	if len(b)%spanBytes != 0 {
		return errors.New("span cut short")
	}
	for ; len(b) > 0; b = b[spanBytes:] {
		var k sequence
		copy(k.tenant[:], b)
		copy(k.host[:], b[16:])
		k.Stream, k.Lane = binary.BigEndian.Uint64(b[32:]), event.Lane(b[40])
		s[k] = append(s[k], seq.Range{First: binary.BigEndian.Uint64(b[41:]), Last: binary.BigEndian.Uint64(b[49:])})
	}
	return nil
}

// tidy makes sets of what was read.
func (s spans) tidy() {
	for k, x := range s {
		s[k] = seq.Join(x)
	}
}

// add takes the events of o in as well.
func (s spans) add(o spans) {
	for k, rs := range o {
		s[k] = append(s[k], rs...)
	}
	s.tidy()
}

// count gives how many events there are.
func (s spans) count() (n uint64) {
	for _, x := range s {
		n += x.Count()
	}
	return n
}

// common counts the events that are in both.
func (s spans) common(o spans) (n uint64) {
	for k, x := range s {
		n += x.Common(o[k])
	}
	return n
}

// covered gives them as the manifest settles them.
func (s spans) covered() []Covered {
	var out []Covered
	for k, rs := range s {
		out = append(out, Covered{Tenant: k.tenant, Host: k.host, StreamLane: k.StreamLane, Ranges: rs})
	}
	return out
}
