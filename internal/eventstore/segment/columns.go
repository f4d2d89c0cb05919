// Package segment turns events into Parquet files and rows back into events. Columns come from the event
// registry and from nowhere else. Only worker processes call it (internal/eventstore/duck); it knows
// nothing of manifests and cursors.
package segment

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

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

// columns builds the Arrow form of rows. plain names the columns that hold hardly any value twice.
func columns(mem memory.Allocator, rows []row, t table, hot bool) (names []arrow.Field, arrays []arrow.Array, plain []string, err error) {
	add := func(name string, a arrow.Array) {
		names = append(names, arrow.Field{Name: name, Type: a.DataType(), Nullable: true})
		arrays = append(arrays, a)
	}
	finish := func(c *column) {
		add(c.name, c.finish(len(rows)))
		if c.various() {
			plain = append(plain, c.name)
		}
	}
	id := func(name string, at func(*row) []byte, show func([]byte) string) error {
		c := newColumn(name, registry.Text, len(rows))
		c.show = func(to, wire []byte) ([]byte, error) { return append(to, show(wire)...), nil }
		for i := range rows {
			if err := c.put(i, 0, at(&rows[i])); err != nil {
				return err
			}
		}
		finish(c)
		return nil
	}
	if err := id(ColTenant, func(r *row) []byte { return r.tenant[:] }, func(b []byte) string { return tenant.ID(b).String() }); err != nil {
		return nil, nil, nil, err
	}
	if err := id(ColHost, func(r *row) []byte { return r.id.Host[:] }, func(b []byte) string { return event.HostID(b).String() }); err != nil {
		return nil, nil, nil, err
	}
	add(ColStream, numbers(mem, rows, func(r *row) uint64 { return r.id.Stream }))
	add(ColLane, numbers(mem, rows, func(r *row) uint64 { return uint64(r.id.Lane) }))
	add(ColSeq, numbers(mem, rows, func(r *row) uint64 { return r.id.Seq }))
	if hot {
		add(ColShard, numbers(mem, rows, func(r *row) uint64 { return uint64(r.shard) }))
		add(ColRecord, numbers(mem, rows, func(r *row) uint64 { return r.record }))
	}
	made := make([]*column, len(t))
	for n, f := range t {
		if f != nil && always[f.Name] {
			made[n] = newColumn(f.Name, f.Type, len(rows))
		}
	}
	var rest *array.BinaryBuilder
	for i := range rows {
		var unknown []byte
		for wire := rows[i].wire; len(wire) > 0; {
			x, after, err := t.first(wire)
			if err != nil {
				return nil, nil, nil, err
			}
			wire = after
			if x.field == nil {
				unknown = append(unknown, x.raw...)
				continue
			}
			c := made[x.field.Number]
			if c == nil {
				c = newColumn(x.field.Name, x.field.Type, len(rows))
				made[x.field.Number] = c
			}
			if err := c.put(i, x.value, x.bytes); err != nil {
				return nil, nil, nil, err
			}
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
	for n, c := range made {
		if c != nil {
			finish(c)
			made[n] = nil // its dictionary is not needed any more
		}
	}
	if rest != nil {
		rest.AppendNulls(len(rows) - rest.Len())
		add(ColExtra, rest.NewArray())
	}
	return names, arrays, plain, nil
}

func numbers(mem memory.Allocator, rows []row, at func(*row) uint64) arrow.Array {
	b := array.NewUint64Builder(mem)
	defer b.Release()
	b.Reserve(len(rows))
	for i := range rows {
		b.UnsafeAppend(at(&rows[i]))
	}
	return b.NewArray()
}
