package detect_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/detect"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

const ruleText = `
title: Odd shell
id: 00000000-0000-4000-8000-000000000001
author: A. Author
license: DRL-1.1
logsource: {product: linux, category: process_creation}
level: high
tags: [attack.execution, attack.t1059.004]
detection: {s: {Image|endswith: /oddsh}, condition: s}
---
title: Canary
id: ` + detect.CanaryRule + `
logsource: {product: linux, category: process_creation}
level: informational
detection: {s: {CommandLine|contains: ' canary '}, condition: s}
`

type bench struct {
	t      *testing.T
	log    *stream.Log
	db     *controldb.DB
	tenant tenant.ID
	host   event.HostID
	seq    uint64

	mu       sync.Mutex // guards below
	observed int
	received []detection.Detection
	poison   []detect.Poison
	canary   event.Key
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, tenant: tenant.ID(uuid.Must(uuid.NewV7())), host: event.HostID(uuid.Must(uuid.NewV7()))}
	dir := t.TempDir()
	var err error
	if b.log, err = stream.Open(t.Context(), stream.Options{Dir: filepath.Join(dir, "log"), MaxBytes: 256 << 20, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.log.Close() })
	if b.db, err = controldb.Open(t.Context(), filepath.Join(dir, "control.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.db.Close() })
	return b
}

func (b *bench) Observe(_ context.Context, _ tenant.ID, events []event.Stamped) {
	b.mu.Lock()
	b.observed += len(events)
	b.mu.Unlock()
	for _, e := range events {
		if e.Event.Actor.Path == "/panic" {
			panic("as the test asks")
		}
	}
}

func (b *bench) Receive(_ context.Context, d detection.Detection) error {
	b.mu.Lock()
	b.received = append(b.received, d)
	b.mu.Unlock()
	return nil
}

func (b *bench) Quarantine(_ context.Context, p detect.Poison) error {
	b.mu.Lock()
	b.poison = append(b.poison, p)
	b.mu.Unlock()
	return nil
}

func (b *bench) IsCanary(_ context.Context, _ event.HostID, k event.Key) bool { return k == b.canary }

func (b *bench) append(events ...*event.Event) {
	b.t.Helper()
	for _, e := range events {
		e.OS, e.Time = event.Linux, cmp.Or(e.Time, time.Now().UnixMicro())
	}
	content, err := stream.Pack(events)
	if err != nil {
		b.t.Fatal(err)
	}
	b.appendRaw(len(events), content)
}

func (b *bench) appendRaw(n int, content []byte) {
	b.t.Helper()
	batch := stream.Batch{Tenant: b.tenant, Host: b.host, Stream: 7, Lane: event.Critical, First: b.seq + 1, Count: n, Content: content}
	b.seq += uint64(n)
	if _, err := b.log.Append(b.t.Context(), stream.ShardOf(b.host), []stream.Batch{batch}); err != nil {
		b.t.Fatal(err)
	}
}

// run runs an engine until done says so, and stops it.
func (b *bench) run(opts detect.Options, done func() bool) *detect.Engine {
	b.t.Helper()
	build := sigma.NewBuilder()
	build.Add("r.yml", []byte(ruleText))
	opts.Log, opts.Rules, opts.Store = b.log, build.Build(), b.db.Detections()
	opts.Observers, opts.Desks = []detect.Observer{b}, []detect.Desk{b}
	opts.Canary, opts.Quarantine = b, b
	opts.Logger = slog.New(slog.DiscardHandler)
	e := detect.New(opts)
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = e.Run(ctx)
	}()
	deadline := time.Now().Add(10 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			b.t.Error("the engine did not get there in 10 s")
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	<-ended
	return e
}

func (b *bench) have(n int) func() bool {
	return func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.received) >= n }
}

func (b *bench) list(q detect.Query) detect.Page {
	b.t.Helper()
	q.Tenant = b.tenant
	p, err := b.db.Detections().List(b.t.Context(), q)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

func odd(args string) *event.Event {
	return &event.Event{Kind: event.ProcessExec, Actor: event.Process{Key: event.LinuxKey(1, 2, 3), Path: "/bin/OddSh", CommandLine: args, UserName: "alice"}}
}

// TestWhatASpoolBroughtLateSaysNothingOfSpeed: after an outage of three minutes the 95 % of doctor once stood
// at 189,792 ms.
func TestWhatASpoolBroughtLateSaysNothingOfSpeed(t *testing.T) {
	b := newBench(t)
	now := time.Now().UnixMicro()
	spooled, recorded, live := odd("spooled"), odd("recorded"), odd("live")
	spooled.Received, spooled.Time = now, now-190e6
	recorded.Received, recorded.Time, recorded.Flags = now, now-1e6, event.FlagImported
	live.Received, live.Time = now, now-1000
	b.append(spooled, recorded, live)
	e := b.run(detect.Options{}, b.have(3))
	if p95, n := e.Latency().Quantile(0.95); n != 1 || p95 > 60e6 || e.Latency().Late() != 2 {
		t.Errorf("p95 %d µs of %d, %d late; want that of the live event alone, and 2 late", p95, n, e.Latency().Late())
	}
}

func TestAnEventBecomesADetectionOnce(t *testing.T) {
	b := newBench(t)
	b.append(odd("one 100%"), &event.Event{Kind: event.ProcessExit}, odd("two"))
	e := b.run(detect.Options{}, b.have(2))
	if e.Hits()["00000000-0000-4000-8000-000000000001"] != 2 || b.observed != 3 {
		t.Errorf("hits %v, observed %d; want 2 and 3", e.Hits(), b.observed)
	}
	if _, n := e.Latency().Quantile(0.95); n != 2 {
		t.Errorf("latency of %d; want 2", n)
	}
	p := b.list(detect.Query{})
	if p.Total != 2 || len(p.Detections) != 2 {
		t.Fatalf("page %+v", p)
	}
	d := p.Detections[0]
	if d.Author != "A. Author" || d.Licence != "DRL-1.1" || d.Severity != detection.High || d.Event.Event.Actor.Path != "/bin/OddSh" || len(d.Matched) != 1 || len(d.ATTACK) != 2 {
		t.Errorf("detection %+v", d)
	}
	if e.Judged(stream.ShardOf(b.host)) != 1 {
		t.Errorf("judged %d; want 1", e.Judged(stream.ShardOf(b.host)))
	}

	// A second engine begins behind what was judged.
	b.append(odd("three"))
	b.run(detect.Options{}, b.have(3))
	if b.observed != 4 {
		t.Errorf("observed %d; want 4: judged events were read again", b.observed)
	}
	if got := b.list(detect.Query{Search: "100%"}).Total; got != 1 {
		t.Errorf("search for 100%% gives %d; want 1", got)
	}
	if got := b.list(detect.Query{Severity: detection.Low}).Total; got != 0 {
		t.Errorf("low: %d; want 0", got)
	}
	page := b.list(detect.Query{Limit: 2})
	rest := b.list(detect.Query{Limit: 2, Cursor: page.Cursor})
	if len(page.Detections) != 2 || len(rest.Detections) != 1 || rest.Cursor != "" || rest.Total != 3 {
		t.Errorf("pages %d + %d, cursor %q, total %d", len(page.Detections), len(rest.Detections), rest.Cursor, rest.Total)
	}
}

// Judging again after a crash, from an older position, makes no second detection.
func TestJudgingTwiceMakesOneDetection(t *testing.T) {
	b := newBench(t)
	b.append(odd("x"))
	b.run(detect.Options{}, b.have(1))
	first := b.received[0]
	if err := b.db.Detections().SaveDetections(t.Context(), []detection.Detection{first}); err != nil {
		t.Fatal(err)
	}
	if got := b.list(detect.Query{}).Total; got != 1 {
		t.Errorf("%d detections; want 1", got)
	}
	if _, ok, err := b.db.Detections().Detection(t.Context(), tenant.ID(uuid.New()), first.ID); ok || err != nil {
		t.Errorf("another tenant sees it: %v %v", ok, err)
	}
	if k, ok, err := b.db.Detections().Detection(t.Context(), b.tenant, first.ID); !ok || err != nil || k.Detected != first.Detected {
		t.Errorf("detection %v %v %v", k, ok, err)
	}
}

// A batch that cannot be decoded, or that makes our code panic, goes to quarantine, and judging goes on.
func TestPoisonDoesNotStopTheDetector(t *testing.T) {
	b := newBench(t)
	b.appendRaw(3, []byte("no zstd at all"))
	b.append(&event.Event{Kind: event.ProcessExec, Actor: event.Process{Path: "/panic"}})
	b.append(odd("after"))
	b.run(detect.Options{}, b.have(1))
	if len(b.poison) != 2 || b.poison[0].Count != 3 || b.poison[0].First != 1 || !strings.Contains(b.poison[1].Reason, "panic") {
		t.Errorf("poison %+v", b.poison)
	}
}

// A canary's detection is marked and kept away from desks; one that was never asked for is no canary's.
func TestCanariesStayOutOfTheQueue(t *testing.T) {
	b := newBench(t)
	b.canary = event.LinuxKey(9, 9, 9)
	canary := &event.Event{Kind: event.ProcessExec, Actor: event.Process{Key: b.canary, Path: "/usr/bin/yagura-sensor", CommandLine: "yagura-sensor canary n"}}
	b.append(canary, &event.Event{Kind: event.ProcessExec, Actor: event.Process{Key: event.LinuxKey(8, 8, 8), Path: "/usr/bin/yagura-sensor", CommandLine: "yagura-sensor canary n"}}, odd("x"))
	b.run(detect.Options{}, b.have(1))
	if got := b.list(detect.Query{Canary: true}); got.Total != 1 || !got.Detections[0].Canary {
		t.Errorf("canaries %+v", got)
	}
	if got := b.list(detect.Query{}).Total; got != 1 || len(b.received) != 1 {
		t.Errorf("queue %d, desk %d; want 1 each", got, len(b.received))
	}
}

// Sixty decoys of one rule, and its next hit was only counted, whatever it was. An act that is another is kept; the
// same again is not, and there is an end to others, too.
func TestDecoysDoNotHideAnotherAct(t *testing.T) {
	b := newBench(t)
	var all []*event.Event
	for range 100 {
		all = append(all, odd("decoy"))
	}
	all = append(all, odd("the act"), odd("the act"))
	for i := range 1000 {
		all = append(all, odd(fmt.Sprint("other ", i)))
	}
	b.append(all...)
	acts := func() map[string]int {
		b.mu.Lock()
		defer b.mu.Unlock()
		out := map[string]int{}
		for _, d := range b.received {
			out[d.Event.Event.Actor.CommandLine]++
		}
		return out
	}
	b.run(detect.Options{PerMinute: 10}, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.observed == len(all) && len(b.received) >= 250
	})
	got := acts()
	if got[odd("the act").Actor.CommandLine] != 1 || got[odd("decoy").Actor.CommandLine] != 10 {
		t.Errorf("%d of the act and %d decoys; want 1 and 10", got[odd("the act").Actor.CommandLine], got[odd("decoy").Actor.CommandLine])
	}
	kept := b.list(detect.Query{}).Total
	held, err := b.db.Detections().Suppressed(t.Context(), b.tenant, 0)
	if err != nil || len(held) != 1 || held[0].Count+kept != uint64(len(all)) || kept > 300 {
		t.Errorf("%d kept and %v counted (%v); want %d together, few hundred kept", kept, held, err, len(all))
	}
}

// A noisy rule is bounded, and what is over the bound is counted.
func TestNoiseIsBoundedAndCounted(t *testing.T) {
	b := newBench(t)
	var many []*event.Event
	for range 100 {
		many = append(many, odd("again"))
	}
	b.append(many...)
	b.run(detect.Options{PerMinute: 10}, func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.observed == 100 && len(b.received) == 10 })
	held, err := b.db.Detections().Suppressed(t.Context(), b.tenant, 0)
	if err != nil || len(held) != 1 || held[0].RuleID != "00000000-0000-4000-8000-000000000001" || held[0].Count != 90 {
		t.Errorf("suppressed %v, %v; want 90", held, err)
	}
	if got := b.list(detect.Query{}).Total; got != 10 {
		t.Errorf("%d detections; want 10", got)
	}
	hits, err := b.db.Detections().RuleHits(t.Context(), b.tenant, 0)
	if err != nil || hits["00000000-0000-4000-8000-000000000001"] != 10 {
		t.Errorf("rule hits %v, %v", hits, err)
	}
	sev, err := b.db.Detections().SeverityCounts(t.Context(), b.tenant, 0)
	if err != nil || sev[detection.High] != 10 {
		t.Errorf("severities %v, %v", sev, err)
	}
}
