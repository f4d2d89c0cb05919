package event

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/yagura-edr/yagura/internal/event/registry"
)

func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() || a.Is4In6() {
		v := a.As4()
		return protowire.AppendBytes(b, v[:])
	}
	v := a.As16()
	return protowire.AppendBytes(b, v[:])
}

// atMost bounds what the encoder writes of a list to what a decoder takes: one entry more would make
// the server refuse the whole batch.
func atMost(list []string) []string { return list[:min(len(list), MaxTexts)] }

// Decode reads one event. It copies what it keeps, refuses more than MaxTextEventBytes, keeps unknown
// fields in Extra and never panics. e is overwritten.
func (e *Event) Decode(b []byte) error {
	*e = Event{}
	if len(b) > MaxTextEventBytes {
		return fmt.Errorf("event of %d bytes: %w", len(b), ErrTooBig)
	}
	for at := 0; at < len(b); {
		num, typ, n := protowire.ConsumeTag(b[at:])
		if n < 0 {
			return fmt.Errorf("tag at byte %d: %w", at, ErrMalformed)
		}
		start := at
		at += n
		known := false
		switch typ {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b[at:])
			if n < 0 {
				return fmt.Errorf("field %d at byte %d: %w", num, at, ErrMalformed)
			}
			var err error
			if known, err = e.setVarint(num, v); err != nil {
				return fmt.Errorf("at byte %d: %w", at, err)
			}
			at += n
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b[at:])
			if n < 0 {
				return fmt.Errorf("field %d at byte %d: %w", num, at, ErrMalformed)
			}
			var err error
			if known, err = e.setBytes(num, v); err != nil {
				return fmt.Errorf("at byte %d: %w", at, err)
			}
			at += n
		default:
			n := protowire.ConsumeFieldValue(num, typ, b[at:])
			if n < 0 {
				return fmt.Errorf("field %d at byte %d: %w", num, at, ErrMalformed)
			}
			at += n
		}
		if !known {
			e.Extra = append(e.Extra, b[start:at]...)
		}
	}
	return nil
}

// AppendBatch adds the wire form of a list of events: each as a uvarint length and its bytes.
func AppendBatch(b []byte, events []*Event) []byte {
	var one []byte
	for _, e := range events {
		one = e.Append(one[:0])
		b = protowire.AppendBytes(b, one)
	}
	return b
}

// DecodeBatch reads what AppendBatch wrote, before or after Textify: the log and its readers call it. It
// refuses more than MaxBatchEvents events and events over MaxTextEventBytes.
func DecodeBatch(b []byte) ([]*Event, error) { return decodeBatch(b, MaxTextEventBytes) }

// DecodeSensorBatch is DecodeBatch for bytes that a sensor sent: an event over MaxEventBytes is refused,
// because after Textify it could be too big for every reader of the log. Ingest calls it.
func DecodeSensorBatch(b []byte) ([]*Event, error) { return decodeBatch(b, MaxEventBytes) }

func decodeBatch(b []byte, limit int) ([]*Event, error) {
	var out []*Event
	for at := 0; at < len(b); {
		one, n := protowire.ConsumeBytes(b[at:])
		if n < 0 {
			return nil, fmt.Errorf("event %d at byte %d: %w", len(out), at, ErrMalformed)
		}
		if len(out) == MaxBatchEvents {
			return nil, fmt.Errorf("more than %d events: %w", MaxBatchEvents, ErrTooBig)
		}
		if len(one) > limit {
			return nil, fmt.Errorf("event %d at byte %d: event of %d bytes: %w", len(out), at, len(one), ErrTooBig)
		}
		e := new(Event)
		if err := e.Decode(one); err != nil {
			return nil, fmt.Errorf("event %d at byte %d: %w", len(out), at, err)
		}
		out = append(out, e)
		at += n
	}
	return out, nil
}

// SplitBatch gives the wire form of each event that AppendBatch wrote, with the bounds of DecodeBatch. It does not look
// inside them; they point into b.
func SplitBatch(b []byte) ([][]byte, error) {
	var out [][]byte
	for at := 0; at < len(b); {
		one, n := protowire.ConsumeBytes(b[at:])
		if n < 0 {
			return nil, fmt.Errorf("event %d at byte %d: %w", len(out), at, ErrMalformed)
		}
		if len(out) == MaxBatchEvents {
			return nil, fmt.Errorf("more than %d events: %w", MaxBatchEvents, ErrTooBig)
		}
		if len(one) > MaxTextEventBytes {
			return nil, fmt.Errorf("event %d at byte %d: event of %d bytes: %w", len(out), at, len(one), ErrTooBig)
		}
		out = append(out, one)
		at += n
	}
	return out, nil
}

// Fit makes e small enough for the wire and reports whether it had to cut: lists to MaxTexts entries,
// then the longest strings to a common length, with the two truncation flags set. A sensor calls it
// before it spools an event; one that is too big would put its whole batch into quarantine.
func (e *Event) Fit() bool {
	cut := len(e.Ancestors) > MaxTexts || len(e.Answers) > MaxTexts || len(e.Attributes) > MaxAttributes
	e.Ancestors, e.Answers = atMost(e.Ancestors), atMost(e.Answers)
	e.Attributes = e.Attributes[:min(len(e.Attributes), MaxAttributes)]
	for limit := MaxEventBytes / 2; limit >= 64 && len(e.Append(nil)) > MaxEventBytes; limit /= 2 {
		cut = true
		e.texts(func(s *string) {
			if len(*s) > limit {
				*s = (*s)[:limit]
			}
		})
		e.Flags |= FlagCommandLineTruncated | FlagPathTruncated
	}
	return cut
}

// Type says what a Value holds.
type Type = registry.Type

// The types of values, as the registry names them.
const (
	TypeUint  = registry.Uint
	TypeInt   = registry.Int
	TypeBool  = registry.Bool
	TypeText  = registry.Text
	TypeTexts = registry.Texts
	TypeKey   = registry.Key
	TypeAddr  = registry.Addr
	TypeHash  = registry.Hash

	TypeAttributes = registry.Attributes
)

// Value is a field of an event, read by number. It refers into the event and costs no allocation.
type Value struct {
	Type       Type
	Set        bool
	Uint       uint64 // TypeUint; TypeInt as its bits; TypeBool as 0 or 1
	Text       string
	Texts      []string
	Addr       netip.Addr
	Attributes []Attribute
	key        *Key
	hash       *[32]byte
}

func boolValue(b, set bool) Value {
	v := Value{Type: TypeBool, Set: set}
	if b {
		v.Uint = 1
	}
	return v
}

// String gives the value as rules and people see it: numbers in decimal, keys as p-…, hashes in
// lower-case hex, lists joined by one space; empty when the field is absent.
func (v Value) String() string {
	if !v.Set {
		return ""
	}
	switch v.Type {
	case TypeUint:
		return strconv.FormatUint(v.Uint, 10)
	case TypeInt:
		return strconv.FormatInt(int64(v.Uint), 10)
	case TypeBool:
		return strconv.FormatBool(v.Uint != 0)
	case TypeText:
		return v.Text
	case TypeTexts:
		return strings.Join(v.Texts, " ")
	case TypeKey:
		return v.key.String()
	case TypeAddr:
		return v.Addr.String()
	case TypeHash:
		return hex.EncodeToString(v.hash[:])
	case TypeAttributes:
		var b []byte
		for i, a := range v.Attributes {
			if i > 0 {
				b = append(b, ' ')
			}
			b = append(append(append(b, a.Name...), '='), a.String()...)
		}
		return string(b)
	}
	return ""
}
