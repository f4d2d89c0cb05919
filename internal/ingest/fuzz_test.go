package ingest

import (
	"errors"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/stream"
)

// FuzzOpenBatch feeds bytes of a hostile sensor through the whole way to the log: they are poison, or
// what comes out can be read back by every reader of the log.
func FuzzOpenBatch(f *testing.F) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	good := event.AppendBatch(nil, []*event.Event{{Kind: event.ProcessExec, Actor: event.Process{CommandLine: "sh -c \xff\xfe", Path: "/bin/sh"}, Ancestors: []string{"\x80"}}, {Kind: 4000, BootNS: 1 << 63}})
	f.Add(enc.EncodeAll(good, nil), uint16(2))
	f.Add(enc.EncodeAll(good[:len(good)-3], nil), uint16(2))
	f.Add(enc.EncodeAll(make([]byte, 5<<20), nil), uint16(1))
	f.Add([]byte("(\xb5/\xfd\xe4\xff\xff\xff\xff\xff\xff\xff\x7f"), uint16(1)) // says that it is 2^63 bytes
	f.Add([]byte{}, uint16(0))
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(event.MaxBatchExpanded), zstd.WithDecoderLowmem(true))
	if err != nil {
		f.Fatal(err)
	}
	s := &Service{zstd: d}
	f.Fuzz(func(t *testing.T, content []byte, count uint16) {
		events, err := s.open(content, int(count))
		if err != nil {
			if _, ok := errors.AsType[*poison](err); !ok {
				t.Fatalf("open: %v is not poison", err)
			}
			return
		}
		if len(events) == 0 {
			return
		}
		for _, e := range events {
			e.Textify()
		}
		received := stamp(events, 1_700_000_000_000_000, newClock(1_600_000_000_000_000))
		batches, err := pack(stream.Batch{Stream: 1, Received: received}, events, 1)
		if err != nil {
			t.Fatalf("pack: %v", err)
		}
		next := uint64(1)
		for i := range batches {
			if batches[i].First != next || len(batches[i].Content) > stream.MaxContentBytes {
				t.Fatalf("batch %d begins with %d, want %d; %d bytes", i, batches[i].First, next, len(batches[i].Content))
			}
			got, err := batches[i].Events()
			if err != nil {
				t.Fatalf("read back: %v", err)
			}
			next += uint64(len(got))
			for _, e := range got {
				if e.Event.Time > e.Event.Received {
					t.Fatalf("time %d after received %d", e.Event.Time, e.Event.Received)
				}
			}
		}
		if next != uint64(len(events))+1 {
			t.Fatalf("%d events came back of %d", next-1, len(events))
		}
	})
}
