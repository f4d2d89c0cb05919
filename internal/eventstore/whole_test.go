//go:build duckdb && duckdb_arrow

package eventstore_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/stream"
)

// exec gives n different process starts.
func execs(n int) []*event.Event {
	out := make([]*event.Event, n)
	for i := range out {
		out[i] = &event.Event{Kind: event.ProcessExec, Actor: event.Process{Path: "/bin/sh", CommandLine: strings.Repeat("sh -c id ", 20), Key: event.LinuxKey(uint64(i+1), uint32(i+1), 1)}}
	}
	return out
}

func (s *server) segments() []eventstore.File {
	s.t.Helper()
	files, err := s.db.Segments(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

func (s *server) path(f eventstore.File) string {
	return filepath.Join(s.dir, filepath.FromSlash(f.Path))
}

// until waits for what the background does.
func (s *server) until(what string, done func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s did not come about in 30 s; orphans %+v, damaged %+v", what, s.store.Orphans(), s.store.Damaged())
		}
	}
}

func (s *server) judged() {
	s.t.Helper()
	s.until("the verdict on what the start set aside", func() bool {
		for _, o := range s.store.Orphans() {
			if o.Verdict == eventstore.Unjudged {
				return false
			}
		}
		return true
	})
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func quick(o *eventstore.Options) { o.SealEvery = 50 * time.Millisecond }

// TestAStartDeletesNothing: whatever stands below segments and is not in the manifest, or is a rest of a write,
// is moved aside byte for byte.
func TestAStartDeletesNothing(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	s.send(newSender(tenantA, 1), execs(3)...)
	s.seal()
	f := s.segments()[0]
	s.stop()
	strange := map[string]string{
		filepath.Join(filepath.Dir(f.Path), "rest-0.parquet.tmp"): "half a file",
		filepath.Join(filepath.Dir(f.Path), "other.parquet"):      "PAR1 and no footer",
		"segments/notes.txt": "an operator's own",
	}
	for name, text := range strange {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // a second start finds them where the first one put them
		s = start(t, s.dir, nil)
		s.judged()
		for name, text := range strange {
			at := filepath.Join(s.dir, "segments", ".orphans", strings.TrimPrefix(name, "segments/"))
			if b, err := os.ReadFile(at); err != nil || string(b) != text {
				t.Errorf("%s: %q, %v; want it unchanged in %s", name, b, err, at)
			}
		}
		if n := len(s.find(eventstore.Query{Tenant: tenantA}).Events); n != 3 {
			t.Errorf("%d events found; want 3", n)
		}
		s.stop()
	}
}

// TestAnOlderControlDatabaseGetsItsSegmentsBack restores a control database from before a merge and more seals.
func TestAnOlderControlDatabaseGetsItsSegmentsBack(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	a, b := newSender(tenantA, 1), newSender(tenantB, 2)
	for range 3 {
		s.send(a, execs(5)...)
		s.send(b, append(execs(2), full())...)
		s.seal()
	}
	s.stop()
	old := filepath.Join(t.TempDir(), "control.db")
	copyFile(t, filepath.Join(s.dir, "control.db"), old)

	s = start(t, s.dir, func(o *eventstore.Options) { o.MergeFiles = 3 })
	s.send(a, execs(7)...)
	s.send(b, execs(1)...)
	s.seal()
	if n, err := s.store.Compact(t.Context(), time.Now()); err != nil || n == 0 {
		t.Fatalf("%d merges, %v", n, err)
	}
	s.send(a, execs(4)...)
	s.seal()
	for shard := range stream.Shards { // as the server purges
		if err := s.log.Purge(t.Context(), shard, s.store.Sealed(shard)); err != nil {
			t.Fatal(err)
		}
	}
	s.stop()
	copyFile(t, old, filepath.Join(s.dir, "control.db"))

	s = start(t, s.dir, nil)
	if len(s.store.Damaged()) == 0 {
		t.Error("segments are missing and Damaged says nothing")
	}
	s.judged()
	for _, d := range s.store.Damaged() {
		t.Errorf("%s is still called %s", d.Path, d.Reason)
	}
	for _, o := range s.store.Orphans() {
		if o.Verdict == eventstore.Kept {
			t.Errorf("%s was not taken back: %s", o.Path, o.Why)
		}
	}
	s.send(a, execs(1)...) // and the server goes on
	s.seal()
	for _, want := range []struct {
		x *sender
		n int
	}{{a, 15 + 7 + 4 + 1}, {b, 9 + 1}} {
		got := 0
		for lane := range event.Lanes {
			for seq, times := range s.count(want.x, event.Lane(lane)) {
				if got++; times != 1 {
					t.Errorf("event %d of %s is there %d times", seq, want.x.host, times)
				}
			}
		}
		if got != want.n {
			t.Errorf("%d events of %s are found; want %d", got, want.x.host, want.n)
		}
	}
	var rows int64
	for _, f := range s.segments() {
		rows += f.Rows
	}
	if rows != 27+10 {
		t.Errorf("the segments hold %d rows; want 37, each event once", rows)
	}
	// What is settled is settled again: a sensor that sends it once more doubles nothing.
	if got, err := s.db.SealedThrough(t.Context(), tenantA, a.host); err != nil || got[eventstore.StreamLane{Stream: a.stream, Lane: event.ProcessExec.Lane()}] != 27 {
		t.Errorf("SealedThrough = %v, %v; want 27", got, err)
	}
}

// TestACrashBetweenRenameAndManifestDoublesNothing: the file of an unfinished seal and the log hold the same.
func TestACrashBetweenRenameAndManifestDoublesNothing(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	s.send(newSender(tenantA, 1), execs(3)...)
	s.settle()
	s.stop()
	before := filepath.Join(t.TempDir(), "control.db")
	copyFile(t, filepath.Join(s.dir, "control.db"), before)
	s = start(t, s.dir, nil)
	s.seal()
	s.stop()
	copyFile(t, before, filepath.Join(s.dir, "control.db")) // as if the transaction had not come about
	s = start(t, s.dir, quick)
	s.judged()
	if got := s.store.Orphans(); len(got) != 1 || got[0].Verdict != eventstore.Redundant {
		t.Errorf("orphans: %+v; want one that is redundant", got)
	}
	if files := s.segments(); len(files) != 1 || files[0].Rows != 3 {
		t.Errorf("segments: %+v; want one of 3 rows", files)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "hot", ".before", "*")); len(left) != 0 {
		t.Errorf("hot files whose events are sealed are left: %v", left)
	}
}

// TestOneBadFileIsLeftOutAndNamed damages one segment of four in every way and asks in every way.
func TestOneBadFileIsLeftOutAndNamed(t *testing.T) {
	damage := map[string]struct {
		do     func(t *testing.T, path string)
		reason string
	}{
		"removed": {func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, eventstore.Missing},
		"cut": {func(t *testing.T, path string) {
			if err := os.Truncate(path, 100); err != nil {
				t.Fatal(err)
			}
		}, eventstore.Altered},
		"footer": {func(t *testing.T, path string) { flip(t, path, -60, 40) }, eventstore.Altered},
		"pages":  {func(t *testing.T, path string) { flip(t, path, 4, 400) }, eventstore.Altered},
		"a folder": {func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, ""},
	}
	for name, d := range damage {
		t.Run(name, func(t *testing.T) {
			s := start(t, t.TempDir(), nil)
			a := newSender(tenantA, 1)
			var ids []event.Stamped
			for range 4 {
				ids = append(ids, s.send(a, execs(5)...)...)
				s.seal()
			}
			d.do(t, s.path(s.segments()[1]))
			for _, again := range []string{"first", "again"} {
				got := s.find(eventstore.Query{Tenant: tenantA})
				if len(got.Events) != 15 || len(got.Missing) != 1 {
					t.Fatalf("%s: %d events, missing %+v; want 15 of 20 and one file named", again, len(got.Events), got.Missing)
				}
				m := got.Missing[0]
				if m.Rows != 5 || m.MinHost != a.host.String() || m.MinTime == 0 || d.reason != "" && m.Reason != d.reason {
					t.Errorf("%s: the answer says %+v; want 5 rows of the host, %s", again, m, d.reason)
				}
			}
			if got := s.find(eventstore.Query{Tenant: tenantA, IDs: []event.ID{ids[0].ID}}); len(got.Events) != 1 {
				t.Errorf("an event of a good file by id: %+v", got)
			}
			if got := s.find(eventstore.Query{Tenant: tenantA, Host: a.host, Process: ids[0].Event.Actor.Key}); len(got.Events) != 3 || len(got.Missing) != 1 {
				t.Errorf("a process: %d events, missing %v; want 3 and one file", len(got.Events), got.Missing)
			}
			if tree, err := s.store.Tree(t.Context(), tenantA, event.Ref{Host: a.host, Key: ids[0].Event.Actor.Key}, 0, 0); err != nil || len(tree.Missing) != 1 {
				t.Errorf("a tree: %+v, %v; want one file missing", tree, err)
			}
			if got := s.find(eventstore.Query{Tenant: tenantA, To: 5}); len(got.Missing) != 0 {
				t.Errorf("a question about another time: missing %v; want none", got.Missing)
			}
			if got := s.find(eventstore.Query{Tenant: tenantB}); len(got.Missing) != 0 {
				t.Errorf("another tenant is told of %v", got.Missing)
			}
			s.stop()
			s = start(t, s.dir, nil) // and it starts
			if got := s.find(eventstore.Query{Tenant: tenantA}); len(got.Events) != 15 || len(got.Missing) != 1 {
				t.Errorf("after a start: %d events, missing %v", len(got.Events), got.Missing)
			}
		})
	}
}

// flip turns every bit of n bytes from at on; a negative at counts from the end.
func flip(t *testing.T, path string, at, n int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if at < 0 {
		at += len(b)
	}
	for i := at; i < min(at+n, len(b)); i++ {
		b[i] ^= 0xFF
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestABadHotFileIsLeftOutAndComesBackWhenItIsSealed(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	a := newSender(tenantA, 1)
	s.send(a, execs(5)...)
	s.settle()
	hot, _ := filepath.Glob(filepath.Join(s.dir, "hot", "*.parquet"))
	if len(hot) != 1 {
		t.Fatal(hot)
	}
	flip(t, hot[0], 4, 400)
	s.send(a, execs(2)...)
	s.settle()
	got := s.find(eventstore.Query{Tenant: tenantA})
	if len(got.Events) != 2 || len(got.Missing) != 1 || !got.Missing[0].Hot {
		t.Errorf("%d events, missing %+v; want 2 of 7 and a hot file named", len(got.Events), got.Missing)
	}
	s.seal()
	if got := s.find(eventstore.Query{Tenant: tenantA}); len(got.Events) != 7 || len(got.Missing) != 0 {
		t.Errorf("sealed: %d events, missing %v; want 7", len(got.Events), got.Missing)
	}
}

// TestOneBitInAMergedSegmentIsFound: DuckDB writes no checksum, and a bit turned there gives other data
// without a word. The sum in the manifest finds every one, and a bad file is never merged into a good one.
func TestOneBitInAMergedSegmentIsFound(t *testing.T) {
	s := start(t, t.TempDir(), func(o *eventstore.Options) { o.MergeFiles = 2 })
	a := newSender(tenantA, 1)
	merge := func() {
		for range 2 {
			s.send(a, execs(20)...)
			s.seal()
		}
		if n, err := s.store.Compact(t.Context(), time.Now()); err != nil || n != 1 {
			t.Fatal(n, err)
		}
	}
	merge()
	f := s.segments()[0]
	if f.Level != 1 || f.Sum == "" {
		t.Fatalf("merged segment: %+v; want a sum", f)
	}
	good, err := os.ReadFile(s.path(f))
	if err != nil {
		t.Fatal(err)
	}
	for at := 5; at < len(good); at += len(good) / 20 {
		bad := bytes.Clone(good)
		bad[at] ^= 1
		if err := os.WriteFile(s.path(f), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := s.store.Deep(t.Context()); err != nil || n != 1 {
			t.Fatalf("Deep = %d, %v; want one segment looked at", n, err)
		}
		if d := s.store.Damaged(); len(d) != 1 || d[0].Reason != eventstore.Altered {
			t.Fatalf("bit at %d of %d: damaged %+v; want one altered file", at, len(good), d)
		}
		if got := s.find(eventstore.Query{Tenant: tenantA}); len(got.Events) != 0 || len(got.Missing) != 1 {
			t.Fatalf("bit at %d: %d events of an altered file are shown as evidence", at, len(got.Events))
		}
		if err := os.WriteFile(s.path(f), good, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.Deep(t.Context()); err != nil || len(s.store.Damaged()) != 0 {
			t.Fatalf("a restored file is still damaged: %v, %v", s.store.Damaged(), err)
		}
	}
	merge() // the second of level 1: the next round merges both
	flip(t, s.path(f), len(good)/2, 1)
	if n, err := s.store.Compact(t.Context(), time.Now()); n != 0 || err == nil {
		t.Errorf("%d merges of an altered file, %v; want a refusal", n, err)
	}
	if d := s.store.Damaged(); len(d) != 1 || d[0].Path != f.Path {
		t.Errorf("damaged: %+v; want %s", d, f.Path)
	}
	s.stop()
	s = start(t, s.dir, nil)
	if d := s.store.Damaged(); len(d) != 1 || d[0].Reason != eventstore.Altered {
		t.Errorf("after a start: damaged %+v; want it remembered", d)
	}
}

// TestAnAlteredSegmentIsNotShown: between two scrubs a turned bit of a merged segment was shown as evidence.
func TestAnAlteredSegmentIsNotShown(t *testing.T) {
	s := start(t, t.TempDir(), func(o *eventstore.Options) { o.MergeFiles = 2 })
	a := newSender(tenantA, 1)
	for range 2 {
		s.send(a, execs(20)...)
		s.seal()
	}
	if n, err := s.store.Compact(t.Context(), time.Now()); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	f := s.segments()[0]
	good, err := os.ReadFile(s.path(f))
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte, at time.Time) {
		t.Helper()
		if err := errors.Join(os.WriteFile(s.path(f), b, 0o600), os.Chtimes(s.path(f), at, at)); err != nil {
			t.Fatal(err)
		}
	}
	bad := bytes.Clone(good)
	bad[len(bad)/3] ^= 1
	ask := func(when string, events, missing int) {
		t.Helper()
		if got := s.find(eventstore.Query{Tenant: tenantA}); len(got.Events) != events || len(got.Missing) != missing {
			t.Errorf("%s: %d events, missing %+v; want %d and %d", when, len(got.Events), got.Missing, events, missing)
		}
	}
	ask("whole", 40, 0)
	write(bad, time.Now().Add(time.Second))
	ask("altered while the server runs", 0, 1)
	write(good, time.Now().Add(2*time.Second))
	if _, err := s.store.Deep(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask("put back", 40, 0)
	s.stop()
	write(bad, time.Now().Add(20*time.Second)) // soon after it was made, and before anybody asked
	s = start(t, s.dir, nil)
	ask("altered while the server was down", 0, 1)
}

// TestAClockThatJumpsDeletesNothing: whatever the store is told the time is, it removes no more than a stride.
func TestAClockThatJumpsDeletesNothing(t *testing.T) {
	now := time.Now()
	s := start(t, t.TempDir(), func(o *eventstore.Options) {
		o.Retention, o.Now = 30*24*time.Hour, func() time.Time { return now }
	})
	s.send(newSender(tenantA, 1), execs(5)...)
	s.seal()
	real := now
	for _, jump := range []time.Duration{10 * 365 * 24 * time.Hour, 40 * 24 * time.Hour, 34 * 24 * time.Hour} {
		now = real.Add(jump)
		if err := s.store.Expire(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if w := s.store.Waiting(); w.Segments != 1 || w.Events != 5 {
			t.Errorf("clock ahead by %s: waiting %+v; want the one segment", jump, w)
		}
		if n := len(s.find(eventstore.Query{Tenant: tenantA}).Events); n != 5 {
			t.Errorf("clock ahead by %s: %d events are left of 5", jump, n)
		}
	}
	// Sealed while the clock is ten years back: it must not be the first to go when the clock is right again.
	now = real
	old := execs(1)
	old[0].Received, old[0].Time = real.AddDate(-10, 0, 0).UnixMicro(), real.AddDate(-10, 0, 0).UnixMicro()
	s.send(newSender(tenantA, 2), old...)
	s.seal()
	if err := s.store.Expire(t.Context(), now); err != nil || s.store.Waiting() != (eventstore.Waiting{}) {
		t.Errorf("after the clock came back: %v, waiting %+v; want nothing due", err, s.store.Waiting())
	}
	if n := len(s.find(eventstore.Query{Tenant: tenantA}).Events); n != 6 {
		t.Errorf("%d events are left of 6", n)
	}
	// The machine was off for 40 days, and the operator says so.
	now = real.Add(40 * 24 * time.Hour)
	if gone, err := s.store.Confirm(t.Context()); err != nil || gone.Segments != 2 {
		t.Errorf("Confirm = %+v, %v; want two segments gone", gone, err)
	}
	if n := len(s.segments()); n != 0 {
		t.Errorf("%d segments are left after it was confirmed", n)
	}
}
