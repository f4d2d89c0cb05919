//go:build duckdb && duckdb_arrow

package eventstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/stream"
)

// onWorkers does something to every worker of this process, again and again, until its answer is called.
func onWorkers(t *testing.T, do func(pid int)) (end func()) {
	t.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
			for _, pid := range children(t) {
				do(pid)
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// TestNoWorkerWorksAndNothingIsGivenUp breaks every worker in each way that a host breaks processes. The server must
// say so as a critical fault, give up and settle nothing, and store all of it once when the trouble is over.
func TestNoWorkerWorksAndNothingIsGivenUp(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, trouble := range map[string]func(t *testing.T, dir string) (end func()){
		"killed again and again, as by the OOM killer": func(t *testing.T, _ string) func() {
			return onWorkers(t, func(pid int) { _ = unix.Kill(pid, unix.SIGKILL) })
		},
		"stopped": func(t *testing.T, _ string) func() {
			return onWorkers(t, func(pid int) { _ = unix.Kill(pid, unix.SIGSTOP) })
		},
		"may not be run": func(t *testing.T, _ string) func() {
			mode := func(m os.FileMode) {
				if err := os.Chmod(exe, m); err != nil {
					t.Fatal(err)
				}
			}
			mode(0o644)
			killAll(t)
			return func() { mode(0o755) }
		},
		"no more processes": func(t *testing.T, _ string) func() {
			if os.Geteuid() != 0 {
				t.Skip("the limit would hit this test too: it counts processes of a user")
			}
			var before unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_NPROC, &before); err != nil {
				t.Fatal(err)
			}
			if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: 1, Max: before.Max}); err != nil {
				t.Fatal(err)
			}
			killAll(t)
			return func() { _ = unix.Setrlimit(unix.RLIMIT_NPROC, &before) }
		},
		"forbidden system call": func(t *testing.T, dir string) func() {
			path := filepath.Join(dir, marker)
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			return func() { _ = os.Remove(path) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			faults := fault.NewBoard(nil)
			var given atomic.Int64
			s := start(t, t.TempDir(), func(o *eventstore.Options) {
				o.Faults, o.HotTime, o.SealEvery = faults, 4*time.Second, 100*time.Millisecond
				o.Quarantined = func(context.Context, eventstore.Quarantined) { given.Add(1) }
				o.Log = slog.New(slog.DiscardHandler)
				if name == "forbidden system call" {
					o.WorkerArgs = []string{"prisoner", "exec", o.Dir}
				}
			})
			x := newSender(tenantA, 1)
			sent := uint64(0)
			send := func() {
				s.send(x, full(), full(), full())
				sent += 3
			}
			send()
			s.seal()
			settled := func() uint64 {
				covered, err := s.db.Covered(t.Context(), x.tenant, x.host)
				if err != nil {
					t.Fatal(err)
				}
				return covered[eventstore.StreamLane{Stream: x.stream, Lane: event.Network}].Through()
			}
			before := settled()
			end := trouble(t, s.dir)
			ended := false
			defer func() {
				if !ended {
					end()
				}
			}()
			for range 5 {
				send()
			}
			f := waitFault(t, faults, fault.Workers)
			if f.Severity() != detection.Critical || f.Detail == "" {
				t.Errorf("fault %+v is not critical, or says no reason", f)
			}
			t.Log(f.What().En)
			for until := time.Now().Add(4 * time.Second); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
				send()
			}
			if left, _ := filepath.Glob(filepath.Join(s.dir, "quarantine", "*")); given.Load() != 0 || len(left) != 0 {
				t.Errorf("%d batches were given up, quarantine holds %v", given.Load(), left)
			}
			if name != "killed again and again, as by the OOM killer" && settled() != before {
				t.Errorf("events through %d are settled, %d were before the trouble", settled(), before)
			}
			ended = true
			end()
			s.seal()
			got := s.count(x, event.Network)
			for seq := uint64(1); seq <= sent; seq++ {
				if got[seq] != 1 {
					t.Fatalf("event %d of %d is stored %d times", seq, sent, got[seq])
				}
			}
			for _, f := range faults.Standing() {
				if f.Cause == fault.Workers {
					t.Errorf("after the trouble stands %+v", f)
				}
			}
			if len(faults.Healed(time.Time{})) == 0 {
				t.Error("nobody is told that it is over")
			}
		})
	}
}

func killAll(t *testing.T) {
	for _, pid := range children(t) {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

// TestAProgramReplacedUnderTheServerChangesNothing is what every upgrade of a package does: another file lies at the
// path of a server that runs. Its workers are still its own.
func TestAProgramReplacedUnderTheServerChangesNothing(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	place, dir := filepath.Join(t.TempDir(), "server"), t.TempDir()
	if err := os.WriteFile(place, b, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(place, "victim", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	defer stop()
	if err := os.WriteFile(place+".new", []byte("#!/bin/false\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	acked := map[string]uint64{}
	lines := bufio.NewScanner(out)
	read := func(until time.Time) {
		for time.Now().Before(until) && lines.Scan() {
			f := strings.Fields(lines.Text())
			var last uint64
			if _, err := fmt.Sscan(f[3], &last); err != nil {
				t.Fatal(err)
			}
			acked[f[0]+" "+f[1]] = max(acked[f[0]+" "+f[1]], last)
		}
	}
	read(time.Now().Add(500 * time.Millisecond))
	if err := os.Rename(place+".new", place); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		kids, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
		for _, name := range kids {
			list, _ := os.ReadFile(name)
			for pid := range strings.FieldsSeq(string(list)) {
				var n int
				if _, err := fmt.Sscan(pid, &n); err == nil {
					_ = unix.Kill(n, unix.SIGKILL)
				}
			}
		}
		read(time.Now().Add(400 * time.Millisecond))
	}
	stop()
	if left, _ := filepath.Glob(filepath.Join(dir, "quarantine", "*")); len(left) != 0 {
		t.Errorf("quarantine holds %v", left)
	}
	s := start(t, dir, nil)
	s.settle()
	total := 0
	for n := range 6 {
		x := newSender([]([16]byte){tenantA, tenantB}[n%2], n)
		for lane := range event.Lanes {
			got := s.count(x, event.Lane(lane))
			for seq := uint64(1); seq <= acked[fmt.Sprintf("%s %d", x.host, lane)]; seq++ {
				if got[seq] != 1 {
					t.Fatalf("event %d of %s lane %d is stored %d times", seq, x.host, lane, got[seq])
				}
				total++
			}
		}
	}
	if total < 100 {
		t.Errorf("only %d events were acknowledged: the test proves nothing", total)
	}
}

// TestARecordThatEndsEveryWorkerIsGivenUpAlone is the other side: one record that wakes a bug goes to quarantine, is
// told as what it is, and stops nothing.
func TestARecordThatEndsEveryWorkerIsGivenUpAlone(t *testing.T) {
	faults := fault.NewBoard(nil)
	given := make(chan eventstore.Quarantined, 100)
	s := start(t, t.TempDir(), func(o *eventstore.Options) {
		o.Faults, o.WorkerArgs, o.Log = faults, []string{"prisoner", "panic", o.Dir}, slog.New(slog.DiscardHandler)
		o.Quarantined = func(_ context.Context, q eventstore.Quarantined) { given <- q }
	})
	x, bad := newSender(tenantA, 1), newSender(tenantA, 2)
	s.send(x, full())
	content := []byte("poison-mark, not zstd")
	if _, err := s.log.Append(t.Context(), stream.ShardOf(bad.host), []stream.Batch{{Tenant: tenantA, Host: bad.host, Stream: 9, Lane: event.Bulk, First: 1, Count: 4, Content: content}}); err != nil {
		t.Fatal(err)
	}
	s.send(x, full())
	s.send(bad, full())
	s.seal()
	if got := len(s.find(eventstore.Query{Tenant: tenantA}).Events); got != 3 {
		t.Errorf("%d events are stored; want the 3 that are good", got)
	}
	if n := len(given); n != 2 {
		t.Errorf("told of %d things in quarantine; want the record and its batch", n)
	}
	if q := <-given; !strings.Contains(q.Reason, "a bug that this record woke") {
		t.Errorf("the reason is %q", q.Reason)
	}
	waitFault(t, faults, fault.Quarantine)
	list, err := s.store.Detained(tenantA)
	if err != nil || len(list) != 1 || list[0].Events != 4 || list[0].Damaged || len(list[0].Hosts) != 1 || list[0].Hosts[0] != bad.host {
		t.Errorf("in quarantine: %+v, %v", list, err)
	}
	if other, err := s.store.Detained(tenantB); err != nil || len(other) != 0 {
		t.Errorf("another tenant sees %+v, %v", other, err)
	}
	for _, f := range faults.Standing() {
		if f.Cause == fault.Workers {
			t.Errorf("one bad record stands as %+v", f)
		}
	}
}

// TestWhatLiesInQuarantineIsStoredOnce: a record that a bug kept out is taken in when the bug is gone, without what is
// stored of it already, and once even if the server dies in between.
func TestWhatLiesInQuarantineIsStoredOnce(t *testing.T) {
	dir := t.TempDir()
	faults := fault.NewBoard(nil)
	s := start(t, dir, func(o *eventstore.Options) {
		o.Faults, o.WorkerArgs, o.Log = faults, []string{"prisoner", "panic", o.Dir}, slog.New(slog.DiscardHandler)
	})
	good, bad := newSender(tenantA, 1), newSender(tenantA, 2)
	s.send(good, full())
	wake := full()
	wake.Actor.CommandLine = "x"
	batches, _, err := bad.batches([]*event.Event{wake, full(), full()})
	if err != nil {
		t.Fatal(err)
	}
	// The same batch in a record that is stored and in one that wakes the bug: a retry must find the former.
	shard := stream.ShardOf(bad.host)
	if _, err := s.log.Append(t.Context(), shard, batches); err != nil {
		t.Fatal(err)
	}
	s.seal()
	later, _, err := bad.batches([]*event.Event{full(), full()})
	if err != nil {
		t.Fatal(err)
	}
	mark := stream.Batch{Tenant: tenantA, Host: bad.host, Stream: 9, Lane: event.Bulk, First: 1, Count: 4, Content: []byte("poison-mark, not zstd")}
	if _, err := s.log.Append(t.Context(), shard, append(append([]stream.Batch{mark}, batches...), later...)); err != nil {
		t.Fatal(err)
	}
	s.seal()
	if got := s.count(bad, event.Network); len(got) != 3 {
		t.Fatalf("%d events are stored before the retry; want 3", len(got))
	}
	list, err := s.store.Detained(tenantA)
	if err != nil || len(list) != 1 {
		t.Fatalf("in quarantine: %+v, %v", list, err)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "quarantine", list[0].ID+".bin"))
	if err != nil {
		t.Fatal(err)
	}
	// The bug is gone with the upgrade; the batch that is no batch stays.
	s.stop()
	s = start(t, dir, func(o *eventstore.Options) { o.Faults = faults })
	stored, err := s.store.Retry(t.Context(), tenantA, list[0].ID)
	if !errors.Is(err, eventstore.ErrStillBad) || len(stored) != 2 {
		t.Errorf("Retry = %d batches, %v; want 2 and ErrStillBad", len(stored), err)
	}
	once := func(state string) {
		t.Helper()
		got := s.count(bad, event.Network)
		for seq := uint64(1); seq <= 5; seq++ {
			if got[seq] != 1 {
				t.Errorf("%s: event %d is stored %d times", state, seq, got[seq])
			}
		}
	}
	once("retried")
	// As if the server had died after the manifest and before the quarantine.
	s.stop()
	if err := os.WriteFile(filepath.Join(dir, "quarantine", list[0].ID+".bin"), kept, 0o600); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir, func(o *eventstore.Options) { o.Faults = faults })
	if _, err := s.store.Retry(t.Context(), tenantA, list[0].ID); !errors.Is(err, eventstore.ErrStillBad) {
		t.Errorf("Retry after the crash: %v", err)
	}
	once("after the crash")
	if _, err := s.store.Retry(t.Context(), tenantB, "../../etc/shadow"); !errors.Is(err, eventstore.ErrNotKept) {
		t.Errorf("Retry of a path: %v", err)
	}
}

// TestAFileThatWorkersMayNotReadIsGivenToThem puts a segment back as root does, and takes the modes of another away.
func TestAFileThatWorkersMayNotReadIsGivenToThem(t *testing.T) {
	s := start(t, t.TempDir(), func(o *eventstore.Options) { o.TidyEvery = 300 * time.Millisecond })
	a := newSender(tenantA, 1)
	for range 2 {
		s.send(a, execs(5)...)
		s.seal()
	}
	path := s.path(s.segments()[0])
	found := func(want int) func() bool {
		return func() bool {
			got := s.find(eventstore.Query{Tenant: tenantA})
			return len(got.Events) == want && len(got.Missing) == (10-want)/5
		}
	}
	for name, shut := range map[string]func() error{
		"without modes": func() error { return os.Chmod(path, 0) },
		"of root":       func() error { return errors.Join(os.Chown(path, os.Getuid(), os.Getgid()), os.Chmod(path, 0o600)) },
	} {
		if err := shut(); err != nil {
			t.Fatal(err)
		}
		s.find(eventstore.Query{Tenant: tenantA})
		for end := time.Now().Add(20 * time.Second); !found(10)(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s it is not read again: %+v", name, s.store.Damaged())
			}
		}
		if bad := s.store.Damaged(); len(bad) != 0 {
			t.Errorf("%s: still out of answers: %+v", name, bad)
		}
	}
	s.stop()
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	s = start(t, s.dir, nil)
	if got := s.find(eventstore.Query{Tenant: tenantA}); len(got.Events) != 10 {
		t.Errorf("after a start on a file without modes: %d events, missing %+v; want 10", len(got.Events), got.Missing)
	}
}
