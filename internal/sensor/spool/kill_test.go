package spool_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
)

// A kill at every moment at which the spool syncs a file, while it sheds its own critical files and with them the
// dropped events that reported earlier ones: what a copy of the folder says then accounts for every number.
func TestNoKillHidesWhatWasShed(t *testing.T) {
	dir, copies := t.TempDir(), t.TempDir()
	n := 0
	s := open(t, dir, func(o *spool.Options) {
		o.MaxBytes, o.SegmentMax = 300<<10, 16<<10
		o.Sync = func(*os.File) error {
			n++
			to := filepath.Join(copies, fmt.Sprint(n))
			return os.CopyFS(to, os.DirFS(dir))
		}
	})
	for range 60 {
		for range 20 {
			s.Put(ev(event.ProcessExec, noise(600)))
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	shed := 0
	for k := 1; k <= n; k++ {
		folder, given := filepath.Join(copies, fmt.Sprint(k)), map[id]uint64{}
		readGiven(t, folder, given)
		again := open(t, folder, nil)
		spooled, dropped, closed := drain(t, again, true)
		for i, last := range given {
			if closed[i] != last {
				t.Errorf("copy %d: stream %016x lane %s is closed at %d; it gave out %d", k, i.stream, i.lane, closed[i], last)
			}
			shed += len(dropped[i])
			for number := range dropped[i] { // on its way when the kill came: spooled and reported
				if spooled.has(i, number) {
					delete(dropped[i], number)
				}
			}
			equation(t, i, last, numbers{}, spooled, dropped)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n < 60 || shed == 0 {
		t.Errorf("%d copies, %d numbers shed: the test did not test", n, shed)
	}
}

// The kill test: a child writes and delivers as a sensor does and is killed with SIGKILL at a random
// moment, again and again on the same folder; in the end every number of every stream is accounted for.

func child() {
	dir := os.Getenv("YAGURA_SPOOL_CHILD")
	s, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{Log: quiet(), MinFree: -1, MaxBytes: 600 << 10, SegmentMax: 32 << 10, Linger: [3]time.Duration{time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := newDesk(dir)
	s.Reset(server.marks())
	ctx := context.Background()
	go func() { _ = s.Run(ctx) }()
	go func() {
		for i := 0; ; i++ {
			for _, k := range []event.Kind{event.ProcessExec, event.NetConnect, event.FileCreate} {
				s.Put(ev(k, noise(600)))
			}
			if i == 0 {
				fmt.Println("begun")
			}
			if i%200 == 199 {
				before := s.Stats().Produced
				if s.Flush() == nil { // what was given out before is on disk now, or reported
					fmt.Printf("%d %d %d %d\n", s.Stream(), before[0], before[1], before[2])
				}
			}
		}
	}()
	var bulk time.Time
	for {
		for _, lane := range event.Lanes {
			b, _, err := s.Try(ctx, lane)
			if err != nil {
				os.Exit(1)
			}
			if b == nil {
				continue
			}
			if lane == event.Bulk && time.Since(bulk) < 50*time.Millisecond {
				s.Again(b) // the line is too slow for bulk, so that the budget is met
				continue
			}
			if lane == event.Bulk {
				bulk = time.Now()
			}
			s.Accept(b, server.store(b))
		}
	}
}

// desk stands for the server: a file of records, each written whole, and watermarks.
type desk struct {
	f    *os.File
	have numbers
	mark map[id]uint64
}

type stored struct {
	Stream  uint64
	Lane    event.Lane
	First   uint64
	Count   int
	Content []byte
}

func newDesk(dir string) *desk {
	d := &desk{have: numbers{}, mark: map[id]uint64{}}
	for _, r := range readDesk(dir) {
		d.have.add(id{r.Stream, r.Lane}, r.First, r.First+uint64(r.Count)-1)
	}
	var err error
	if d.f, err = os.OpenFile(filepath.Join(dir, "stored"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		panic(err)
	}
	_, _ = d.f.WriteString("\n") // ends a line that a kill cut short
	for i := range d.have {
		d.advance(i)
	}
	return d
}

func readDesk(dir string) (out []stored) {
	f, err := os.Open(filepath.Join(dir, "stored"))
	if err != nil {
		return nil
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		var one stored
		if json.Unmarshal(line, &one) == nil && one.Count > 0 {
			out = append(out, one)
		}
		if err != nil {
			return out
		}
	}
}

func (d *desk) advance(i id) {
	for d.have.has(i, d.mark[i]+1) {
		d.mark[i]++
	}
}

func (d *desk) marks() (out []spool.Watermark) {
	for i, n := range d.mark {
		out = append(out, spool.Watermark{Stream: i.stream, Lane: i.lane, Accepted: n, Sealed: n})
	}
	return out
}

func (d *desk) store(b *spool.Batch) spool.Watermark {
	line, _ := json.Marshal(stored{b.Stream, b.Lane, b.First, b.Count, b.Content})
	if _, err := d.f.Write(append(line, '\n')); err != nil {
		panic(err)
	}
	i := id{b.Stream, b.Lane}
	d.have.add(i, b.First, b.First+uint64(b.Count)-1)
	d.advance(i)
	sealed := d.mark[i] - min(d.mark[i], 500)
	return spool.Watermark{Stream: b.Stream, Lane: b.Lane, Accepted: d.mark[i], Sealed: sealed}
}

// readGiven reads the tallies as docs/format/spool.md describes them: how many numbers each killed child
// gave out in each lane.
func readGiven(t *testing.T, dir string, given map[id]uint64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.given"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, lane := range event.Lanes {
			if n := binary.LittleEndian.Uint64(b[64+16*int(lane):]); n > 0 {
				given[id{binary.LittleEndian.Uint64(b[8:]), lane}] = n
			}
		}
	}
}

func TestKillNineLosesNothingUncounted(t *testing.T) {
	dir := t.TempDir()
	const kills = 20
	flushed, given := map[id]uint64{}, map[id]uint64{}
	for k := range kills {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "YAGURA_SPOOL_CHILD="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Counted from its first events: a busy machine may take longer to start it.
		var timer *time.Timer
		for sc := bufio.NewScanner(out); sc.Scan(); {
			if timer == nil {
				timer = time.AfterFunc(200*time.Millisecond+rand.N(400*time.Millisecond), func() { _ = cmd.Process.Kill() })
			}
			var stream uint64
			var n [3]uint64
			if c, _ := fmt.Sscanf(sc.Text(), "%d %d %d %d", &stream, &n[0], &n[1], &n[2]); c == 4 {
				for l, v := range n {
					flushed[id{stream, event.Lane(l)}] = v
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatalf("child %d ended by itself", k)
		}
		if timer == nil {
			t.Fatalf("child %d ended before it began", k)
		}
		timer.Stop()
		readGiven(t, filepath.Join(dir, "spool"), given)
	}
	s := open(t, filepath.Join(dir, "spool"), nil)
	defer s.Close()
	server := newDesk(dir)
	defer server.f.Close()
	stored, dropped, closed := server.have, numbers{}, map[id]uint64{}
	for _, r := range readDesk(dir) {
		tell(t, r.Content, dropped, closed)
	}
	s.Reset(server.marks())
	spooled, d, c := drain(t, s, true)
	for i, set := range d {
		for n := range set {
			dropped.add(i, n, n)
		}
	}
	for i, n := range c {
		closed[i] = max(closed[i], n)
	}
	for i, n := range given {
		if closed[i] != n {
			t.Errorf("stream %016x lane %s is closed at %d; it gave out %d", i.stream, i.lane, closed[i], n)
		}
	}
	events, lost, overlap := 0, 0, 0
	for i, last := range closed {
		if last < flushed[i] {
			t.Errorf("stream %016x lane %s is closed at %d; %d was on disk", i.stream, i.lane, last, flushed[i])
		}
		// A batch that was on its way when the kill came may be stored and, after the restart, shed as
		// well: what is stored counts as stored.
		for n := range dropped[i] {
			if stored.has(i, n) || spooled.has(i, n) {
				delete(dropped[i], n)
				overlap++
			}
		}
		for n := range dropped[i] {
			if n > last {
				t.Errorf("number %d of stream %016x lane %s is reported dropped, closed at %d", n, i.stream, i.lane, last)
			}
		}
		equation(t, i, last, stored, spooled, dropped)
		events += int(last)
		lost += len(dropped[i])
	}
	for i := range flushed {
		if _, ok := closed[i]; !ok && i.stream != s.Stream() {
			t.Errorf("stream %016x lane %s was never closed", i.stream, i.lane)
		}
	}
	t.Logf("%d kills: %d streams and lanes, %d events, %d dropped and counted, %d of them stored as well", kills, len(closed), events, lost, overlap)
	if len(given) < kills {
		t.Errorf("%d kills left only %d lanes with numbers: the test did not test", kills, len(given))
	}
	if lost+overlap == 0 {
		t.Error("the budget was never met: the test shows less than it should")
	}
}
