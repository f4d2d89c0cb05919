package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// MaxAttributes bounds the attributes of one event: the widest record of Windows has about sixty, one of auditd a hundred.
const MaxAttributes = 256

// AttributeType says what the value of an attribute is.
type AttributeType uint8

// The types of attributes. What is none of these is text.
const (
	AttributeText AttributeType = iota + 1
	AttributeInt
	AttributeBool
)

// Attribute is a field of a log record that the registry has no field for, under the name that its log gives it.
type Attribute struct {
	Name string
	Type AttributeType
	Text string // AttributeText
	Int  int64  // AttributeInt; AttributeBool as 0 or 1
}

// TextAttribute makes a text.
func TextAttribute(name, text string) Attribute {
	return Attribute{Name: name, Type: AttributeText, Text: text}
}

// IntAttribute makes a whole number.
func IntAttribute(name string, n int64) Attribute {
	return Attribute{Name: name, Type: AttributeInt, Int: n}
}

// BoolAttribute makes a truth.
func BoolAttribute(name string, b bool) Attribute {
	a := Attribute{Name: name, Type: AttributeBool}
	if b {
		a.Int = 1
	}
	return a
}

// String gives the value as rules and people see it.
func (a Attribute) String() string {
	switch a.Type {
	case AttributeInt:
		return strconv.FormatInt(a.Int, 10)
	case AttributeBool:
		return strconv.FormatBool(a.Int != 0)
	case AttributeText:
	}
	return a.Text
}

// The numbers of message Attribute in event.proto.
const (
	attributeName = iota + 1
	attributeText
	attributeInt
	attributeBool
)

// Append adds the wire form, message Attribute of event.proto.
func (a Attribute) Append(b []byte) []byte {
	b = protowire.AppendString(protowire.AppendTag(b, attributeName, protowire.BytesType), a.Name)
	switch a.Type {
	case AttributeInt:
		return protowire.AppendVarint(protowire.AppendTag(b, attributeInt, protowire.VarintType), protowire.EncodeZigZag(a.Int))
	case AttributeBool:
		return protowire.AppendVarint(protowire.AppendTag(b, attributeBool, protowire.VarintType), uint64(a.Int))
	case AttributeText:
	}
	return protowire.AppendString(protowire.AppendTag(b, attributeText, protowire.BytesType), a.Text)
}

// ParseAttribute reads the wire form of one attribute. known is false for one that a newer version wrote, with a type
// that this one does not have: it is kept as it is, like a field that the registry does not know.
func ParseAttribute(b []byte) (a Attribute, known bool, err error) {
	named := false
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return a, false, fmt.Errorf("attribute: %w", ErrMalformed)
		}
		b = b[n:]
		switch {
		case num == attributeName && typ == protowire.BytesType && !named:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 || len(v) == 0 {
				return a, false, fmt.Errorf("attribute without a name: %w", ErrMalformed)
			}
			a.Name, named, b = string(v), true, b[n:]
		case num == attributeText && typ == protowire.BytesType && a.Type == 0:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return a, false, fmt.Errorf("attribute: %w", ErrMalformed)
			}
			a.Type, a.Text, b = AttributeText, string(v), b[n:]
		case (num == attributeInt || num == attributeBool) && typ == protowire.VarintType && a.Type == 0:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 || num == attributeBool && v > 1 {
				return a, false, fmt.Errorf("attribute: %w", ErrMalformed)
			}
			a.Type, a.Int, b = AttributeInt, protowire.DecodeZigZag(v), b[n:]
			if num == attributeBool {
				a.Type, a.Int = AttributeBool, int64(v)
			}
		default:
			return a, false, nil
		}
	}
	if !named || a.Type == 0 {
		return a, false, nil
	}
	return a, true, nil
}

// Attribute gives the attribute of a name. A log that names one twice means the first.
func (e *Event) Attribute(name string) (Attribute, bool) {
	for _, a := range e.Attributes {
		if a.Name == name {
			return a, true
		}
	}
	return Attribute{}, false
}

// textified gives the attribute with its texts in Text form, and untextified as the host had them.
func (a Attribute) textified() Attribute {
	a.Name, a.Text = Text(a.Name), Text(a.Text)
	return a
}

func (a Attribute) untextified() Attribute {
	a.Name, a.Text = string(Bytes(a.Name)), string(Bytes(a.Text))
	return a
}

// AppendAttributeJSON adds one attribute, whose texts are in Text form, as a member of a JSON object, `"LogonType":3`: the
// form of recordings and of the store.
func AppendAttributeJSON(b []byte, a Attribute) []byte {
	b = append(appendString(b, a.Name), ':')
	if a.Type == AttributeText {
		return appendString(b, a.Text)
	}
	return append(b, a.String()...)
}

// ParseAttributesJSON reads an object that AppendAttributeJSON wrote the members of, in their order. A value that is a
// number beyond int64, an object or a list is taken as the text that it is; null is absent.
func ParseAttributesJSON(object []byte) ([]Attribute, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("want an object of names and values")
	}
	var out []Attribute
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if name == "" {
			return nil, errors.New("an attribute has no name")
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("%.80q: %w", name, err)
		}
		if len(out) == MaxAttributes {
			return nil, fmt.Errorf("more than %d attributes: %w", MaxAttributes, ErrTooBig)
		}
		if a, ok := attributeOf(name, raw); ok {
			out = append(out, a)
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return out, nil
}

func attributeOf(name string, raw json.RawMessage) (Attribute, bool) {
	switch text := strings.TrimSpace(string(raw)); text {
	case "null":
		return Attribute{}, false
	case "true", "false":
		return BoolAttribute(name, text == "true"), true
	default:
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return TextAttribute(name, s), true
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return IntAttribute(name, n), true
		}
		return TextAttribute(name, text), true
	}
}
