//go:build duckdb && duckdb_arrow

package eventstore_test

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/eventstore/segment"
	"github.com/yagura-edr/yagura/internal/stream"
)

// benchEvents is how many events TestMeasure stores: YAGURA_MEASURE=N.
func benchEvents(t testing.TB) int {
	n, err := strconv.Atoi(os.Getenv("YAGURA_MEASURE"))
	if err != nil || n <= 0 {
		t.Skip("a measurement, not a test: set YAGURA_MEASURE to a number of events")
	}
	return n
}

// load appends n events of 20 hosts in batches of 500 as fast as the log takes them.
func (s *server) load(n int) (size int) {
	s.t.Helper()
	f := newFleet(8123)
	var senders []*sender
	for h := range 20 {
		senders = append(senders, newSender(tenantA, h))
	}
	for i := 0; i < n; i += 500 {
		h := f.r.IntN(len(senders))
		events := make([]*event.Event, min(500, n-i))
		for j := range events {
			events[j] = f.next(h)
		}
		b, _, err := senders[h].batches(events)
		if err != nil {
			s.t.Fatal(err)
		}
		for k := range b {
			size += len(b[k].Content)
		}
		if _, err := s.log.Append(s.t.Context(), stream.ShardOf(senders[h].host), b); err != nil {
			s.t.Fatal(err)
		}
	}
	return size
}

// TestMeasure prints what docs/benchmarks.md quotes: run it alone, on a quiet machine.
func TestMeasure(t *testing.T) {
	n := benchEvents(t)
	dir := t.TempDir()
	s := start(t, dir, func(o *eventstore.Options) { o.HotEvery, o.SealRows = time.Second, 50_000 })
	began := time.Now()
	size := s.load(n)
	t.Logf("appended %d events in %v, %.1f B/event in the log", n, time.Since(began), float64(size)/float64(n))
	s.settle()
	t.Logf("searchable after %v", time.Since(began))
	began = time.Now()
	if err := s.store.SealNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	st, err := s.store.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("rest sealed in %v: %d segments, %d rows, %.1f B/event", time.Since(began), st.Segments, st.Rows, st.BytesPerEvent())
	for range 2 {
		began = time.Now()
		merges, err := s.store.Compact(t.Context(), time.Unix(4_000_000_000, 0))
		if err != nil {
			t.Fatal(err)
		}
		if st, err = s.store.Stats(t.Context()); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		t.Logf("%d merges in %v (%.0f rows/s): %d segments, %.1f B/event", merges, took, float64(st.Rows)/took.Seconds(), st.Segments, st.BytesPerEvent())
	}
	groups := map[string][2]int64{}
	files, _ := s.db.Segments(t.Context())
	for _, f := range files {
		g := groups[f.Group]
		groups[f.Group] = [2]int64{g[0] + f.Rows, g[1] + f.Bytes}
	}
	for g, v := range groups {
		t.Logf("group %s: %d rows, %.1f B/event", g, v[0], float64(v[1])/float64(v[0]))
	}
	ask := func(name string, q eventstore.Query) eventstore.Events {
		var best, worst time.Duration
		before := workerTicks(t)
		var a eventstore.Events
		for range 10 {
			began := time.Now()
			a = s.find(q)
			took := time.Since(began)
			if best == 0 || took < best {
				best = took
			}
			worst = max(worst, took)
		}
		t.Logf("%s: %d events, best %v, worst %v of 10; %d ms of CPU each", name, len(a.Events), best, worst, workerTicks(t)-before)
		return a
	}
	all := ask("newest 100 of the tenant", eventstore.Query{Tenant: tenantA, Limit: 100})
	last := all.Events[0]
	ask("host, newest 100", eventstore.Query{Tenant: tenantA, Host: last.ID.Host, Limit: 100})
	ask("host, newest 10000", eventstore.Query{Tenant: tenantA, Host: last.ID.Host, Limit: 10000})
	ask("one id", eventstore.Query{Tenant: tenantA, IDs: []event.ID{last.ID}})
	ask("process", eventstore.Query{Tenant: tenantA, Host: last.ID.Host, Process: last.Event.Actor.Key})
	began = time.Now()
	tree, err := s.store.Tree(t.Context(), tenantA, event.Ref{Host: last.ID.Host, Key: last.Event.Parent.Key}, 0, 0)
	t.Logf("tree: %d processes, %v, %v", len(tree.Nodes), time.Since(began), err)
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	t.Logf("server's heap %d MiB", mem.HeapInuse>>20)

	s.stop()
	began = time.Now()
	s = start(t, dir, nil)
	t.Logf("restart with an unsealed rest of 0: %v", time.Since(began))
}

// workerTicks gives the CPU time that living workers have used, in units of 10 ms.
func workerTicks(t *testing.T) (ticks int) {
	for _, pid := range children(t) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 13 {
			user, _ := strconv.Atoi(f[11])
			system, _ := strconv.Atoi(f[12])
			ticks += user + system
		}
	}
	return ticks
}

// cpuTime is what this process has used; on a busy machine it says more than the clock.
func cpuTime() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkSegment writes 50,000 events of one shard as a seal does: decode, sort, Parquet, fsync.
func BenchmarkSegment(b *testing.B) {
	f := newFleet(8123)
	s := newSender(tenantA, 1)
	var records []eventstore.Entry
	plain := 0
	for i := range 100 {
		events := make([]*event.Event, 500)
		for j := range events {
			events[j] = f.next(1)
		}
		x, _, err := s.batches(events)
		if err != nil {
			b.Fatal(err)
		}
		records = append(records, eventstore.Entry{Record: uint64(i + 1), Batches: x})
		if i == 0 {
			for _, e := range events {
				j, _ := json.Marshal(e)
				plain += len(j)
			}
		}
	}
	b.ReportMetric(float64(plain)/500, "json-B/event")
	var size int64
	n := 0
	used := cpuTime()
	for b.Loop() {
		w := segment.NewBuilder()
		for _, r := range records {
			w.Add(r)
		}
		files, err := w.WriteSegments(b.TempDir(), fmt.Sprint("bench", n))
		if err != nil {
			b.Fatal(err)
		}
		n++
		size = 0
		for _, x := range files {
			size += x.Bytes
		}
	}
	b.ReportMetric(float64(n*50_000)/(cpuTime()-used).Seconds(), "rows/cpu-s")
	b.ReportMetric(float64(size)/50_000, "B/event")
}
