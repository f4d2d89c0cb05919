//go:build duckdb && duckdb_arrow

package eventstore_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/stream"
)

// children gives the worker processes of this test process.
func children(t testing.TB) (pids []int) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(tasks) == 0 {
		t.Skip("the kernel does not list children")
	}
	for _, name := range tasks {
		b, _ := os.ReadFile(name)
		for f := range strings.FieldsSeq(string(b)) {
			pid, _ := strconv.Atoi(f)
			line, _ := os.ReadFile("/proc/" + f + "/cmdline")
			if bytes.Contains(line, []byte("\x00worker\x00")) || bytes.Contains(line, []byte("\x00prisoner\x00")) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func TestAKilledWorkerIsReplacedAndNothingIsLost(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	x := newSender(tenantA, 1)
	want := 0
	for range 8 {
		s.send(x, full(), full())
		want += 2
		for _, pid := range children(t) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		s.seal()
		for _, pid := range children(t) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if got := len(s.find(eventstore.Query{Tenant: tenantA}).Events); got != want {
			t.Fatalf("%d events found with workers killed; want %d", got, want)
		}
	}
}

func TestAQueryPastItsTimeIsStoppedAndTheNextOneAnswered(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	s.send(newSender(tenantA, 1), full())
	s.settle()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.store.Events(ctx, eventstore.Query{Tenant: tenantA}); err == nil {
		t.Error("a query was answered in a millisecond; it should have been stopped")
	}
	if got := s.find(eventstore.Query{Tenant: tenantA}).Events; len(got) != 1 {
		t.Errorf("%d events found after a stopped query; want 1", len(got))
	}
}

func TestNoWorkerOutlivesItsStore(t *testing.T) {
	// The log server and the database have goroutines that end a little after Close.
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := start(t, t.TempDir(), nil)
	s.send(newSender(tenantA, 1), full())
	s.seal()
	s.find(eventstore.Query{Tenant: tenantA})
	if len(children(t)) == 0 {
		t.Error("no worker process was used")
	}
	s.stop()
	if left := children(t); len(left) != 0 {
		t.Errorf("workers %v outlive the store", left)
	}
}

func TestWorkersEndWithTheirServer(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "victim", t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	one := make([]byte, 1)
	if _, err := out.Read(one); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	var workers []string
	procs, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range procs {
		b, _ := os.ReadFile(name)
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(cmd.Process.Pid) {
			workers = append(workers, filepath.Dir(name))
		}
	}
	if len(workers) == 0 {
		t.Error("the victim has no workers")
	}
	_ = cmd.Process.Kill()
	deadline := time.Now().Add(10 * time.Second)
	for _, w := range workers {
		for {
			b, err := os.ReadFile(filepath.Join(w, "cmdline"))
			if err != nil || len(b) == 0 { // gone, or a zombie that nobody waits for
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("worker %s lives 10 s after its server was killed", w)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func TestAFullDiskLosesNothingAccepted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skip("cannot mount a tmpfs: ", err)
	}
	defer func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }()
	s := start(t, filepath.Join(dir, "data"), func(o *eventstore.Options) { o.SealEvery = 50 * time.Millisecond })
	defer s.stop()
	// Something else takes the space, all but what the log may still use.
	ballast := filepath.Join(dir, "ballast")
	x := newSender(tenantA, 1)
	accepted := 0
	send := func() error {
		events := make([]*event.Event, 300)
		for i := range events {
			events[i] = full()
			events[i].Actor.CommandLine = strings.Repeat(strconv.Itoa(accepted+i), 60)
		}
		before := x.next
		b, _, err := x.batches(events)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.log.Append(t.Context(), stream.ShardOf(x.host), b); err != nil {
			x.next = before
			return err
		}
		accepted += len(events)
		return nil
	}
	for range 3 {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, ballast)
	var refused error
	for i := 0; i < 400 && refused == nil; i++ {
		refused = send()
	}
	if !errors.Is(refused, stream.ErrFull) {
		t.Fatalf("on a full disk Append gives %v; want ErrFull", refused)
	}
	t.Logf("%d events accepted before ErrFull", accepted)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	// A worker that is being started holds a copy of every descriptor between fork and exec, the ballast's too:
	// its space comes back a moment after the removal.
	err := send()
	for until := time.Now().Add(10 * time.Second); errors.Is(err, stream.ErrFull) && time.Now().Before(until); err = send() {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Errorf("Append after the disk has space again: %v", err)
	}
	s.seal()
	got := s.count(x, event.Network)
	for seq := uint64(1); seq <= uint64(accepted); seq++ {
		if got[seq] != 1 {
			t.Fatalf("event %d was accepted and is found %d times", seq, got[seq])
		}
	}
}

// fill writes until the disk has no space.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for b := make([]byte, 64<<10); ; {
		if _, err := f.Write(b); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			return
		}
	}
}
