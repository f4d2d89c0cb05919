//go:build duckdb && duckdb_arrow

package eventstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/stream"
)

// full is an event that uses every sort of field, with text that was not UTF-8 and a field of the future.
func full() *event.Event {
	return &event.Event{
		Kind: event.NetConnect, OS: event.Linux, BootNS: 12345, HostTime: -7, Ancestors: []string{"/sbin/init", "", "/usr/bin/\xff"},
		ExitCode: -1, Initiated: true, Protocol: "tcp", LocalAddr: netip.MustParseAddr("127.0.0.1"), LocalPort: 40000,
		RemoteAddr: netip.MustParseAddr("2001:db8::1"), RemotePort: 443, BytesSent: 1<<64 - 1,
		Actor:  event.Process{Key: event.LinuxKey(5, 6, 7), PID: 6, Path: "/usr/bin/\xff\xfe'; DROP", CommandLine: "a\x00b\n日本語 \x1b[31m", SHA256: [32]byte{1, 2, 3}},
		Parent: event.Process{Key: event.LinuxKey(1, 2, 7), PID: 2, Path: "/bin/sh"},
		Extra:  []byte{0xf8, 0x7f, 0x2a}, // field 2047, varint 42
	}
}

func TestAnEventComesBackAsItWasHotSealedAndMerged(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	a := newSender(tenantA, 1)
	want := s.send(a, full(), &event.Event{Kind: event.ProcessExec, Actor: event.Process{Key: event.LinuxKey(5, 6, 7)}}, &event.Event{Kind: event.NetConnect, Initiated: false})
	check := func(state string) {
		t.Helper()
		for _, w := range want {
			got := s.find(eventstore.Query{Tenant: tenantA, IDs: []event.ID{w.ID}}).Events
			if len(got) != 1 || got[0].ID != w.ID || !reflect.DeepEqual(got[0].Event, w.Event) {
				t.Errorf("%s: event %s = %+v; want %+v", state, w.ID, got, w.Event)
			}
		}
	}
	s.settle()
	check("hot")
	s.seal()
	check("sealed")
	if st, err := s.store.Stats(t.Context()); err != nil || st.Rows != 3 || st.HotFiles != 0 {
		t.Errorf("after a seal the store holds %+v, %v; want 3 sealed rows and no hot file", st, err)
	}
	s.send(a, full())
	s.seal()
	s.opts.MergeFiles = 2
	s.stop()
	s = start(t, s.dir, func(o *eventstore.Options) { o.MergeFiles = 2 })
	if n, err := s.store.Compact(t.Context(), time.Now()); n != 1 || err != nil {
		t.Fatalf("Compact = %d, %v; want 1 merge", n, err)
	}
	check("merged")
	if left, _ := filepath.Glob(filepath.Join(s.dir, "segments", "*", "*", "network", "*")); len(left) != 1 {
		t.Errorf("after a merge the folder holds %v; want one file", left)
	}
}

func TestOtherTenantsSeeNothing(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	ids := s.send(newSender(tenantA, 1), full())
	for _, state := range []string{"hot", "sealed"} {
		s.settle()
		if got := s.find(eventstore.Query{Tenant: tenantB, IDs: []event.ID{ids[0].ID}}).Events; len(got) != 0 {
			t.Errorf("%s: another tenant sees %v by id", state, got)
		}
		if got := s.find(eventstore.Query{Tenant: tenantB}).Events; len(got) != 0 {
			t.Errorf("%s: another tenant sees %v", state, got)
		}
		s.seal()
	}
	if _, err := s.store.Events(t.Context(), eventstore.Query{}); err == nil {
		t.Error("a query without a tenant is answered")
	}
}

func TestASegmentOfAnotherTenantIsRefused(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	s.send(newSender(tenantA, 1), full())
	s.send(newSender(tenantB, 2), full())
	s.seal()
	files, err := s.db.Segments(t.Context())
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	// The manifest is right, the file under that name is the other tenant's.
	if files[0].Tenant != tenantA {
		files[0], files[1] = files[1], files[0]
	}
	b, err := os.ReadFile(filepath.Join(s.dir, files[1].Path))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, files[0].Path), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := s.store.Events(t.Context(), eventstore.Query{Tenant: tenantA}); err != nil || len(got.Events) != 0 || len(got.Missing) != 1 {
		t.Errorf("query over a file that was exchanged: %d events, missing %v, %v; want none, and the file named", len(got.Events), got.Missing, err)
	}
	s.stop()
	// The manifest is wrong as well: by its sum and its size the file is what it should be.
	control, err := sql.Open("sqlite", filepath.Join(s.dir, "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := control.Exec("UPDATE segment SET bytes = $1, sum = $2, bad = '' WHERE path = $3", len(b), files[1].Sum, files[0].Path); err != nil {
		t.Fatal(err)
	}
	if err := control.Close(); err != nil {
		t.Fatal(err)
	}
	s = start(t, s.dir, nil)
	if got, err := s.store.Events(t.Context(), eventstore.Query{Tenant: tenantA}); err == nil || !strings.Contains(err.Error(), "another tenant") {
		t.Errorf("query over a foreign segment: %d events, missing %v, %v; want a refusal", len(got.Events), got.Missing, err)
	}
}

func TestHalfWrittenFilesBlindNobody(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, nil)
	ids := s.send(newSender(tenantA, 1), full())
	s.seal()
	files, err := s.db.Segments(t.Context())
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	s.stop()
	folder := filepath.Dir(filepath.Join(dir, files[0].Path))
	orphan := []string{filepath.Join(folder, "orphan-0.parquet"), filepath.Join(folder, "x.parquet.tmp"), filepath.Join(dir, "hot", "old.parquet")}
	for _, name := range orphan {
		if err := os.WriteFile(name, []byte("PAR1 and no footer"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = start(t, dir, nil)
	for _, name := range orphan {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s is still there after a start", name)
		}
	}
	if got := s.find(eventstore.Query{Tenant: tenantA, IDs: []event.ID{ids[0].ID}}).Events; len(got) != 1 {
		t.Errorf("found %d events; want 1", len(got))
	}
}

func TestABatchSentTwiceIsStoredOnce(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	a := newSender(tenantA, 1)
	b, ids, err := a.batches([]*event.Event{full(), full(), full()})
	if err != nil {
		t.Fatal(err)
	}
	shard := stream.ShardOf(a.host)
	for range 2 {
		if _, err := s.log.Append(t.Context(), shard, b); err != nil {
			t.Fatal(err)
		}
	}
	s.settle()
	if got := s.find(eventstore.Query{Tenant: tenantA}).Events; len(got) != len(ids) {
		t.Errorf("hot: %d events; want %d", len(got), len(ids))
	}
	s.seal()
	if _, err := s.log.Append(t.Context(), shard, b); err != nil {
		t.Fatal(err)
	}
	s.settle()
	if got := s.find(eventstore.Query{Tenant: tenantA}).Events; len(got) != len(ids) {
		t.Errorf("sealed and hot: %d events; want %d", len(got), len(ids))
	}
	s.seal()
	if st, err := s.store.Stats(t.Context()); err != nil || st.Rows != int64(len(ids)) {
		t.Errorf("%d rows sealed, %v; want %d", st.Rows, err, len(ids))
	}
	through, err := s.db.SealedThrough(t.Context(), tenantA, a.host)
	if want := uint64(3); err != nil || through[eventstore.StreamLane{Stream: a.stream, Lane: event.Network}] != want {
		t.Errorf("SealedThrough = %v, %v; want %d", through, err, want)
	}
}

func TestSealedThroughPassesWhatTheSensorDropped(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	a := newSender(tenantA, 1)
	s.send(a, full())
	a.next[event.Network] = 11 // 2..10 were shed
	s.send(a, full())
	s.seal()
	lane := eventstore.StreamLane{Stream: a.stream, Lane: event.Network}
	if through, err := s.db.SealedThrough(t.Context(), tenantA, a.host); err != nil || through[lane] != 1 {
		t.Errorf("SealedThrough over a hole = %v, %v; want 1", through, err)
	}
	s.send(a, &event.Event{Kind: event.Dropped, Stream: a.stream, Lane: uint64(event.Network), First: 2, Last: 10, Count: 9})
	s.seal()
	if through, err := s.db.SealedThrough(t.Context(), tenantA, a.host); err != nil || through[lane] != 11 {
		t.Errorf("SealedThrough after the sensor said dropped = %v, %v; want 11", through, err)
	}
}

func TestPoisonBatchGoesToQuarantineAndTheRestIsStored(t *testing.T) {
	var told []eventstore.Quarantined
	s := start(t, t.TempDir(), nil)
	s.stop()
	done := make(chan eventstore.Quarantined, 10)
	s = start(t, s.dir, func(o *eventstore.Options) {
		o.Quarantined = func(_ context.Context, q eventstore.Quarantined) { done <- q }
	})
	a, bad := newSender(tenantA, 1), newSender(tenantA, 1)
	bad.stream = 77
	good, ids, err := a.batches([]*event.Event{full()})
	if err != nil {
		t.Fatal(err)
	}
	// Not zstd; valid but not UTF-8, as if ingest had forgotten Textify.
	raw := full()
	rawContent, err := stream.Pack([]*event.Event{raw})
	if err != nil {
		t.Fatal(err)
	}
	record := []stream.Batch{
		{Tenant: tenantA, Host: a.host, Stream: 77, Lane: event.Bulk, First: 1, Count: 3, Content: []byte("not zstd")},
		good[0],
		{Tenant: tenantA, Host: a.host, Stream: 78, Lane: event.Bulk, First: 1, Count: 1, Content: rawContent},
	}
	if _, err := s.log.Append(t.Context(), stream.ShardOf(a.host), record); err != nil {
		t.Fatal(err)
	}
	s.seal()
	close(done)
	for q := range done {
		told = append(told, q)
		if _, err := os.Stat(filepath.Join(s.dir, q.File)); err != nil {
			t.Errorf("quarantine: %v", err)
		}
	}
	if len(told) != 2 || told[0].Range != (seq.Range{First: 1, Last: 3}) || told[1].Stream != 78 || !strings.Contains(told[1].Reason, "UTF-8") {
		t.Errorf("told of %+v; want events 1-3 of stream 77 and the one that is not UTF-8", told)
	}
	if got := s.find(eventstore.Query{Tenant: tenantA}).Events; len(got) != 1 || got[0].ID != ids[0].ID {
		t.Errorf("found %v; want only %s", got, ids[0].ID)
	}
}

func TestTreeWithForksExecsAndEnds(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	a := newSender(tenantA, 1)
	key := func(n int) event.Key { return event.LinuxKey(uint64(n), uint32(n), 1) }
	proc := func(n int, path string) event.Process {
		return event.Process{Key: key(n), PID: uint64(n), Path: path}
	}
	now := time.Now().UnixMicro()
	s.send(a, // 1 → 2 → {3 → 4, 5}
		&event.Event{Kind: event.ProcessExec, Time: now, Actor: proc(2, "/bin/bash"), Parent: proc(1, "/sbin/init")},
		&event.Event{Kind: event.ProcessFork, Time: now + 1, Actor: proc(2, "/bin/bash"), Parent: proc(1, "/sbin/init"), Target: proc(3, "/bin/bash")},
		&event.Event{Kind: event.ProcessExec, Time: now + 2, Actor: proc(3, "/bin/sh"), Parent: proc(2, "/bin/bash")})
	s.seal()
	s.send(a,
		&event.Event{Kind: event.ProcessExec, Time: now + 3, Actor: proc(3, "/bin/dash"), Parent: proc(2, "/bin/bash")},
		&event.Event{Kind: event.ProcessFork, Time: now + 4, Actor: proc(3, "/bin/dash"), Target: proc(4, "/bin/dash")},
		&event.Event{Kind: event.ProcessExec, Time: now + 5, Actor: proc(5, "/bin/ls"), Parent: proc(2, "/bin/bash")},
		&event.Event{Kind: event.ProcessExit, Time: now + 6, Actor: proc(5, "/bin/ls"), Parent: proc(1, "/sbin/init")})
	s.settle()
	tree, err := s.store.Tree(t.Context(), tenantA, event.Ref{Host: a.host, Key: key(2)}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := map[event.Key]string{}
	for _, n := range tree.Nodes {
		text := "?"
		if n.Start != nil {
			text = n.Start.Event.Kind.String() + " " + n.Start.Event.Actor.Path
		}
		if n.Exit != nil {
			text += " ended"
		}
		got[n.Ref.Key] = n.Parent.String() + " " + text
	}
	want := map[event.Key]string{
		key(2): key(1).String() + " process.exec /bin/bash",
		key(3): key(2).String() + " process.exec /bin/dash",
		key(4): key(3).String() + " process.fork /bin/dash",
		key(5): key(2).String() + " process.exec /bin/ls ended",
	}
	if !reflect.DeepEqual(got, want) || tree.Truncated || len(tree.Above) != 1 || tree.Above[0].Ref.Key != key(1) {
		t.Errorf("tree = %v, truncated %v, above %v; want %v below %s", got, tree.Truncated, tree.Above, want, key(1))
	}
	cut, err := s.store.Tree(t.Context(), tenantA, event.Ref{Host: a.host, Key: key(2)}, 1, 0)
	if err != nil || len(cut.Nodes) != 3 || !cut.Truncated {
		t.Errorf("tree of depth 1 = %d nodes, truncated %v, %v; want 3, true", len(cut.Nodes), cut.Truncated, err)
	}
	if other, err := s.store.Tree(t.Context(), tenantB, event.Ref{Host: a.host, Key: key(2)}, 0, 0); err != nil || len(other.Nodes) != 0 {
		t.Errorf("another tenant sees the tree %v, %v", other.Nodes, err)
	}
}

func TestRetentionCountsFromReceivedNotFromHostTime(t *testing.T) {
	s := start(t, t.TempDir(), func(o *eventstore.Options) { o.Retention = 24 * time.Hour })
	now := time.Now()
	old := now.Add(-48 * time.Hour).UnixMicro()
	a := newSender(tenantA, 1)
	s.send(a, &event.Event{Kind: event.ProcessExec, Time: 1, HostTime: 1}) // a recording of 1970, received now
	s.send(a, &event.Event{Kind: event.FileCreate, Received: old, Time: now.UnixMicro()})
	s.seal()
	if err := s.store.Expire(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	got := s.find(eventstore.Query{Tenant: tenantA}).Events
	if len(got) != 1 || got[0].Event.Kind != event.ProcessExec {
		t.Errorf("after retention the store holds %v; want the recording only", got)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "segments", "*", "*", "*", "*.parquet")); len(left) != 1 {
		t.Errorf("files left: %v; want 1", left)
	}
}

func TestADamagedLogRecordIsReportedAndPassed(t *testing.T) {
	s := start(t, t.TempDir(), func(o *eventstore.Options) { o.HotEvery = time.Hour }) // nothing is sealed before the damage
	a := newSender(tenantA, 1)
	var want []event.Stamped
	var damaged []byte
	for n := range 3 {
		e := full()
		e.BootNS += uint64(n) // no two contents are alike
		b, stamped, err := a.batches([]*event.Event{e})
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			damaged = b[0].Content
		} else {
			want = append(want, stamped...)
		}
		if _, err := s.log.Append(t.Context(), stream.ShardOf(a.host), b); err != nil {
			t.Fatal(err)
		}
	}
	s.stop()
	shard := stream.ShardOf(a.host)
	blocks, _ := filepath.Glob(filepath.Join(s.dir, "log", "jetstream", "*", "streams", "EV-"+strconv.Itoa(shard), "msgs", "*.blk"))
	if len(blocks) != 1 {
		t.Fatalf("blocks of the shard: %v", blocks)
	}
	raw, err := os.ReadFile(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	raw[bytes.Index(raw, damaged)+len(damaged)/2] ^= 0xFF
	if err := os.WriteFile(blocks[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	told := make(chan eventstore.Quarantined, 10)
	s = start(t, s.dir, func(o *eventstore.Options) {
		o.Quarantined = func(_ context.Context, q eventstore.Quarantined) { told <- q }
	})
	s.seal()
	if q := <-told; q.Shard != shard || q.Record != 2 || q.Batch != -1 {
		t.Errorf("told of %+v; want record 2 of shard %d", q, shard)
	}
	got := s.find(eventstore.Query{Tenant: tenantA}).Events
	if len(got) != len(want) {
		t.Errorf("%d events found beside a damaged record; want %d", len(got), len(want))
	}
	if through, err := s.db.SealedThrough(t.Context(), tenantA, a.host); err != nil || through[eventstore.StreamLane{Stream: a.stream, Lane: event.Network}] != 1 {
		t.Errorf("SealedThrough = %v, %v; want 1: the sensor still holds what was damaged", through, err)
	}
}
