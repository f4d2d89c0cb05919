package ingest_test

import (
	"fmt"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"pgregory.net/rapid"

	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
)

// TestWhateverTheOrderEachEventIsStoredOnce delivers random pieces of a sensor's sequence, some at the
// same time, some again, over restarts of the server, and holds the watermark against a plain set.
func TestWhateverTheOrderEachEventIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	round := uint64(0)
	rapid.Check(t, func(rt *rapid.T) {
		if round++; round%32 == 0 {
			x = s.enrol(t) // one host may not begin so many streams
		}
		x.stream = round
		have := map[uint64]bool{}
		for range rapid.IntRange(1, 8).Draw(rt, "bursts") {
			var wg sync.WaitGroup
			for range rapid.IntRange(1, 4).Draw(rt, "at once") {
				first := rapid.Uint64Range(1, 60).Draw(rt, "first")
				n := rapid.IntRange(1, 25).Draw(rt, "count")
				for i := range n {
					have[first+uint64(i)] = true
				}
				m := x.batch(t, event.Bulk, first, made(first, n))
				for range rapid.IntRange(1, 3).Draw(rt, "times") {
					wg.Go(func() {
						if _, err := x.Upload(t.Context(), connect.NewRequest(m)); err != nil {
							t.Error(err)
						}
					})
				}
			}
			wg.Wait()
			through := uint64(0)
			for have[through+1] {
				through++
			}
			r, err := x.Report(t.Context(), connect.NewRequest(&sensorv1.ReportRequest{Produced: []*sensorv1.StreamState{{Stream: x.stream, Lane: uint32(event.Bulk)}}}))
			if err != nil {
				rt.Fatal(err)
			}
			if w := r.Msg.Watermarks[0]; w.AcceptedThrough != through {
				rt.Fatalf("accepted through %d; want %d of %v", w.AcceptedThrough, through, have)
			}
		}
	})
	got := map[uint64]int{}
	for id, e := range s.stored(t) { // fails on its own when an id is there twice
		got[id.Stream]++
		if want := fmt.Sprintf("true %d", id.Seq); e.Actor.CommandLine != want {
			t.Errorf("event %s says %q; want %q", id, e.Actor.CommandLine, want)
		}
	}
	s.stop()
	s.open(t, 64<<20)
	if again := s.stored(t); len(again) == 0 {
		t.Error("nothing left after a restart")
	}
}
