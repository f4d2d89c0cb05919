package sigma

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Kind says what a Value holds.
type Kind uint8

// The kinds of values. Absent is the zero Value.
const (
	Absent Kind = iota
	Null
	Text
	Int
	Time // Int holds µs UTC
	Addr
	List
)

// Value is one field of a record. It refers into the record and costs no allocation; a number or an
// address becomes text only when a rule asks for text.
type Value struct {
	Kind Kind
	Text string
	Int  int64
	Addr netip.Addr
	List []string
}

// TextValue is a present text, which may be empty.
func TextValue(s string) Value { return Value{Kind: Text, Text: s} }

// String gives the value as rules see it.
func (v Value) String() string {
	switch v.Kind {
	case Text:
		return v.Text
	case Int:
		return strconv.FormatInt(v.Int, 10)
	case Time:
		return time.UnixMicro(v.Int).UTC().Format("2006-01-02T15:04:05.000000Z")
	case Addr:
		return v.Addr.String()
	case List:
		return strings.Join(v.List, " ")
	case Absent, Null:
	}
	return ""
}

// Record is what rules judge: a log source and fields by name. Lookup must answer the same for the
// same name as long as the record is being judged.
type Record interface {
	LogSources() []LogSource // one record may stand in several categories
	Lookup(field string) Value
	Each(yield func(field string, v Value) bool)
}
