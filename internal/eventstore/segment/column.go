package segment

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
)

// column is one column while it is built; rows come in order, and rows without a value are left out. Texts are kept as
// numbers into a dictionary, which the Parquet writer takes as it is: it would otherwise hash every value once more, and
// that was a third of a seal. A field that comes twice in one event keeps its first value; our encoder writes none twice.
type column struct {
	name    string
	kind    registry.Type
	rows    int
	nulls   int
	valid   []byte // one bit a row
	numbers []uint64
	codes   []int32 // of each row, into the dictionary; of each entry of a list
	ends    []int32 // of a list: where the row's entries end

	known map[string]int32 // wire form of a value to its place in the dictionary
	last  []byte           // the value before: runs of one value are common
	code  int32
	dict  []byte
	cuts  []int32 // where the dictionary's values begin and end
	show  func(to, wire []byte) ([]byte, error)
}

func newColumn(name string, kind registry.Type, rows int) *column {
	c := &column{name: name, kind: kind, valid: make([]byte, (rows+7)/8), show: shownAs(kind)}
	switch {
	case numeric(kind):
		c.numbers = make([]uint64, 0, rows)
	case kind == registry.Texts, kind == registry.Attributes:
		c.ends = append(make([]int32, 0, rows+1), 0)
		fallthrough
	default:
		c.codes = make([]int32, 0, rows)
		c.known, c.cuts = map[string]int32{}, []int32{0}
	}
	return c
}

// skip makes rows before i null.
func (c *column) skip(i int) {
	missing := i - c.rows
	if missing <= 0 {
		return
	}
	c.nulls += missing
	c.rows = i
	switch {
	case c.ends != nil:
		for range missing {
			c.ends = append(c.ends, c.ends[len(c.ends)-1])
		}
	case c.numbers != nil:
		c.numbers = append(c.numbers, make([]uint64, missing)...)
	default:
		c.codes = append(c.codes, make([]int32, missing)...)
	}
}

// put sets the value of row i: number, or the wire form of anything else.
func (c *column) put(i int, number uint64, wire []byte) error {
	again := c.rows > i
	if again && c.ends == nil {
		return nil
	}
	if !again {
		c.skip(i)
		c.valid[i/8] |= 1 << (i % 8)
		c.rows++
	}
	if c.known == nil {
		c.numbers = append(c.numbers, number)
		return nil
	}
	code, err := c.place(wire)
	if err != nil {
		return err
	}
	c.codes = append(c.codes, code)
	if c.ends != nil {
		if !again {
			c.ends = append(c.ends, 0)
		}
		c.ends[len(c.ends)-1] = int32(len(c.codes)) // rows × event.MaxTexts
	}
	return nil
}

// place finds a value in the dictionary, or adds it.
func (c *column) place(wire []byte) (int32, error) {
	if len(c.cuts) > 1 && string(c.last) == string(wire) {
		return c.code, nil
	}
	c.last = wire
	code, ok := c.known[string(wire)]
	if !ok {
		var err error
		if c.dict, err = c.show(c.dict, wire); err != nil {
			return 0, fmt.Errorf("column %s: %w", c.name, err)
		}
		if len(c.dict) > math.MaxInt32 {
			return 0, fmt.Errorf("column %s: its values have more than %d bytes together: %w", c.name, math.MaxInt32, event.ErrTooBig)
		}
		code = int32(len(c.cuts) - 1)
		c.cuts = append(c.cuts, int32(len(c.dict)))
		c.known[string(wire)] = code
	}
	c.code = code
	return code, nil
}

// finish gives the array of all rows.
func (c *column) finish(rows int) arrow.Array {
	c.skip(rows)
	var valid *memory.Buffer
	if c.nulls > 0 {
		valid = memory.NewBufferBytes(c.valid)
	}
	made := func(t arrow.DataType, buffers []*memory.Buffer, below []arrow.ArrayData) arrow.Array {
		return array.MakeFromData(array.NewData(t, rows, append([]*memory.Buffer{valid}, buffers...), below, c.nulls, 0))
	}
	switch c.kind {
	case registry.Uint:
		return made(arrow.PrimitiveTypes.Uint64, []*memory.Buffer{memory.NewBufferBytes(arrow.Uint64Traits.CastToBytes(c.numbers))}, nil)
	case registry.Int:
		signed := make([]int64, rows)
		for i, v := range c.numbers {
			signed[i] = protowire.DecodeZigZag(v)
		}
		return made(arrow.PrimitiveTypes.Int64, []*memory.Buffer{memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(signed))}, nil)
	case registry.Bool:
		bits := make([]byte, (rows+7)/8)
		for i, v := range c.numbers {
			if v != 0 {
				bits[i/8] |= 1 << (i % 8)
			}
		}
		return made(arrow.FixedWidthTypes.Boolean, []*memory.Buffer{memory.NewBufferBytes(bits)}, nil)
	case registry.Texts, registry.Attributes:
		// A list of dictionary values is nothing that the Parquet writer takes.
		return made(arrow.ListOf(arrow.BinaryTypes.String), []*memory.Buffer{memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.ends))}, []arrow.ArrayData{c.plain(c.codes, nil, 0)})
	default: // kept as texts
	}
	if c.various() {
		return array.MakeFromData(c.plain(c.codes, valid, c.nulls))
	}
	return array.MakeFromData(array.NewDataWithDictionary(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String},
		rows, []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.codes))}, c.nulls, 0, c.dictionary()))
}

// various says that most values are different ones: a dictionary would be as long as the column.
func (c *column) various() bool { return c.known != nil && (len(c.cuts)-1)*4 > (c.rows-c.nulls)*3 }

// dictionary gives the values as an array.
func (c *column) dictionary() *array.Data {
	return array.NewData(arrow.BinaryTypes.String, len(c.cuts)-1, []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.cuts)), memory.NewBufferBytes(c.dict)}, nil, 0, 0)
}

// plain gives the value of each code as an array of strings.
func (c *column) plain(codes []int32, valid *memory.Buffer, nulls int) *array.Data {
	size := 0
	for i, code := range codes {
		if valid == nil || c.valid[i/8]&(1<<(i%8)) != 0 {
			size += int(c.cuts[code+1] - c.cuts[code])
		}
	}
	text, ends := make([]byte, 0, size), make([]int32, 1, len(codes)+1)
	for i, code := range codes {
		if valid == nil || c.valid[i/8]&(1<<(i%8)) != 0 {
			text = append(text, c.dict[c.cuts[code]:c.cuts[code+1]]...)
		}
		ends = append(ends, int32(len(text))) // see place
	}
	return array.NewData(arrow.BinaryTypes.String, len(codes), []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(ends)), memory.NewBufferBytes(text)}, nil, nulls, 0)
}

// shownAs gives how values of a type are written: keys, addresses and hashes in the form that people and rules see.
func shownAs(t registry.Type) func(to, wire []byte) ([]byte, error) {
	switch t {
	case registry.Key:
		return func(to, wire []byte) ([]byte, error) {
			if !sized(t, len(wire)) {
				return to, fmt.Errorf("key of %d bytes: %w", len(wire), event.ErrMalformed)
			}
			return append(to, event.Key(wire).String()...), nil
		}
	case registry.Attributes:
		return func(to, wire []byte) ([]byte, error) {
			a, known, err := event.ParseAttribute(wire)
			if err != nil || !known {
				return to, errors.Join(err, event.ErrMalformed) // the reader of rows keeps unknown ones among the unknown fields
			}
			return event.AppendAttributeJSON(to, a), nil
		}
	case registry.Hash:
		return func(to, wire []byte) ([]byte, error) { return hex.AppendEncode(to, wire), nil }
	case registry.Addr:
		return func(to, wire []byte) ([]byte, error) {
			a, ok := netip.AddrFromSlice(wire)
			if !ok {
				return to, fmt.Errorf("address of %d bytes: %w", len(wire), event.ErrMalformed)
			}
			return a.Unmap().AppendTo(to), nil
		}
	default:
		return func(to, wire []byte) ([]byte, error) { return append(to, wire...), nil }
	}
}
