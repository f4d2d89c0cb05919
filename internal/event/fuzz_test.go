package event_test

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/yagura-edr/yagura/internal/event"
)

// FuzzDecode: bytes from a host under attack. What is accepted is the same event after a second trip,
// keeps its unknown fields, and survives Textify and every reader of its values.
func FuzzDecode(f *testing.F) {
	f.Add(linuxExec().Append(nil))
	f.Add(macConnect().Append(nil))
	f.Add([]byte{0x83, 0xfa, 0x01, 0x08, 0x01, 0x84, 0xfa, 0x01}) // an unknown group
	f.Add([]byte{0x08, 0x81, 0x80, 0x04})                         // kind 65537
	f.Add(bytes.Repeat([]byte{0xd2, 0x02, 0x00}, 65))             // 65 empty answers
	f.Add(logRecord().Append(nil))
	f.Add([]byte{0xea, 0x04, 0x05, 0x0a, 0x01, 'n', 0x29, 0x00}) // an attribute with a value of a type to come
	f.Fuzz(func(t *testing.T, b []byte) {
		var e event.Event
		if e.Decode(b) != nil {
			return
		}
		once := e.Append(nil)
		var again event.Event
		if err := again.Decode(once); err != nil {
			t.Fatalf("own bytes refused: %v", err)
		}
		if !reflect.DeepEqual(e, again) {
			t.Fatalf("second trip differs:\n%+v\n%+v", e, again)
		}
		if !bytes.Equal(once, again.Append(nil)) {
			t.Fatalf("encoding is not stable")
		}
		e.Textify()
		for n := range event.Number(400) {
			if s := e.Value(n).String(); !utf8.ValidString(s) {
				t.Fatalf("field %d is not UTF-8 after Textify: %q", n, s)
			}
		}
		if len(b) <= event.MaxEventBytes {
			if err := again.Decode(e.Append(nil)); err != nil {
				t.Fatalf("after Textify: %v", err)
			}
		}
	})
}

func FuzzDecodeBatch(f *testing.F) {
	f.Add(event.AppendBatch(nil, []*event.Event{linuxExec(), macConnect()}))
	f.Add([]byte{0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		events, err := event.DecodeSensorBatch(b)
		if err != nil {
			return
		}
		again, err := event.DecodeBatch(event.AppendBatch(nil, events))
		if err != nil || !reflect.DeepEqual(events, again) {
			t.Fatalf("second trip: %v", err)
		}
	})
}

func FuzzText(f *testing.F) {
	for _, s := range hostStrings {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		text := event.Text(string(b))
		if !utf8.ValidString(text) {
			t.Fatalf("Text(%q) is not UTF-8", b)
		}
		if back := event.Bytes(text); !bytes.Equal(back, b) {
			t.Fatalf("Bytes(Text(%q)) = %q", b, back)
		}
		if len(text) > 4*len(b) {
			t.Fatalf("Text made %d bytes of %d; readers allow four times", len(text), len(b))
		}
		shown := event.Show(text)
		if !utf8.ValidString(shown) {
			t.Fatalf("Show(%q) is not UTF-8", text)
		}
		for _, r := range shown {
			if r < 0x20 || r >= 0x7F && r < 0xA0 || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 {
				t.Fatalf("Show(%q) lets U+%04X through", text, r)
			}
		}
	})
}

// FuzzTextUTF16: the bytes given back are the WTF-8 of the code units, so the code units can be told from them.
func FuzzTextUTF16(f *testing.F) {
	f.Add([]byte{0x42, 0xD8, 0xB7, 0xDF})
	f.Add([]byte{0x42, 0xD8})
	f.Add([]byte{0xFF, 0xDB, 0x80, 0xDE})
	f.Fuzz(func(t *testing.T, b []byte) {
		u := make([]uint16, len(b)/2)
		for i := range u {
			u[i] = binary.LittleEndian.Uint16(b[2*i:])
		}
		text := event.TextUTF16(u)
		if !utf8.ValidString(text) {
			t.Fatalf("TextUTF16(%04x) is not UTF-8", u)
		}
		if back := fromWTF8(event.Bytes(text)); !reflect.DeepEqual(back, u) && len(u) > 0 {
			t.Fatalf("TextUTF16(%04x) gives back %04x", u, back)
		}
	})
}

// fromWTF8 reads generalised UTF-8 back into UTF-16 code units.
func fromWTF8(b []byte) (u []uint16) {
	for len(b) > 0 {
		if len(b) >= 3 && b[0] == 0xED && b[1] >= 0xA0 {
			u = append(u, uint16(b[0]&0xF)<<12|uint16(b[1]&0x3F)<<6|uint16(b[2]&0x3F))
			b = b[3:]
			continue
		}
		r, n := utf8.DecodeRune(b)
		u = append(u, u16(string(r))...)
		b = b[n:]
	}
	return u
}

func FuzzParse(f *testing.F) {
	f.Add(event.ID{Host: goldenHost, Stream: 1, Lane: event.Bulk, Seq: 3}.String())
	f.Add(event.Ref{Host: goldenHost, Key: event.LinuxKey(1, 2, 3)}.String())
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := event.ParseID(s); err == nil && id.String() != s {
			t.Fatalf("ParseID(%q).String() = %q", s, id)
		}
		if ref, err := event.ParseRef(s); err == nil && ref.String() != s {
			t.Fatalf("ParseRef(%q).String() = %q", s, ref)
		}
	})
}
