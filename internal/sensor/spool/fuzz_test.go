package spool

import (
	"bytes"
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
		if lane, stream, n, ok := parseName(s); ok && (n.from == 0 || n.to < n.from) {
			t.Errorf("parseName(%q) = %d %d %v", s, lane, stream, n)
		}
	})
}
