//go:build duckdb && duckdb_arrow

package eventstore_test

import (
	"context"
	"reflect"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/eventstore/storetest"
)

// TestStoreAgreesWithASlice drives a store and a plain slice of events with the same steps: appends,
// seals, merges, restarts, queries. Every answer must be the slice's. rapid prints the seed of a failure.
func TestStoreAgreesWithASlice(t *testing.T) {
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > 6 {
			return // each run starts servers; the rest of rapid's runs would take minutes
		}
		s := start(t, t.TempDir(), func(o *eventstore.Options) { o.HotEvery, o.MergeFiles = 5*time.Millisecond, 2 })
		defer s.stop()
		var model []storetest.Owned
		senders := []*sender{newSender(tenantA, 1), newSender(tenantA, 2), newSender(tenantB, 3)}
		for range rapid.IntRange(6, 20).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"send", "send", "send", "seal", "merge", "restart", "find", "find"}).Draw(rt, "step") {
			case "send":
				x := rapid.SampledFrom(senders).Draw(rt, "sender")
				var events []*event.Event
				for range rapid.IntRange(1, 8).Draw(rt, "events") {
					events = append(events, drawEvent(rt))
				}
				for _, e := range s.send(x, events...) {
					model = append(model, storetest.Owned{Tenant: x.tenant, Stamped: e})
				}
			case "seal":
				s.seal()
			case "merge":
				if _, err := s.store.Compact(context.Background(), time.Now()); err != nil {
					rt.Fatal(err)
				}
			case "restart":
				s.stop()
				s = start(t, s.dir, func(o *eventstore.Options) { o.HotEvery, o.MergeFiles = 5*time.Millisecond, 2 })
			case "find":
				s.settle()
				q := drawQuery(rt, model)
				got, want := s.find(q), storetest.Find(model, q)
				if !reflect.DeepEqual(storetest.IDs(got.Events), storetest.IDs(want.Events)) || got.Truncated != want.Truncated {
					rt.Fatalf("query %+v\n got %v, truncated %v\nwant %v, truncated %v", q, storetest.IDs(got.Events), got.Truncated, storetest.IDs(want.Events), want.Truncated)
				}
				for i := range got.Events {
					if !reflect.DeepEqual(got.Events[i].Event, want.Events[i].Event) {
						rt.Fatalf("event %s\n got %+v\nwant %+v", got.Events[i].ID, got.Events[i].Event, want.Events[i].Event)
					}
				}
			}
		}
	})
}

// hardTexts are what hosts put into strings.
var hardTexts = []string{"", "/bin/sh", "\xff\xfe", "'; DROP TABLE x; --", "a\x00b", "日本語", "\xa4\xa2.exe", "\u202egnp.exe", "\U0010FE80", "\n\r\t", "%_\\"}

var modelTime int64 = 1_790_000_000_000_000

func drawEvent(t *rapid.T) *event.Event {
	text := rapid.SampledFrom(hardTexts)
	key := rapid.Custom(func(t *rapid.T) event.Key { return event.LinuxKey(rapid.Uint64Range(1, 4).Draw(t, "key"), 1, 1) })
	e := &event.Event{
		Kind: rapid.SampledFrom([]event.Kind{event.ProcessExec, event.ProcessExit, event.NetConnect, event.FileCreate, event.Dropped, 999}).Draw(t, "kind"),
		Time: modelTime + rapid.Int64Range(-3*86_400_000_000, 5).Draw(t, "time"), BootNS: rapid.Uint64Range(0, 3).Draw(t, "boot"),
		Actor: event.Process{Key: key.Draw(t, "actor"), Path: text.Draw(t, "path"), CommandLine: text.Draw(t, "cmd")}, Target: event.Process{Key: key.Draw(t, "target")},
		ExitCode: rapid.Int64().Draw(t, "exit"), BytesSent: rapid.Uint64().Draw(t, "sent"), Initiated: rapid.Bool().Draw(t, "initiated"),
		First: 1, // Last 0: an empty range
	}
	if n := rapid.IntRange(0, 3).Draw(t, "answers"); n > 0 { // no entries and no list are one thing
		e.Answers = rapid.SliceOfN(text, n, n).Draw(t, "answer")
	}
	return e
}

func drawQuery(t *rapid.T, model []storetest.Owned) eventstore.Query {
	q := eventstore.Query{Tenant: rapid.SampledFrom([]([16]byte){tenantA, tenantB}).Draw(t, "tenant"), Limit: rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "limit")}
	if rapid.Bool().Draw(t, "by host") {
		q.Host = host(rapid.IntRange(1, 3).Draw(t, "host"))
	}
	if rapid.Bool().Draw(t, "by kind") {
		q.Kinds = []event.Kind{event.ProcessExec, event.NetConnect}
	}
	if rapid.Bool().Draw(t, "by process") {
		q.Process = event.LinuxKey(rapid.Uint64Range(1, 5).Draw(t, "key"), 1, 1)
	}
	if rapid.Bool().Draw(t, "by time") {
		q.From = modelTime - rapid.Int64Range(0, 2*86_400_000_000).Draw(t, "from")
		q.To = q.From + rapid.Int64Range(0, 86_400_000_000).Draw(t, "for")
	}
	if len(model) > 0 && rapid.Bool().Draw(t, "by id") {
		for range rapid.IntRange(1, 4).Draw(t, "ids") {
			q.IDs = append(q.IDs, rapid.SampledFrom(model).Draw(t, "id").ID)
		}
	}
	return q
}

// TestARowIsSeenOnceWhileItIsSealedAndMerged reads while seals and merges run under the reader.
func TestARowIsSeenOnceWhileItIsSealedAndMerged(t *testing.T) {
	s := start(t, t.TempDir(), func(o *eventstore.Options) {
		o.HotEvery, o.SealEvery, o.TidyEvery, o.MergeFiles = 5*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond, 3
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var mu sync.Mutex // guards sent
	sent := 0
	x := newSender(tenantA, 1)
	wg.Go(func() {
		for ctx.Err() == nil {
			s.send(x, &event.Event{Kind: event.ProcessExec}, &event.Event{Kind: event.ProcessExit}, &event.Event{Kind: event.ProcessExec})
			mu.Lock()
			sent += 3
			mu.Unlock()
		}
	})
	seen := 0
	for until := time.Now().Add(4 * time.Second); time.Now().Before(until); {
		a := s.find(eventstore.Query{Tenant: tenantA, Limit: eventstore.MaxLimit})
		if a.Truncated {
			break
		}
		got := map[uint64]bool{}
		for _, e := range a.Events {
			if got[e.ID.Seq] {
				t.Fatalf("event %d is seen twice", e.ID.Seq)
			}
			got[e.ID.Seq] = true
		}
		for seq := 1; seq <= len(got); seq++ {
			if !got[uint64(seq)] {
				t.Fatalf("event %d is not seen, though %d are", seq, len(got))
			}
		}
		if len(got) < seen {
			t.Fatalf("%d events seen after %d", len(got), seen)
		}
		seen = len(got)
	}
	mu.Lock()
	defer mu.Unlock()
	if seen == 0 {
		t.Fatal("no event was ever seen")
	}
	st, err := s.store.Stats(t.Context())
	t.Logf("%d sent, %d seen last, %+v %v", sent, seen, st, err)
}
