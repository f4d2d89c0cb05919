package segment

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
)

// Decoder gives events back from record batches that have the store's columns, in any order, with or
// without columns it does not know.
type Decoder struct {
	host, stream, lane, seq, extra int
	fields                         []placed
}

type placed struct {
	column int
	field  registry.Field
}

// NewDecoder reads the schema of an answer.
func NewDecoder(s *arrow.Schema) (*Decoder, error) {
	at := func(name string) int {
		if i := s.FieldIndices(name); len(i) > 0 {
			return i[0]
		}
		return -1
	}
	d := &Decoder{host: at(ColHost), stream: at(ColStream), lane: at(ColLane), seq: at(ColSeq), extra: at(ColExtra)}
	if d.host < 0 || d.stream < 0 || d.lane < 0 || d.seq < 0 {
		return nil, fmt.Errorf("the answer lacks a column of the event id")
	}
	for _, f := range registry.Fields() {
		if i := at(f.Name); i >= 0 {
			d.fields = append(d.fields, placed{i, f})
		}
	}
	return d, nil
}

// ID gives the id of row i.
func (d *Decoder) ID(rec arrow.RecordBatch, i int) (event.ID, error) {
	var id event.ID
	host, ok1 := rec.Column(d.host).(*array.String)
	stream, ok2 := rec.Column(d.stream).(*array.Uint64)
	lane, ok3 := rec.Column(d.lane).(*array.Uint64)
	seq, ok4 := rec.Column(d.seq).(*array.Uint64)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return id, fmt.Errorf("the columns of the event id have other types")
	}
	h, err := event.ParseHostID(host.Value(i))
	if err != nil {
		return id, err
	}
	return event.ID{Host: h, Stream: stream.Value(i), Lane: event.Lane(lane.Value(i)), Seq: seq.Value(i)}, nil
}

// Wire gives row i in the wire form of package event, appended to b. Decoding it gives the event that
// was stored, with the fields that this registry does not know in Extra.
func (d *Decoder) Wire(b []byte, rec arrow.RecordBatch, i int) ([]byte, error) {
	for _, p := range d.fields {
		col := rec.Column(p.column)
		if col.IsNull(i) {
			continue
		}
		n := protowire.Number(p.field.Number)
		switch p.field.Type {
		case registry.Uint:
			c, ok := col.(*array.Uint64)
			if !ok {
				return b, wrongType(p.field, col)
			}
			b = protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), c.Value(i))
		case registry.Int:
			c, ok := col.(*array.Int64)
			if !ok {
				return b, wrongType(p.field, col)
			}
			b = protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), protowire.EncodeZigZag(c.Value(i)))
		case registry.Bool:
			c, ok := col.(*array.Boolean)
			if !ok {
				return b, wrongType(p.field, col)
			}
			b = protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), protowire.EncodeBool(c.Value(i)))
		case registry.Texts, registry.Attributes:
			c, ok := col.(*array.List)
			if !ok {
				return b, wrongType(p.field, col)
			}
			each, ok := c.ListValues().(*array.String)
			if !ok {
				return b, wrongType(p.field, col)
			}
			from, to := c.ValueOffsets(i)
			for j := from; j < to; j++ {
				v, err := wireBytes(p.field.Type, each.Value(int(j)))
				if err != nil {
					return b, fmt.Errorf("column %s: %w", p.field.Name, err)
				}
				b = protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
			}
		default:
			c, ok := col.(*array.String)
			if !ok {
				return b, wrongType(p.field, col)
			}
			v, err := wireBytes(p.field.Type, c.Value(i))
			if err != nil {
				return b, fmt.Errorf("column %s: %w", p.field.Name, err)
			}
			b = protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
		}
	}
	if d.extra >= 0 {
		if c, ok := rec.Column(d.extra).(*array.Binary); ok && !c.IsNull(i) {
			b = append(b, c.Value(i)...)
		}
	}
	return b, nil
}

func wrongType(f registry.Field, col arrow.Array) error {
	return fmt.Errorf("column %s has type %s", f.Name, col.DataType())
}

func wireBytes(t registry.Type, s string) ([]byte, error) {
	switch t {
	case registry.Key:
		k, err := event.ParseKey(s)
		return k[:], err
	case registry.Hash:
		return hex.DecodeString(s)
	case registry.Addr:
		a, err := netip.ParseAddr(s)
		return a.AsSlice(), err
	case registry.Attributes:
		list, err := event.ParseAttributesJSON([]byte("{" + s + "}"))
		if err != nil || len(list) != 1 {
			return nil, fmt.Errorf("%.80q is no attribute: %w", s, errors.Join(err, event.ErrMalformed))
		}
		return list[0].Append(nil), nil
	default:
		return []byte(s), nil
	}
}

// Order gives what rows are sorted by: time and boot_ns.
func (d *Decoder) Order(rec arrow.RecordBatch, i int) (time int64, bootNS uint64, err error) {
	for _, p := range d.fields {
		switch p.field.Name {
		case "time":
			if c, ok := rec.Column(p.column).(*array.Int64); !ok {
				return 0, 0, wrongType(p.field, rec.Column(p.column))
			} else if !c.IsNull(i) {
				time = c.Value(i)
			}
		case "boot_ns":
			if c, ok := rec.Column(p.column).(*array.Uint64); !ok {
				return 0, 0, wrongType(p.field, rec.Column(p.column))
			} else if !c.IsNull(i) {
				bootNS = c.Value(i)
			}
		}
	}
	return time, bootNS, nil
}
