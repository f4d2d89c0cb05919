package command

import (
	"bytes"
	"encoding/binary"
	"time"
)

// Both formats of this package are a magic line and fields, each a uvarint length and that many bytes.
// Lengths have one spelling (the shortest), numbers are 8 bytes big-endian: what is signed cannot be
// written in two ways.

func appendField(b, field []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(field)))
	return append(b, field...)
}

func appendNumber(b []byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.AppendUvarint(b, 8), n)
}

// fields reads what the append functions wrote; the first fault stays and later reads give zeros.
type fields struct {
	b   []byte
	at  int
	err error
}

func newFields(b []byte, magic string) (*fields, error) {
	if !bytes.HasPrefix(b, []byte(magic)) {
		return nil, flawf("does not start with %q", magic)
	}
	return &fields{b: b, at: len(magic)}, nil
}

// field gives the next field, which refers into the input.
func (r *fields) field(name string, most int) []byte {
	if r.err != nil {
		return nil
	}
	n, size := binary.Uvarint(r.b[r.at:])
	switch {
	case size <= 0:
		r.err = flawf("%s at byte %d is cut short", name, r.at)
	case size > 1 && r.b[r.at+size-1] == 0:
		r.err = flawf("length of %s at byte %d is not in its shortest form", name, r.at)
	case n > uint64(most):
		r.err = flawf("%s of %d bytes at byte %d, at most %d are allowed", name, n, r.at, most)
	case n > uint64(len(r.b)-r.at-size):
		r.err = flawf("%s at byte %d is cut short", name, r.at)
	}
	if r.err != nil {
		return nil
	}
	from := r.at + size
	r.at = from + int(n)
	return r.b[from:r.at:r.at]
}

func (r *fields) fixed(name string, into []byte) {
	f := r.field(name, len(into))
	if r.err == nil && len(f) != len(into) {
		r.err = flawf("%s has %d bytes; want %d", name, len(f), len(into))
		return
	}
	copy(into, f)
}

func (r *fields) number(name string) uint64 {
	var b [8]byte
	r.fixed(name, b[:])
	return binary.BigEndian.Uint64(b[:])
}

func (r *fields) time(name string) time.Time {
	n := r.number(name)
	const year9999 = 253402300800 * 1e6
	if r.err == nil && n >= year9999 {
		r.err = flawf("%s is not a time of our calendar", name)
		return time.Time{}
	}
	return time.UnixMicro(int64(n)).UTC()
}

func (r *fields) end() error {
	if r.err == nil && r.at != len(r.b) {
		r.err = flawf("%d bytes follow the last field", len(r.b)-r.at)
	}
	return r.err
}
