package event_test

import (
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
)

// FuzzSplitBatch: a batch is split exactly as it is decoded. What DecodeBatch takes, SplitBatch takes; each part decodes
// alone to the same event; what cannot be split cannot be decoded.
func FuzzSplitBatch(f *testing.F) {
	f.Add(event.AppendBatch(nil, []*event.Event{{Kind: event.ProcessExec, OS: event.Linux, Time: 5}, {Kind: event.FileCreate, File: event.File{Path: "/tmp/a"}}}))
	f.Add([]byte{})
	f.Add([]byte{5, 1})
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		parts, err := event.SplitBatch(b)
		whole, derr := event.DecodeBatch(b)
		if derr == nil && err != nil {
			t.Fatalf("SplitBatch refuses what DecodeBatch takes: %v", err)
		}
		if derr != nil {
			return
		}
		if len(parts) != len(whole) {
			t.Fatalf("SplitBatch gives %d parts of %d events", len(parts), len(whole))
		}
		for i, p := range parts {
			var e event.Event
			if err := e.Decode(p); err != nil {
				t.Fatalf("part %d: %v", i, err)
			}
			if string(e.Append(nil)) != string(whole[i].Append(nil)) {
				t.Errorf("part %d is another event", i)
			}
		}
	})
}
