package stream_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 20).Draw(t, "batches")
		in := make([]stream.Batch, n)
		for i := range in {
			in[i] = stream.Batch{
				Tenant: tenant.ID(rapid.Custom(drawUUID).Draw(t, "tenant")), Host: event.HostID(rapid.Custom(drawUUID).Draw(t, "host")),
				Stream: rapid.Uint64().Draw(t, "stream"), Lane: event.Lane(rapid.IntRange(0, 2).Draw(t, "lane")),
				First: rapid.Uint64Range(1, 1<<62).Draw(t, "first"), Count: rapid.IntRange(0, event.MaxBatchEvents).Draw(t, "count"),
				Received: rapid.Int64().Draw(t, "received"), Content: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "content"),
			}
		}
		b := stream.EncodeRecord(in)
		sum := 16
		for i := range in {
			sum += in[i].Size()
		}
		if len(b) > sum {
			t.Fatalf("record of %d bytes; Size promised at most %d", len(b), sum)
		}
		out, err := stream.DecodeRecord(b)
		if err != nil {
			t.Fatal(err)
		}
		if len(out) != len(in) {
			t.Fatalf("%d batches back; want %d", len(out), len(in))
		}
		for i := range in {
			if len(in[i].Content) == 0 {
				in[i].Content, out[i].Content = nil, nil
			}
			if !reflect.DeepEqual(in[i], out[i]) {
				t.Fatalf("batch %d = %+v; want %+v", i, out[i], in[i])
			}
		}
	})
}

func drawUUID(t *rapid.T) (u uuid.UUID) {
	copy(u[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
	return u
}

func TestEveryFlippedByteOfARecordIsFound(t *testing.T) {
	good := stream.EncodeRecord([]stream.Batch{{Host: event.HostID{3}, Stream: 1, First: 1, Count: 2, Content: []byte("abc")}})
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x10
		if _, err := stream.DecodeRecord(bad); !errors.Is(err, stream.ErrMalformed) {
			t.Errorf("record with byte %d flipped decodes: %v", i, err)
		}
	}
	for i := range good {
		if _, err := stream.DecodeRecord(good[:i]); !errors.Is(err, stream.ErrMalformed) {
			t.Errorf("record cut to %d bytes decodes: %v", i, err)
		}
	}
}

func TestTextOfInvalidBytesFitsTheLog(t *testing.T) {
	e := &event.Event{Kind: event.ProcessExec, Actor: event.Process{CommandLine: strings.Repeat("\xff", 60<<10)}}
	e.Textify()
	content, err := stream.Pack([]*event.Event{e})
	if err != nil {
		t.Fatal(err)
	}
	b := stream.Batch{First: 1, Count: 1, Content: content}
	got, err := b.Events()
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Event.Actor.CommandLine != e.Actor.CommandLine {
		t.Error("the command line changed on its way through the log")
	}
}

func TestBatchWithAnotherNumberOfEventsIsRefused(t *testing.T) {
	content, err := stream.Pack([]*event.Event{{}, {}})
	if err != nil {
		t.Fatal(err)
	}
	b := stream.Batch{First: 1, Count: 3, Content: content}
	if _, err := b.Events(); !errors.Is(err, stream.ErrMalformed) {
		t.Errorf("Events of a batch of 2 that says 3 = %v; want ErrMalformed", err)
	}
}

func TestContentThatExpandsWithoutEndIsRefused(t *testing.T) {
	// 64 MiB of zeros in a few KiB.
	bomb := zstdOf(t, make([]byte, 64<<20))
	b := stream.Batch{First: 1, Count: 1, Content: bomb}
	if _, err := b.Events(); err == nil {
		t.Error("a batch that expands to 64 MiB was taken")
	}
}

func FuzzDecodeRecord(f *testing.F) {
	content, err := stream.Pack([]*event.Event{{Kind: event.ProcessExec, Actor: event.Process{Path: "/bin/sh"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stream.EncodeRecord(nil))
	f.Add(stream.EncodeRecord([]stream.Batch{{First: 1, Count: 1, Content: content}}))
	f.Add([]byte("YGLR\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := stream.DecodeRecord(b)
		if err != nil {
			return
		}
		again, err := stream.DecodeRecord(stream.EncodeRecord(out))
		if err != nil || len(again) != len(out) {
			t.Fatalf("a record that decoded does not survive encoding: %v", err)
		}
		for i := range out {
			_, _ = out[i].Events()
		}
	})
}

func FuzzBatchEvents(f *testing.F) {
	content, err := stream.Pack([]*event.Event{{Kind: event.DNSQuery, Query: "a.example"}, {Kind: event.ProcessExit}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content, 2)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, content []byte, count int) {
		b := stream.Batch{First: 1, Count: count, Content: content}
		events, err := b.Events()
		if err == nil && len(events) != count {
			t.Fatalf("%d events; the record said %d", len(events), count)
		}
	})
}
