// Package segment turns events into Parquet files and rows back into events. Columns come from the event
// registry and from nowhere else. Only worker processes call it (internal/eventstore/duck); it knows
// nothing of manifests and cursors.
package segment

import (
	"fmt"
	"unicode/utf8"

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

// row is one event on its way into a file.
type row struct {
	tenant tenant.ID
	shard  int
	record uint64
	id     event.ID
	event  *event.Event
}

// Schema lists the columns and types of the store in DuckDB's words, in order of number.
func Schema() []registry.Field { return registry.Fields() }

// check refuses an event that would blind every query over its file: one value that is not UTF-8 makes
// DuckDB fail on the whole column.
func check(e *event.Event, fields []registry.Field) error {
	for i := range fields {
		switch fields[i].Type {
		case registry.Text:
			if v := e.Value(event.Number(fields[i].Number)); !utf8.ValidString(v.Text) {
				return fmt.Errorf("field %s is not valid UTF-8: ingest did not make it text", fields[i].Name)
			}
		case registry.Texts:
			for _, s := range e.Value(event.Number(fields[i].Number)).Texts {
				if !utf8.ValidString(s) {
					return fmt.Errorf("field %s is not valid UTF-8: ingest did not make it text", fields[i].Name)
				}
			}
		}
	}
	return nil
}

// columns builds the Arrow form of rows, column by column.
func columns(mem memory.Allocator, rows []row, fields []registry.Field, hot bool) ([]arrow.Field, []arrow.Array) {
	var names []arrow.Field
	var arrays []arrow.Array
	add := func(name string, a arrow.Array) {
		names = append(names, arrow.Field{Name: name, Type: a.DataType(), Nullable: true})
		arrays = append(arrays, a)
	}
	add(ColTenant, texts(mem, len(rows), func(i int) string { return rows[i].tenant.String() }))
	add(ColHost, texts(mem, len(rows), func(i int) string { return rows[i].id.Host.String() }))
	add(ColStream, numbers(mem, len(rows), func(i int) uint64 { return rows[i].id.Stream }))
	add(ColLane, numbers(mem, len(rows), func(i int) uint64 { return uint64(rows[i].id.Lane) }))
	add(ColSeq, numbers(mem, len(rows), func(i int) uint64 { return rows[i].id.Seq }))
	if hot {
		add(ColShard, numbers(mem, len(rows), func(i int) uint64 { return uint64(rows[i].shard) }))
		add(ColRecord, numbers(mem, len(rows), func(i int) uint64 { return rows[i].record }))
	}
	for i := range fields {
		if a := column(mem, rows, fields[i]); a != nil {
			add(fields[i].Name, a)
		}
	}
	if a := extra(mem, rows); a != nil {
		add(ColExtra, a)
	}
	return names, arrays
}

// texts repeats few values: the last text is kept so that a run of one host costs one conversion.
func texts(mem memory.Allocator, n int, at func(int) string) arrow.Array {
	b := array.NewStringBuilder(mem)
	defer b.Release()
	b.Reserve(n)
	for i := range n {
		b.Append(at(i))
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

func extra(mem memory.Allocator, rows []row) arrow.Array {
	any := false
	for i := range rows {
		any = any || len(rows[i].event.Extra) > 0
	}
	if !any {
		return nil
	}
	b := array.NewBinaryBuilder(mem, arrow.BinaryTypes.Binary)
	defer b.Release()
	for i := range rows {
		if len(rows[i].event.Extra) == 0 {
			b.AppendNull()
		} else {
			b.Append(rows[i].event.Extra)
		}
	}
	return b.NewArray()
}

// column gives nil when no row has the field and the file may do without it.
func column(mem memory.Allocator, rows []row, f registry.Field) arrow.Array {
	n := event.Number(f.Number)
	first := 0
	if !always[f.Name] {
		for first < len(rows) && !rows[first].event.Value(n).Set {
			first++
		}
		if first == len(rows) {
			return nil
		}
	}
	var b array.Builder
	var put func(v event.Value)
	switch f.Type {
	case registry.Uint:
		c := array.NewUint64Builder(mem)
		b, put = c, func(v event.Value) { c.Append(v.Uint) }
	case registry.Int:
		c := array.NewInt64Builder(mem)
		b, put = c, func(v event.Value) { c.Append(int64(v.Uint)) }
	case registry.Bool:
		c := array.NewBooleanBuilder(mem)
		b, put = c, func(v event.Value) { c.Append(v.Uint != 0) }
	case registry.Texts:
		c := array.NewListBuilder(mem, arrow.BinaryTypes.String)
		each := c.ValueBuilder().(*array.StringBuilder)
		b, put = c, func(v event.Value) {
			c.Append(true)
			for _, s := range v.Texts {
				each.Append(s)
			}
		}
	case registry.Text:
		c := array.NewStringBuilder(mem)
		b, put = c, func(v event.Value) { c.Append(v.Text) }
	default: // keys, addresses and hashes in the text that people and rules see
		c := array.NewStringBuilder(mem)
		b, put = c, func(v event.Value) { c.Append(v.String()) }
	}
	defer b.Release()
	b.Reserve(len(rows))
	for range first {
		b.AppendNull()
	}
	for i := first; i < len(rows); i++ {
		if v := rows[i].event.Value(n); v.Set {
			put(v)
		} else {
			b.AppendNull()
		}
	}
	return b.NewArray()
}
