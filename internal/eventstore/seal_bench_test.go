//go:build duckdb && duckdb_arrow

package eventstore_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
)

// BenchmarkSeal seals 20,000 events through a worker that stands ready: what confinement costs at work.
func BenchmarkSeal(b *testing.B) {
	s := start(b, b.TempDir(), nil)
	x := newSender(tenantA, 1)
	events := make([]*event.Event, 50)
	for i := range events {
		events[i] = &event.Event{Kind: event.NetConnect, Actor: event.Process{PID: uint64(i), Path: "/usr/bin/curl", CommandLine: "curl https://example.org/"}}
	}
	for b.Loop() {
		b.StopTimer()
		for range 400 {
			s.send(x, events...)
		}
		s.settle()
		b.StartTimer()
		if err := s.store.SealNow(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(20_000*b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkWorkerStart kills the query worker and asks one question: start, greeting and answer.
func BenchmarkWorkerStart(b *testing.B) {
	s := start(b, b.TempDir(), nil)
	s.send(newSender(tenantA, 1), full())
	s.seal()
	s.find(eventstore.Query{Tenant: tenantA})
	for b.Loop() {
		b.StopTimer()
		for _, pid := range children(b) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		b.StartTimer()
		s.find(eventstore.Query{Tenant: tenantA})
	}
}
