package event

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/yagura-edr/yagura/internal/event/registry"
)

// MaxJSONLine bounds one line of a recording: a control character is six bytes in JSON, an invalid byte
// four, and the names of the fields come on top.
const MaxJSONLine = 8 * MaxEventBytes

// JSON gives the event as one JSON object whose keys are the registry's field names, in order of number:
// the form of `yagura-sensor watch` and of recordings. Absent fields are left out, kind and os are
// names, texts stand in Text form. Extra is left out.
func (e *Event) JSON() []byte {
	b := append(make([]byte, 0, 2<<10), '{')
	key := func(name string) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), '"', ':')
	}
	for _, f := range registry.Fields() {
		v := e.Value(Number(f.Number))
		if !v.Set {
			continue
		}
		key(f.Name)
		switch {
		case f.Name == "kind":
			b = appendString(b, e.Kind.String())
		case f.Name == "os":
			b = appendString(b, e.OS.String())
		case f.Type == TypeUint:
			b = strconv.AppendUint(b, v.Uint, 10)
		case f.Type == TypeInt:
			b = strconv.AppendInt(b, int64(v.Uint), 10)
		case f.Type == TypeBool:
			b = strconv.AppendBool(b, v.Uint != 0)
		case f.Type == TypeTexts:
			b = append(b, '[')
			for i, t := range v.Texts {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendString(b, Text(t))
			}
			b = append(b, ']')
		case f.Type == TypeText:
			b = appendString(b, Text(v.Text))
		case f.Type == TypeAttributes:
			b = append(b, '{')
			for i, a := range v.Attributes {
				if i > 0 {
					b = append(b, ',')
				}
				b = AppendAttributeJSON(b, a.textified())
			}
			b = append(b, '}')
		default:
			b = appendString(b, v.String())
		}
	}
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	q, err := json.Marshal(s)
	if err != nil { // a string always marshals
		panic(err)
	}
	return append(b, q...)
}

// FromJSON reads what JSON wrote: the strings come back as the bytes that the host had, so that a
// recording takes the same way through ingest as the events did. An unknown key, a wrong type or a line over MaxJSONLine is an error
// that names the key; null is absent.
func FromJSON(line []byte) (*Event, error) {
	if len(line) > MaxJSONLine {
		return nil, fmt.Errorf("line of %d bytes: %w", len(line), ErrTooBig)
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(line, &m); err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	// The fields go through the wire form, so that one decoder holds every bound.
	var wire []byte
	for _, f := range registry.Fields() {
		raw, ok := m[f.Name]
		if !ok {
			continue
		}
		delete(m, f.Name)
		if string(raw) == "null" {
			continue // absent, as other programs write it
		}
		var err error
		if wire, err = appendJSONField(wire, f, raw); err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	for name := range m {
		return nil, fmt.Errorf("unknown field %q: docs/events.md lists the names", name)
	}
	e := new(Event)
	if err := e.Decode(wire); err != nil {
		return nil, err
	}
	return e, nil
}

func appendJSONField(b []byte, f registry.Field, raw json.RawMessage) ([]byte, error) {
	num := protowire.Number(f.Number)
	varint := func(v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
	}
	bytes := func(v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
	}
	switch f.Type {
	case TypeUint:
		if len(raw) > 0 && raw[0] == '"' {
			return appendNamed(varint, f.Name, raw)
		}
		v, err := strconv.ParseUint(string(raw), 10, 64)
		if err != nil {
			return nil, notNumber(f, raw)
		}
		return varint(v), nil
	case TypeInt:
		v, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return nil, notNumber(f, raw)
		}
		return varint(protowire.EncodeZigZag(v)), nil
	case TypeBool:
		switch string(raw) {
		case "true":
			return varint(1), nil
		case "false":
			return b, nil
		}
		return nil, fmt.Errorf("%.40s is neither true nor false", raw)
	case TypeTexts:
		var list []string
		if err := json.Unmarshal(raw, &list); err != nil {
			return b, err
		}
		for _, s := range list {
			b = bytes(Bytes(s))
		}
		return b, nil
	case TypeAttributes:
		list, err := ParseAttributesJSON(raw)
		for _, a := range list {
			b = bytes(a.untextified().Append(nil))
		}
		return b, err
	case TypeText, TypeKey, TypeAddr, TypeHash:
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return b, err
	}
	switch f.Type {
	case TypeKey:
		if s == "" {
			return b, nil
		}
		k, err := ParseKey(s)
		return bytes(k[:]), err
	case TypeHash:
		h, err := hex.DecodeString(s)
		return bytes(h), err
	case TypeAddr:
		a, err := netip.ParseAddr(s)
		return bytes(a.Unmap().AsSlice()), err
	default:
		return bytes(Bytes(s)), nil
	}
}

// notNumber says what a number is counted in: most who write one as text meant a time.
func notNumber(f registry.Field, raw json.RawMessage) error {
	if f.Unit != "" {
		return fmt.Errorf("%.40s is no whole number (%s)", raw, f.Unit)
	}
	return fmt.Errorf("%.40s is no whole number", raw)
}

// appendNamed reads the two numbers that JSON writes as names.
func appendNamed(varint func(uint64) []byte, field string, raw json.RawMessage) ([]byte, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	switch field {
	case "kind":
		if k, ok := ParseKind(s); ok {
			return varint(uint64(k)), nil
		}
		return nil, fmt.Errorf("unknown kind %q: docs/events.md lists the kinds", s)
	case "os":
		for _, o := range []OS{Linux, Windows, MacOS} {
			if o.String() == s {
				return varint(uint64(o)), nil
			}
		}
		return nil, fmt.Errorf("unknown os %q: linux, windows or macos", s)
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil || v > math.MaxInt64 {
		return nil, fmt.Errorf("%q is no number", s)
	}
	return varint(v), nil
}
