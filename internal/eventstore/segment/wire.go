package segment

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// row is one event on its way into a file: what it is sorted and split by, and its wire form as the log has it. The
// wire form is an eighth of the struct's size and names just the fields that are set; check has seen it.
type row struct {
	tenant   tenant.ID
	shard    int
	record   uint64
	id       event.ID
	kind     event.Kind
	time     int64
	received int64
	bootNS   uint64
	wire     []byte
}

// table finds a registry field by its number; nil where the registry has none.
type table []*registry.Field

func newTable() table {
	fields := registry.Fields()
	t := make(table, fields[len(fields)-1].Number+1)
	for i := range fields {
		t[fields[i].Number] = &fields[i]
	}
	return t
}

func (t table) field(n protowire.Number) *registry.Field {
	if int(n) >= len(t) {
		return nil
	}
	return t[n]
}

// item is one field of a wire form. field is nil when this registry does not know it, or knows its number with another
// wire type; raw is the whole of it with its tag.
type item struct {
	field *registry.Field
	value uint64 // of a varint
	bytes []byte
	raw   []byte
}

// first takes the first field off a wire form. It is the inner loop of every hot file and seal.
func (t table) first(wire []byte) (x item, rest []byte, err error) {
	tag, at := binary.Uvarint(wire)
	n, typ := protowire.DecodeTag(tag)
	if at <= 0 || n < 1 {
		return x, nil, fmt.Errorf("event with a broken tag: %w", event.ErrMalformed)
	}
	x.field = t.field(n)
	var end int
	varint := false
	switch typ {
	case protowire.VarintType:
		v, size := binary.Uvarint(wire[at:])
		if size <= 0 {
			return x, nil, fmt.Errorf("event with a broken field %d: %w", n, event.ErrMalformed)
		}
		x.value, end, varint = v, at+size, true
	case protowire.BytesType:
		v, size := binary.Uvarint(wire[at:])
		if size <= 0 || v > uint64(len(wire)-at-size) {
			return x, nil, fmt.Errorf("event with a broken field %d: %w", n, event.ErrMalformed)
		}
		end = at + size + int(v) // within wire
		x.bytes = wire[at+size : end : end]
	default:
		size := protowire.ConsumeFieldValue(n, typ, wire[at:])
		if size < 0 {
			return x, nil, fmt.Errorf("event with a broken field %d: %w", n, event.ErrMalformed)
		}
		x.field, end = nil, at+size
	}
	if x.field != nil && varint != numeric(x.field.Type) {
		x.field = nil
	}
	if x.field != nil && x.field.Type == registry.Attributes {
		if _, known, err := event.ParseAttribute(x.bytes); err != nil {
			return x, nil, fmt.Errorf("field %s: %w", x.field.Name, err)
		} else if !known {
			x.field = nil // a newer version wrote it
		}
	}
	x.raw = wire[:end]
	return x, wire[end:], nil
}

func numeric(t registry.Type) bool {
	return t == registry.Uint || t == registry.Int || t == registry.Bool
}

// listed counts the entries of one list field.
type listed struct {
	field   *registry.Field
	entries int
}

// read fills a row from its wire form. It refuses what event.Decode refuses, because whoever queries the row decodes it,
// and text that is not UTF-8, because one such value makes DuckDB fail on the whole column.
func (t table) read(r *row) error {
	if len(r.wire) > event.MaxTextEventBytes {
		return fmt.Errorf("event of %d bytes: %w", len(r.wire), event.ErrTooBig)
	}
	lists := make([]listed, 0, 4)
	for wire := r.wire; len(wire) > 0; {
		x, rest, err := t.first(wire)
		if err != nil {
			return err
		}
		wire = rest
		f := x.field
		if f == nil {
			continue
		}
		switch f.Type {
		case registry.Text, registry.Texts, registry.Attributes:
			if !validText(f.Type, x.bytes) {
				return fmt.Errorf("field %s is not valid UTF-8: ingest did not make it text", f.Name)
			}
			if most := maxEntries(f.Type); most > 0 {
				at := slices.IndexFunc(lists, func(l listed) bool { return l.field == f })
				if at < 0 {
					at, lists = len(lists), append(lists, listed{field: f})
				}
				if lists[at].entries++; lists[at].entries > most {
					return fmt.Errorf("field %s has more than %d entries: %w", f.Name, most, event.ErrTooBig)
				}
			}
		case registry.Key, registry.Hash, registry.Addr:
			if !sized(f.Type, len(x.bytes)) {
				return fmt.Errorf("field %s has %d bytes: %w", f.Name, len(x.bytes), event.ErrMalformed)
			}
		default:
			if err := r.number(f, x.value); err != nil {
				return err
			}
		}
	}
	return nil
}

func validText(t registry.Type, b []byte) bool {
	if t != registry.Attributes {
		return utf8.Valid(b)
	}
	a, _, _ := event.ParseAttribute(b) // it was read once: see first
	return utf8.ValidString(a.Name) && utf8.ValidString(a.Text)
}

// maxEntries bounds the entries of a list field; 0: it is none.
func maxEntries(t registry.Type) int {
	switch t {
	case registry.Texts:
		return event.MaxTexts
	case registry.Attributes:
		return event.MaxAttributes
	default:
		return 0
	}
}

func sized(t registry.Type, n int) bool {
	switch t {
	case registry.Key:
		return n == len(event.Key{})
	case registry.Hash:
		return n == 32
	default:
		return n == 4 || n == 16
	}
}

// number keeps what rows are sorted and split by.
func (r *row) number(f *registry.Field, v uint64) error {
	switch f.Name {
	case "kind":
		if r.kind = event.Kind(v); uint64(r.kind) != v {
			return fmt.Errorf("field %s has the value %d: %w", f.Name, v, event.ErrMalformed)
		}
	case "os":
		if uint64(event.OS(v)) != v {
			return fmt.Errorf("field %s has the value %d: %w", f.Name, v, event.ErrMalformed)
		}
	case "time":
		r.time = protowire.DecodeZigZag(v)
	case "received":
		r.received = protowire.DecodeZigZag(v)
	case "boot_ns":
		r.bootNS = v
	}
	return nil
}
