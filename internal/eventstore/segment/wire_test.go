package segment

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/yagura-edr/yagura/internal/event"
)

// FuzzRead: what is written to a file without being decoded can be decoded by whoever queries it, with the times that
// the file is sorted by.
func FuzzRead(f *testing.F) {
	whole := event.Event{
		Kind: event.ProcessExec, OS: event.Linux, BootNS: 7, Time: -5, Received: 9, Ancestors: []string{"/sbin/init", "/usr/bin/dash"},
		Actor: event.Process{Key: event.LinuxKey(1, 2, 3), Path: "/usr/bin/true", SHA256: [32]byte{1}},
	}
	f.Add(whole.Append(nil))
	long := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1<<40)
	f.Add(long)
	f.Add(protowire.AppendBytes(protowire.AppendTag(nil, 100, protowire.BytesType), []byte("short key")))
	f.Add(protowire.AppendBytes(protowire.AppendTag(nil, 32, protowire.BytesType), []byte("12345")))
	f.Add(protowire.AppendFixed64(protowire.AppendTag(nil, 3, protowire.Fixed64Type), 1))
	var many []byte
	for range event.MaxTexts + 1 {
		many = protowire.AppendString(protowire.AppendTag(many, 9, protowire.BytesType), "x")
	}
	f.Add(many)
	fields := newTable()
	f.Fuzz(func(t *testing.T, wire []byte) {
		r := row{wire: wire}
		if fields.read(&r) != nil {
			return
		}
		var e event.Event
		if err := e.Decode(wire); err != nil {
			t.Fatalf("read takes what Decode refuses: %v", err)
		}
		if e.Kind != r.kind || e.Time != r.time || e.Received != r.received || e.BootNS != r.bootNS {
			t.Errorf("read: kind %d time %d received %d boot %d; Decode: %d %d %d %d", r.kind, r.time, r.received, r.bootNS, e.Kind, e.Time, e.Received, e.BootNS)
		}
	})
}
