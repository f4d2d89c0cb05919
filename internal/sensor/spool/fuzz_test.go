package spool

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// FuzzWalk feeds a damaged file: whatever it holds, the walk ends, stays inside and gives each byte once.
func FuzzWalk(f *testing.F) {
	h := header{lane: 1, stream: 2, first: 3, count: 4, size: 5}
	one := append(h.append(nil), "12345"...)
	f.Add(append(append([]byte("xx"), one...), one...))
	f.Add(one[:len(one)-1])
	f.Add([]byte("YSP1YSP1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, holes, err := walk(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		at := int64(-1)
		for _, r := range records {
			if r.at <= at || r.at+headerSize > int64(len(b)) {
				t.Fatalf("record at %d after %d of %d bytes", r.at, at, len(b))
			}
			at = r.at
		}
		for _, h := range holes {
			if h[0] >= h[1] || h[1] > int64(len(b)) {
				t.Fatalf("hole %v of %d bytes", h, len(b))
			}
		}
	})
}

// FuzzName feeds file names that someone else put into the folder.
func FuzzName(f *testing.F) {
	f.Add(rangeName(2, 1<<63, 1, 9))
	f.Add("0-1-2")
	f.Fuzz(func(t *testing.T, s string) {
		if lane, stream, n, ok := parseName(s); ok && (n.First == 0 || n.Last < n.First) {
			t.Errorf("parseName(%q) = %d %d %v", s, lane, stream, n)
		}
	})
}

// FuzzTally feeds a tally that someone else wrote: it is refused, or its numbers are ones a sensor can reach.
func FuzzTally(f *testing.F) {
	good := newTally(7)
	f.Add(good)
	f.Add(good[:tallyBytes])
	f.Add(good[:tallyBytes-1])
	f.Add(append(good[:tallyHead:tallyHead], bytes.Repeat([]byte{0xff}, 48)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		stream, last, err := parseTally(b)
		for l, n := range last {
			if n > maxTally {
				t.Errorf("lane %d gave out %d", l, n)
			}
		}
		if err == nil && (len(b) < tallyBytes || string(b[:4]) != tallyMark) {
			t.Errorf("stream %x read from %d bytes", stream, len(b))
		}
	})
}

// TestATornNumberIsTheNewer: a kill between the two stores of note.
func TestATornNumberIsTheNewer(t *testing.T) {
	b := newTally(1)
	binary.LittleEndian.PutUint64(b[tallyHead:], 1000)
	binary.LittleEndian.PutUint64(b[tallyHead+8:], ^uint64(999))
	if _, last, err := parseTally(b); err != nil || last[0] != 1000 {
		t.Errorf("parseTally of a torn number = %v, %v; want 1000", last, err)
	}
}

// BenchmarkNote is what the tally adds to every event.
func BenchmarkNote(b *testing.B) {
	t, err := makeTally(b.TempDir(), 1)
	if err != nil {
		b.Fatal(err)
	}
	s := t.slot(1)
	b.ReportAllocs()
	for n := uint64(1); b.Loop(); n++ {
		if !s.note(n) {
			b.Fatal("the mapping is gone")
		}
	}
}
