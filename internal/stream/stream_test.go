package stream_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

const childEnv = "YAGURA_STREAM_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		appendForEver(dir)
		return
	}
	os.Exit(m.Run())
}

// appendForEver is the child that gets killed: it prints each number after its Append returned.
func appendForEver(dir string) {
	ctx := context.Background()
	l, err := stream.Open(ctx, stream.Options{Dir: dir, MaxBytes: 1 << 30})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, last, _ := l.State(3)
	for n := last + 1; ; n++ {
		seq, err := l.Append(ctx, 3, []stream.Batch{{Host: event.HostID{1}, Stream: 7, First: n, Count: 1, Content: bytes.Repeat([]byte{byte(n)}, 2000)}})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(seq, n)
	}
}

func open(t testing.TB, dir string, max int64) *stream.Log {
	t.Helper()
	l, err := stream.Open(context.Background(), stream.Options{Dir: dir, MaxBytes: max})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func batch(t testing.TB, host event.HostID, first uint64, events ...*event.Event) stream.Batch {
	t.Helper()
	content, err := stream.Pack(events)
	if err != nil {
		t.Fatal(err)
	}
	return stream.Batch{Tenant: tenant.ID(uuid.Must(uuid.NewV7())), Host: host, Stream: 42, Lane: event.Network, First: first, Count: len(events), Received: 99, Content: content}
}

func TestWhatWasAppendedIsReadInOrderPerShard(t *testing.T) {
	l := open(t, t.TempDir(), 1<<30)
	host := event.HostID(uuid.Must(uuid.NewV7()))
	shard := stream.ShardOf(host)
	for n := uint64(1); n <= 50; n++ {
		seq, err := l.Append(t.Context(), shard, []stream.Batch{
			batch(t, host, 2*n-1, &event.Event{Kind: event.ProcessExec, BootNS: n}, &event.Event{Kind: event.ProcessExit, BootNS: n}),
		})
		if err != nil || seq != n {
			t.Fatalf("Append %d = %d, %v", n, seq, err)
		}
	}
	r := l.Reader(shard, 11)
	for n := uint64(11); n <= 50; n++ {
		seq, batches, err := r.Next(t.Context())
		if err != nil || seq != n || len(batches) != 1 {
			t.Fatalf("Next = %d, %d batches, %v; want %d", seq, len(batches), err, n)
		}
		events, err := batches[0].Events()
		if err != nil || len(events) != 2 {
			t.Fatalf("Events = %d, %v", len(events), err)
		}
		if want := (event.ID{Host: host, Stream: 42, Lane: event.Network, Seq: 2 * n}); events[1].ID != want || events[1].Event.BootNS != n {
			t.Errorf("event %v boot %d; want %v boot %d", events[1].ID, events[1].Event.BootNS, want, n)
		}
	}
	if first, last, _ := l.State((shard + 1) % stream.Shards); first != 1 || last != 0 {
		t.Errorf("another shard holds %d..%d; want nothing", first, last)
	}
}

func TestTailSeesARecordWithoutWaiting(t *testing.T) {
	l := open(t, t.TempDir(), 1<<30)
	r := l.Reader(5, 0)
	type seen struct {
		seq uint64
		at  time.Time
	}
	got := make(chan seen)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wg.Go(func() {
		for {
			seq, _, err := r.Next(ctx)
			if err != nil {
				return
			}
			got <- seen{seq, time.Now()}
		}
	})
	var worst time.Duration
	for n := uint64(1); n <= 20; n++ {
		if _, err := l.Append(ctx, 5, []stream.Batch{batch(t, event.HostID{2}, n, &event.Event{})}); err != nil {
			t.Fatal(err)
		}
		acked := time.Now()
		s := <-got
		if s.seq != n {
			t.Fatalf("saw record %d; want %d", s.seq, n)
		}
		worst = max(worst, s.at.Sub(acked))
	}
	t.Logf("worst delay behind the acknowledgement: %v", worst)
}

func TestPurgedRecordsArePassedOver(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 1<<30)
	for n := uint64(1); n <= 10; n++ {
		if _, err := l.Append(t.Context(), 0, []stream.Batch{batch(t, event.HostID{1}, n, &event.Event{})}); err != nil {
			t.Fatal(err)
		}
	}
	r := l.Reader(0, 1)
	if err := l.Purge(t.Context(), 0, 6); err != nil {
		t.Fatal(err)
	}
	if seq, _, err := r.Next(t.Context()); seq != 7 || err != nil {
		t.Errorf("Next after a purge through 6 = %d, %v; want 7", seq, err)
	}
	if err := l.Purge(t.Context(), 0, 999); err != nil {
		t.Fatal(err)
	}
	if first, last, n := l.State(0); first != 11 || last != 10 || n != 0 {
		t.Errorf("purged shard = %d..%d, %d bytes; want 11..10, 0", first, last, n)
	}
	_ = l.Close()
	l = open(t, dir, 1<<30)
	if seq, err := l.Append(t.Context(), 0, []stream.Batch{batch(t, event.HostID{1}, 11, &event.Event{})}); seq != 11 || err != nil {
		t.Errorf("first record after a reopened empty shard = %d, %v; want 11", seq, err)
	}
}

func TestALostLogDoesNotGiveSealedNumbersAgain(t *testing.T) {
	l := open(t, t.TempDir(), 1<<30)
	if err := l.Advance(t.Context(), 4, 500); err != nil {
		t.Fatal(err)
	}
	seq, err := l.Append(t.Context(), 4, []stream.Batch{batch(t, event.HostID{1}, 1, &event.Event{})})
	if seq != 501 || err != nil {
		t.Errorf("Append after Advance(500) = %d, %v; want 501", seq, err)
	}
	if seq, _, err := l.Reader(4, 501).Next(t.Context()); seq != 501 || err != nil {
		t.Errorf("Next = %d, %v; want 501", seq, err)
	}
	if seq, _, err := l.Reader(4, 0).Next(t.Context()); seq != 501 || err != nil {
		t.Errorf("Next from the start = %d, %v; want 501", seq, err)
	}
}

func TestWhatNoReaderCouldReadIsNotAcknowledged(t *testing.T) {
	l := open(t, t.TempDir(), 1<<30)
	for _, b := range []stream.Batch{{First: 0, Count: 1}, {First: 1, Count: -1}, {First: 1, Count: event.MaxBatchEvents + 1}, {First: 1<<64 - 1, Count: 5}, {First: 1, Count: 1, Content: make([]byte, 2<<20)}} {
		if _, err := l.Append(t.Context(), 0, []stream.Batch{b}); !errors.Is(err, stream.ErrMalformed) {
			t.Errorf("Append of %d events from %d, %d bytes = %v; want ErrMalformed", b.Count, b.First, len(b.Content), err)
		}
	}
}

func TestFullLogRefusesAndTakesAgainAfterAPurge(t *testing.T) {
	l := open(t, t.TempDir(), 3<<20)
	big := stream.Batch{Host: event.HostID{1}, First: 1, Count: 1, Content: make([]byte, 900<<10)}
	taken := 0
	var err error
	for ; taken < 10; taken++ {
		if _, err = l.Append(t.Context(), taken%2, []stream.Batch{big}); err != nil {
			break
		}
	}
	if !errors.Is(err, stream.ErrFull) || taken != 3 {
		t.Fatalf("took %d records of 900 KiB into 3 MiB, then %v; want 3, ErrFull", taken, err)
	}
	if err := l.Purge(t.Context(), 0, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), 7, []stream.Batch{big}); err != nil {
		t.Errorf("Append after a purge: %v", err)
	}
}

func TestDamagedRecordIsReportedAndReadingGoesOn(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 1<<30)
	for n := uint64(1); n <= 3; n++ {
		b := stream.Batch{Host: event.HostID{1}, First: n, Count: 1, Content: []byte(fmt.Sprintf("content-%d", n))}
		if _, err := l.Append(t.Context(), 2, []stream.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	_ = l.Close()
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "EV-2", "msgs", "*.blk"))
	if err != nil || len(blocks) != 1 {
		t.Fatalf("blocks of the shard: %v, %v", blocks, err)
	}
	raw, err := os.ReadFile(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(raw, []byte("content-2"))
	raw[at] ^= 0xFF
	if err := os.WriteFile(blocks[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, 1<<30)
	r := l.Reader(2, 1)
	var damaged, good []uint64
	_, last, _ := l.State(2)
	for len(damaged)+len(good) < int(last) {
		seq, _, err := r.Next(t.Context())
		var d *stream.DamagedError
		switch {
		case errors.As(err, &d):
			damaged = append(damaged, d.Seq)
		case err != nil:
			t.Fatal(err)
		default:
			good = append(good, seq)
		}
	}
	t.Logf("last %d, damaged %v, good %v", last, damaged, good)
	for _, n := range good {
		if n == 2 {
			t.Errorf("a record with a flipped byte was handed out as good")
		}
	}
	if seq, err := l.Append(t.Context(), 2, []stream.Batch{batch(t, event.HostID{1}, 4, &event.Event{})}); err != nil || seq != last+1 {
		t.Errorf("Append to a damaged shard = %d, %v", seq, err)
	}
	if seq, _, err := r.Next(t.Context()); err != nil || seq != last+1 {
		t.Errorf("Next after the damage = %d, %v; want %d", seq, err, last+1)
	}
}

func TestAcknowledgedRecordsSurviveKill(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var acked uint64
	for round := range 5 {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stopAt := 20 + rand.IntN(200)
		in := bufio.NewScanner(out)
		for n := 0; in.Scan(); n++ {
			seq, _, _ := strings.Cut(in.Text(), " ")
			acked, _ = strconv.ParseUint(seq, 10, 64)
			if n == stopAt {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		l := open(t, dir, 1<<30)
		_, last, _ := l.State(3)
		if last < acked {
			t.Fatalf("round %d: %d records acknowledged, %d in the log", round, acked, last)
		}
		r := l.Reader(3, 1)
		for n := uint64(1); n <= last; n++ {
			seq, batches, err := r.Next(t.Context())
			if err != nil || seq != n || batches[0].First != n || batches[0].Content[0] != byte(n) {
				t.Fatalf("round %d: record %d reads back as %d, %v", round, n, seq, err)
			}
		}
		_ = l.Close()
	}
	if acked < 100 {
		t.Fatalf("only %d records were acknowledged over 5 rounds", acked)
	}
}

func TestNothingListensAndNothingIsLeftBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(),
		// The zstd coders are kept for the life of the process.
		goleak.IgnoreAnyFunction("github.com/klauspost/compress/zstd.(*blockDec).startDecoder"))
	before := listening(t)
	l := open(t, t.TempDir(), 1<<30)
	if after := listening(t); after > before {
		t.Errorf("%d sockets listen with the log open; %d before", after, before)
	}
	r := l.Reader(0, 0)
	done := make(chan error)
	go func() { _, _, err := r.Next(context.Background()); done <- err }()
	_ = l.Close()
	if err := <-done; !errors.Is(err, stream.ErrClosed) {
		t.Errorf("Next on a closed log = %v; want ErrClosed", err)
	}
	if _, err := l.Append(t.Context(), 0, nil); !errors.Is(err, stream.ErrClosed) {
		t.Errorf("Append to a closed log = %v; want ErrClosed", err)
	}
}

// listening counts the TCP sockets in state LISTEN that this process holds.
func listening(t *testing.T) int {
	t.Helper()
	inodes := map[string]bool{}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, "socket:[") {
			inodes[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
		}
	}
	n := 0
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		b, _ := os.ReadFile(table)
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" && inodes[f[9]] {
				n++
			}
		}
	}
	return n
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{2 << 10, 100 << 10, 700 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			l := open(b, b.TempDir(), 1<<40)
			content := make([]byte, size)
			for i := range content {
				content[i] = byte(rand.Uint32())
			}
			rec := []stream.Batch{{Host: event.HostID{1}, First: 1, Count: 1, Content: content}}
			b.SetBytes(int64(size))
			n := 0
			for b.Loop() {
				if _, err := l.Append(b.Context(), n%stream.Shards, rec); err != nil {
					b.Fatal(err)
				}
				n++
				if n%64 == 0 {
					for s := range stream.Shards {
						_ = l.Purge(b.Context(), s, uint64(n))
					}
				}
			}
		})
	}
}
