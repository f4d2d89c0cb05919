package ingest_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
)

// TestStoredTimesHaveTheOrderOfTheBoot sends two lanes over real TLS after a greeting that took 200 ms, with
// heartbeats and a restart of the server between: cause stands before effect in the log.
func TestStoredTimesHaveTheOrderOfTheBoot(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	began := time.Now()
	boot := func() uint64 { return 1000e9 + uint64(time.Since(began)) }
	hello := func(late time.Duration) {
		t.Helper()
		if _, err := x.Hello(t.Context(), connect.NewRequest(&sensorv1.HelloRequest{Protocol: 1, Os: "linux", BootId: x.boot[:], BootNs: boot() - uint64(late), WallTime: time.Now().UnixMicro(), Stream: x.stream})); err != nil {
			t.Fatal(err)
		}
	}
	next := [2]uint64{1, 1}
	send := func(l event.Lane, ago ...time.Duration) {
		t.Helper()
		events := made(next[l], len(ago))
		for i, e := range events {
			e.BootNS = boot() - uint64(ago[i])
		}
		x.upload(t, x.batch(t, l, next[l], events))
		next[l] += uint64(len(ago))
	}
	hello(200 * time.Millisecond)
	ms := time.Millisecond
	for i := range 12 {
		send(event.Critical, 9*ms, 8*ms, 1*ms)
		send(event.Network, 40*ms, 12*ms, 3*ms)
		switch i {
		case 3, 9:
			if _, err := x.Report(t.Context(), connect.NewRequest(&sensorv1.ReportRequest{BootNs: boot(), WallTime: time.Now().UnixMicro(), Stream: x.stream})); err != nil {
				t.Fatal(err)
			}
		case 6:
			s.stop()
			s.listen = s.addr
			s.open(t, 64<<20)
			hello(300 * time.Millisecond)
		}
	}
	var all []*event.Event
	for _, e := range s.stored(t) {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *event.Event) int { return cmp.Compare(a.BootNS, b.BootNS) })
	inverted, shared := 0, 0
	for i := range all[:len(all)-1] {
		a, b := all[i], all[i+1]
		if b.Time < a.Time {
			inverted++
		}
		if b.Time == a.Time && b.BootNS-a.BootNS > 20_000 {
			shared++
		}
		if a.Time > a.Received {
			t.Errorf("time %d, received %d", a.Time, a.Received)
		}
	}
	if len(all) != 72 || inverted+shared > 0 {
		t.Errorf("%d events, %d inverted, %d share a time; want 72, 0, 0", len(all), inverted, shared)
	}
	if last := all[len(all)-1]; last.Received-last.Time > 100_000 {
		t.Errorf("the last event is %d µs before its arrival; want what its way took", last.Received-last.Time)
	}
}
