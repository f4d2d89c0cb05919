// Package segment turns events into Parquet files and rows back into events. Columns come from the event
// registry and from nowhere else. Only worker processes call it (internal/eventstore/duck); it knows
// nothing of manifests and cursors.
package segment

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// The columns beside the registry's. shard and record stand in hot files only.
const (
	ColTenant = "tenant"
	ColHost   = "host"
	ColStream = "stream"
	ColLane   = "lane"
	ColSeq    = "seq"
	ColExtra  = "extra"
	ColShard  = "shard"
	ColRecord = "record"
)

// always are the registry columns that every file has, so that a query may name them whatever else a
// file holds. Any other column is left out of a file in which no row has it.
var always = map[string]bool{"kind": true, "time": true, "received": true, "boot_ns": true, "actor_key": true, "parent_key": true, "target_key": true}

// row is one event on its way into a file: what it is sorted and split by, and its wire form. The wire
// form is an eighth of the struct's size, names just the fields that are set, and was made by our own
// encoder, so it is well-formed.
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

// each calls f with every field of a wire form, in order. value is the varint, or b the bytes; raw is the
// whole field with its tag.
func (t table) each(wire []byte, f func(field *registry.Field, value uint64, b, raw []byte) error) error {
	for len(wire) > 0 {
		n, typ, tag := protowire.ConsumeTag(wire)
		if tag < 0 {
			return fmt.Errorf("event with a broken tag: %w", event.ErrMalformed)
		}
		size := protowire.ConsumeFieldValue(n, typ, wire[tag:])
		if size < 0 {
			return fmt.Errorf("event with a broken field %d: %w", n, event.ErrMalformed)
		}
		raw := wire[:tag+size]
		wire = wire[tag+size:]
		field := t.field(n)
		var value uint64
		var b []byte
		switch typ {
		case protowire.VarintType:
			value, _ = protowire.ConsumeVarint(raw[tag:])
		case protowire.BytesType:
			b, _ = protowire.ConsumeBytes(raw[tag:])
		default:
			field = nil
		}
		if field != nil && (typ == protowire.VarintType) != (field.Type == registry.Uint || field.Type == registry.Int || field.Type == registry.Bool) {
			field = nil // a known number with another wire type is kept as it is
		}
		if err := f(field, value, b, raw); err != nil {
			return err
		}
	}
	return nil
}

// check refuses an event that would blind every query over its file: one value that is not UTF-8 makes
// DuckDB fail on the whole column.
func (t table) check(wire []byte) error {
	return t.each(wire, func(f *registry.Field, _ uint64, b, _ []byte) error {
		if f != nil && (f.Type == registry.Text || f.Type == registry.Texts) && !utf8.Valid(b) {
			return fmt.Errorf("field %s is not valid UTF-8: ingest did not make it text", f.Name)
		}
		return nil
	})
}

// columns builds the Arrow form of rows.
func columns(mem memory.Allocator, rows []row, t table, hot bool) (names []arrow.Field, arrays []arrow.Array, err error) {
	add := func(name string, a arrow.Array) {
		names = append(names, arrow.Field{Name: name, Type: a.DataType(), Nullable: true})
		arrays = append(arrays, a)
	}
	add(ColTenant, texts(mem, len(rows), func(i int) [16]byte { return rows[i].tenant }, func(v [16]byte) string { return tenant.ID(v).String() }))
	add(ColHost, texts(mem, len(rows), func(i int) [16]byte { return rows[i].id.Host }, func(v [16]byte) string { return event.HostID(v).String() }))
	add(ColStream, numbers(mem, len(rows), func(i int) uint64 { return rows[i].id.Stream }))
	add(ColLane, numbers(mem, len(rows), func(i int) uint64 { return uint64(rows[i].id.Lane) }))
	add(ColSeq, numbers(mem, len(rows), func(i int) uint64 { return rows[i].id.Seq }))
	if hot {
		add(ColShard, numbers(mem, len(rows), func(i int) uint64 { return uint64(rows[i].shard) }))
		add(ColRecord, numbers(mem, len(rows), func(i int) uint64 { return rows[i].record }))
	}
	made := make([]*column, len(t))
	for n, f := range t {
		if f != nil && always[f.Name] {
			made[n] = newColumn(mem, f)
		}
	}
	var rest *array.BinaryBuilder
	for i := range rows {
		var unknown []byte
		err := t.each(rows[i].wire, func(f *registry.Field, value uint64, b, raw []byte) error {
			if f == nil {
				unknown = append(unknown, raw...)
				return nil
			}
			c := made[f.Number]
			if c == nil {
				c = newColumn(mem, f)
				made[f.Number] = c
			}
			return c.put(i, value, b)
		})
		if err != nil {
			return nil, nil, err
		}
		if unknown != nil {
			if rest == nil {
				rest = array.NewBinaryBuilder(mem, arrow.BinaryTypes.Binary)
				defer rest.Release()
			}
			rest.AppendNulls(i - rest.Len())
			rest.Append(unknown)
		}
	}
	for _, c := range made {
		if c != nil {
			add(c.field.Name, c.finish(len(rows)))
		}
	}
	if rest != nil {
		rest.AppendNulls(len(rows) - rest.Len())
		add(ColExtra, rest.NewArray())
	}
	return names, arrays, nil
}

// texts turns ids into text; rows are sorted, so runs of one id cost one conversion.
func texts(mem memory.Allocator, n int, at func(int) [16]byte, show func([16]byte) string) arrow.Array {
	b := array.NewStringBuilder(mem)
	defer b.Release()
	b.Reserve(n)
	var last [16]byte
	var text string
	for i := range n {
		if v := at(i); i == 0 || v != last {
			last, text = v, show(v)
		}
		b.Append(text)
	}
	return b.NewArray()
}

func numbers(mem memory.Allocator, n int, at func(int) uint64) arrow.Array {
	b := array.NewUint64Builder(mem)
	defer b.Release()
	b.Reserve(n)
	for i := range n {
		b.UnsafeAppend(at(i))
	}
	return b.NewArray()
}

// column is one column while it is built. A field that comes twice in one event keeps its first value;
// our encoder writes none twice.
type column struct {
	field *registry.Field
	b     array.Builder
	keys  map[event.Key]string
	buf   []byte
}

func newColumn(mem memory.Allocator, f *registry.Field) *column {
	c := &column{field: f}
	switch f.Type {
	case registry.Uint:
		c.b = array.NewUint64Builder(mem)
	case registry.Int:
		c.b = array.NewInt64Builder(mem)
	case registry.Bool:
		c.b = array.NewBooleanBuilder(mem)
	case registry.Texts:
		c.b = array.NewListBuilder(mem, arrow.BinaryTypes.String)
	default:
		c.b = array.NewStringBuilder(mem)
		if f.Type == registry.Key {
			c.keys = map[event.Key]string{}
		}
	}
	return c
}

// put sets the value of row i. Rows come in order.
func (c *column) put(i int, value uint64, v []byte) error {
	again := c.b.Len() > i
	if c.b.Len() < i {
		c.b.AppendNulls(i - c.b.Len())
	}
	if l, ok := c.b.(*array.ListBuilder); ok {
		if !again {
			l.Append(true)
		}
		l.ValueBuilder().(*array.StringBuilder).BinaryBuilder.Append(v) //nolint:forcetypeassert // made so above
		return nil
	}
	if again {
		return nil
	}
	switch b := c.b.(type) {
	case *array.Uint64Builder:
		b.Append(value)
	case *array.Int64Builder:
		b.Append(protowire.DecodeZigZag(value))
	case *array.BooleanBuilder:
		b.Append(protowire.DecodeBool(value))
	case *array.StringBuilder:
		text, err := c.text(v)
		if err != nil {
			return err
		}
		b.BinaryBuilder.Append(text)
	}
	return nil
}

// text gives keys, addresses and hashes in the form that people and rules see.
func (c *column) text(v []byte) ([]byte, error) {
	switch c.field.Type {
	case registry.Key:
		if len(v) != len(event.Key{}) {
			return nil, fmt.Errorf("field %s has %d bytes: %w", c.field.Name, len(v), event.ErrMalformed)
		}
		k := event.Key(v)
		s, ok := c.keys[k]
		if !ok {
			s = k.String()
			c.keys[k] = s
		}
		c.buf = append(c.buf[:0], s...)
	case registry.Hash:
		c.buf = hex.AppendEncode(c.buf[:0], v)
	case registry.Addr:
		a, ok := netip.AddrFromSlice(v)
		if !ok {
			return nil, fmt.Errorf("field %s has %d bytes: %w", c.field.Name, len(v), event.ErrMalformed)
		}
		c.buf = a.Unmap().AppendTo(c.buf[:0])
	default:
		return v, nil
	}
	return c.buf, nil
}

func (c *column) finish(rows int) arrow.Array {
	defer c.b.Release()
	if n := c.b.Len(); n < rows {
		c.b.AppendNulls(rows - n)
	}
	return c.b.NewArray()
}
