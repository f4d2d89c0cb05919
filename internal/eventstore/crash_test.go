//go:build duckdb && duckdb_arrow

package eventstore_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/stream"
)

// victim is the child that gets killed: a store under load that seals and merges all the time. It prints
// "HOST LANE FIRST LAST" for each batch after its Append returned, as a sensor would note it, and goes on
// after the last number that the log or the store has.
func victim(dir string) error {
	ctx := context.Background()
	s := &server{dir: dir}
	err := s.open(ctx, func(o *eventstore.Options) {
		o.HotEvery, o.SealEvery, o.TidyEvery, o.MergeFiles = 5*time.Millisecond, 40*time.Millisecond, 50*time.Millisecond, 3
	})
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	var senders []*sender
	for n := range 6 {
		x := newSender([]([16]byte){tenantA, tenantB}[n%2], n)
		if err := resume(ctx, s, x); err != nil {
			return err
		}
		senders = append(senders, x)
	}
	for {
		x := senders[rand.IntN(len(senders))]
		events := make([]*event.Event, 1+rand.IntN(20))
		for i := range events {
			events[i] = &event.Event{
				Kind:  []event.Kind{event.ProcessExec, event.NetConnect, event.FileCreate}[rand.IntN(3)],
				Actor: event.Process{Path: "/bin/sh", Key: event.LinuxKey(uint64(i+1), uint32(i+1), 1)},
			}
		}
		b, _, err := x.batches(events)
		if err != nil {
			return err
		}
		if _, err := s.log.Append(ctx, stream.ShardOf(x.host), b); err != nil {
			return err
		}
		for i := range b {
			_, _ = fmt.Fprintf(out, "%s %d %d %d\n", x.host, b[i].Lane, b[i].First, b[i].First+uint64(b[i].Count)-1)
		}
		_ = out.Flush()
	}
}

// resume sets the next numbers of x as ingest does at start: from the manifest and the log behind it.
// Half of the time it forgets the log, as a sensor whose answer was lost, and so sends some again.
func resume(ctx context.Context, s *server, x *sender) error {
	covered, err := s.db.Covered(ctx, x.tenant, x.host)
	if err != nil {
		return err
	}
	for lane := range x.next {
		x.next[lane] = covered[eventstore.StreamLane{Stream: x.stream, Lane: event.Lane(lane)}].Through() + 1
	}
	shard := stream.ShardOf(x.host)
	_, last, _ := s.log.State(shard)
	r := s.log.Reader(shard, s.store.Sealed(shard)+1)
	for seq := s.store.Sealed(shard); seq < last; {
		var batches []stream.Batch
		if seq, batches, err = r.Next(ctx); err != nil {
			return err
		}
		for _, b := range batches {
			if b.Host == x.host {
				x.next[b.Lane] = max(x.next[b.Lane], b.First+uint64(b.Count))
			}
		}
	}
	return nil
}

// TestTwentyKillsLoseNothingAndDoubleNothing is the oracle of the write path: whatever Append returned
// for is found, once, after twenty kills at random moments.
func TestTwentyKillsLoseNothingAndDoubleNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("twenty restarts of a store")
	}
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	acked := map[string]uint64{} // "host lane" → highest number acknowledged
	batches := 0
	for round := range 20 {
		cmd := exec.Command(exe, "victim", dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewScanner(out)
		var deadline <-chan time.Time
		lines := make(chan string)
		go func() {
			defer close(lines)
			for in.Scan() {
				lines <- in.Text()
			}
		}()
		for open := true; open; {
			select {
			case line, ok := <-lines:
				if open = ok; !ok {
					break
				}
				batches++
				f := strings.Fields(line)
				var first, last uint64
				if _, err := fmt.Sscan(f[2]+" "+f[3], &first, &last); err != nil {
					t.Fatal(line, err)
				}
				acked[f[0]+" "+f[1]] = max(acked[f[0]+" "+f[1]], last)
				if deadline == nil {
					deadline = time.After(time.Duration(50+rand.IntN(500)) * time.Millisecond)
				}
			case <-deadline:
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		if batches == 0 {
			t.Fatalf("round %d: the victim acknowledged nothing", round)
		}
	}
	s := start(t, dir, nil)
	s.settle()
	oracle := func(state string) {
		t.Helper()
		total := 0
		for n := range 6 {
			x := newSender([]([16]byte){tenantA, tenantB}[n%2], n)
			for lane := range event.Lanes {
				want := acked[fmt.Sprintf("%s %d", x.host, lane)]
				got := s.count(x, event.Lane(lane))
				for seq := uint64(1); seq <= want; seq++ {
					if got[seq] != 1 {
						t.Fatalf("%s: event %d of %s lane %d is found %d times; it was acknowledged", state, seq, x.host, lane, got[seq])
					}
				}
				for seq, times := range got {
					if times != 1 {
						t.Fatalf("%s: event %d of %s lane %d is found %d times", state, seq, x.host, lane, times)
					}
				}
				total += len(got)
			}
		}
		t.Logf("%s: %d batches acknowledged over 20 kills, %d events found", state, batches, total)
	}
	oracle("after the kills")
	s.seal()
	oracle("sealed")
	if _, err := s.store.Compact(t.Context(), time.Now().Add(48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	oracle("merged")
	st, err := s.store.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d segments, %d rows", st.Segments, st.Rows)
}

// count gives how often each number of one sequence is in the store. It asks by id, in portions, because
// answers have a limit, and counts rows of the segments too, where duplicates would hide.
func (s *server) count(x *sender, lane event.Lane) map[uint64]int {
	s.t.Helper()
	out := map[uint64]int{}
	for to := int64(0); ; {
		a := s.find(eventstore.Query{Tenant: x.tenant, Host: x.host, To: to, Limit: eventstore.MaxLimit})
		oldest := to
		for _, e := range a.Events {
			if e.ID.Lane == lane {
				out[e.ID.Seq]++
			}
			oldest = e.Event.Time
		}
		if !a.Truncated {
			return out
		}
		// The page may have ended inside a microsecond: it is read again from there.
		for _, e := range a.Events {
			if e.Event.Time == oldest && e.ID.Lane == lane {
				out[e.ID.Seq]--
			}
		}
		to = oldest + 1
	}
}
