package spool_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
)

func TestMain(m *testing.M) {
	if os.Getenv("YAGURA_SPOOL_CHILD") != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func open(t testing.TB, dir string, edit func(*spool.Options)) *spool.Spool {
	t.Helper()
	o := spool.Options{Log: quiet(), MinFree: -1}
	if edit != nil {
		edit(&o)
	}
	s, err := spool.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ev(k event.Kind, text string) *event.Event {
	return &event.Event{Kind: k, OS: event.Linux, BootNS: 1, File: event.File{Path: text}}
}

// noise does not compress, so that a budget in bytes means something.
func noise(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.N(256))
	}
	return string(b)
}

type id struct {
	stream uint64
	lane   event.Lane
}

// numbers is the oracle's set of sequence numbers, as plain as can be.
type numbers map[id]map[uint64]bool

func (n numbers) add(i id, first, last uint64) {
	if n[i] == nil {
		n[i] = map[uint64]bool{}
	}
	for s := first; s <= last; s++ {
		n[i][s] = true
	}
}

func (n numbers) has(i id, s uint64) bool { return n[i][s] }

// drain takes everything that the spool would send and says what dropped and closed events in it tell.
func drain(t testing.TB, s *spool.Spool, accept bool) (spooled, dropped numbers, closed map[id]uint64) {
	t.Helper()
	spooled, dropped, closed = numbers{}, numbers{}, map[id]uint64{}
	for _, lane := range event.Lanes {
		var out []*spool.Batch
		for {
			b, _, err := s.Try(t.Context(), lane)
			if err != nil {
				t.Fatal(err)
			}
			if b == nil {
				break
			}
			spooled.add(id{b.Stream, b.Lane}, b.First, b.First+uint64(b.Count)-1)
			tell(t, b.Content, dropped, closed)
			out = append(out, b)
		}
		for _, b := range out {
			if accept {
				s.Accept(b, spool.Watermark{Stream: b.Stream, Lane: b.Lane, Accepted: 0})
			} else {
				s.Again(b)
			}
		}
	}
	return spooled, dropped, closed
}

func tell(t testing.TB, content []byte, dropped numbers, closed map[id]uint64) int {
	t.Helper()
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	plain, err := d.DecodeAll(content, nil)
	if err != nil {
		t.Fatal(err)
	}
	events, err := event.DecodeBatch(plain)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		switch e.Kind {
		case event.Dropped:
			if e.Count != e.Last-e.First+1 || e.Reason == "" {
				t.Errorf("dropped event does not add up: %+v", e)
			}
			dropped.add(id{e.Stream, event.Lane(e.Lane)}, e.First, e.Last)
		case event.Closed:
			i := id{e.Stream, event.Lane(e.Lane)} // more than one start may close it, a later one knowing less
			closed[i] = max(closed[i], e.Last)
		}
	}
	return len(events)
}

// equation checks produced = stored + spooled + dropped to the number.
func equation(t testing.TB, i id, produced uint64, stored, spooled, dropped numbers) {
	t.Helper()
	missing, extra, twice := 0, 0, 0
	var first, last uint64 // missing
	for s := uint64(1); s <= produced; s++ {
		have := stored.has(i, s) || spooled.has(i, s)
		if !have && !dropped.has(i, s) {
			if missing++; missing == 1 {
				first = s
			}
			last = s
		}
		if have && dropped.has(i, s) {
			twice++
		}
	}
	for _, set := range []numbers{stored, spooled, dropped} {
		for s := range set[i] {
			if s > produced {
				extra++
			}
		}
	}
	if missing+extra+twice > 0 {
		t.Errorf("stream %016x lane %s: of %d numbers %d are missing (%d to %d), %d are here and dropped; %d were never given out", i.stream, i.lane, produced, missing, first, last, twice, extra)
	}
}

func TestWhatIsPutComesBackInOrderAndIsFreedWhenSealed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	for i := range 5000 {
		s.Put(ev(event.ProcessExec, fmt.Sprint(i)))
		s.Put(ev(event.FileCreate, fmt.Sprint(i)))
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	next := uint64(1)
	for {
		b, _, err := s.Try(t.Context(), event.Critical)
		if err != nil {
			t.Fatal(err)
		}
		if b == nil {
			break
		}
		if b.First != next || b.Count > event.MaxBatchEvents || len(b.Content) > event.MaxBatchBytes {
			t.Fatalf("batch of %d events at %d, %d bytes; want the next at %d within the bounds", b.Count, b.First, len(b.Content), next)
		}
		next += uint64(b.Count)
		s.Accept(b, spool.Watermark{Stream: b.Stream, Lane: b.Lane, Accepted: next - 1})
	}
	if next != 5001 {
		t.Errorf("got events up to %d; want 5000", next-1)
	}
	if st := s.Stats(); st.Produced != [3]uint64{5000, 0, 5000} || st.Events != 5000 || st.Dropped != 0 {
		t.Errorf("stats %+v; want 5000 still to send", st)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, nil)
	_, _, closed := drain(t, again, true)
	if closed[id{s.Stream(), event.Critical}] != 5000 || closed[id{s.Stream(), event.Bulk}] != 5000 {
		t.Errorf("closed says %v; want both lanes at 5000", closed)
	}
	if got := again.Streams(); len(got) != 2 {
		t.Errorf("Streams = %v; want the two lanes of the first start", got)
	}
	again.Advance(spool.Watermark{Stream: s.Stream(), Lane: event.Critical, Accepted: 5000, Sealed: 5000}, spool.Watermark{Stream: s.Stream(), Lane: event.Bulk, Accepted: 5000, Sealed: 5000})
	if got := again.Streams(); len(got) != 0 {
		t.Errorf("Streams after sealing = %v; want none", got)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestResetSendsAgainWhatTheServerLost(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	defer s.Close()
	for range 4500 {
		s.Put(ev(event.ProcessExec, "x"))
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	drain(t, s, true)
	if spooled, _, _ := drain(t, s, true); len(spooled) != 0 {
		t.Fatalf("after all was accepted there is more to send: %v", spooled)
	}
	s.Reset([]spool.Watermark{{Stream: s.Stream(), Lane: event.Critical, Accepted: 2000, Sealed: 2000}})
	spooled, _, _ := drain(t, s, true)
	i := id{s.Stream(), event.Critical}
	if len(spooled[i]) != 2500 || spooled.has(i, 2000) || !spooled.has(i, 2001) {
		t.Errorf("after a reset to 2000, %d events are sent; want 2001 to 4500", len(spooled[i]))
	}
}

func TestNewComesBeforeOld(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	s.Put(ev(event.ProcessExec, "old"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, nil)
	defer s.Close()
	s.Put(ev(event.ProcessExec, "new"))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	b, err := s.Next(t.Context(), event.Critical)
	if err != nil || b.Stream != s.Stream() {
		t.Errorf("first batch is of stream %x, %v; want this start's", b.Stream, err)
	}
	s.Again(b)
}

func TestBudgetShedsBulkThenNetworkAndSaysExactlyWhat(t *testing.T) {
	s := open(t, t.TempDir(), func(o *spool.Options) { o.MaxBytes, o.SegmentMax = 1<<20, 32<<10 })
	defer s.Close()
	for range 150 {
		for range 2 {
			s.Put(ev(event.FileCreate, noise(1000)))
			s.Put(ev(event.NetConnect, noise(1000)))
			s.Put(ev(event.ProcessExec, noise(1000)))
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	check := func(wantBulk, wantNetwork, wantCritical bool) {
		t.Helper()
		st := s.Stats()
		if st.Bytes > 1<<20 {
			t.Errorf("spool holds %d bytes; want at most its budget", st.Bytes)
		}
		spooled, dropped, _ := drain(t, s, false)
		for _, lane := range event.Lanes {
			equation(t, id{s.Stream(), lane}, st.Produced[lane], nil, spooled, dropped)
		}
		for lane, want := range []bool{event.Critical: wantCritical, event.Network: wantNetwork, event.Bulk: wantBulk} {
			if got := len(dropped[id{s.Stream(), event.Lane(lane)}]) > 0; got != want {
				t.Errorf("lane %s dropped: %v; want %v (%+v)", event.Lane(lane), got, want, st)
			}
		}
	}
	for i := 0; s.Stats().Dropped == 0 && i < 1000; i++ {
		s.Put(ev(event.ProcessExec, noise(1000)))
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	check(true, false, false)
	for range 900 {
		s.Put(ev(event.ProcessExec, noise(1000)))
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	check(true, true, true)
	spooled, _, _ := drain(t, s, false)
	if len(spooled[id{s.Stream(), event.Bulk}])+len(spooled[id{s.Stream(), event.Network}]) > 0 {
		t.Error("critical events were dropped while others were kept")
	}
}

func TestAcceptedBatchesGoFirstAndAreNoLoss(t *testing.T) {
	dir := t.TempDir()
	o := func(o *spool.Options) { o.MaxBytes, o.SegmentMax = 256<<10, 32<<10 }
	s := open(t, dir, o)
	for range 1000 {
		s.Put(ev(event.ProcessExec, noise(1000)))
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		drain(t, s, true)
	}
	if st := s.Stats(); st.Dropped != 0 || st.Freed == 0 || st.Bytes > 256<<10 {
		t.Errorf("stats %+v; want accepted batches freed and nothing dropped", st)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, o)
	defer s.Close()
	if st := s.Stats(); st.Dropped != 0 {
		t.Errorf("after a restart freed batches are taken for lost: %+v", st)
	}
}

func TestDamagedRecordIsQuarantinedAndItsRangeReported(t *testing.T) {
	for name, at := range map[string]func(size int64) int64{
		"content of the first": func(int64) int64 { return 100 },
		"header of the second": func(size int64) int64 { return size/3 + 5 },
		"content of the last":  func(size int64) int64 { return size - 3 },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, nil)
			for range 3 {
				for range 10 {
					s.Put(ev(event.FileCreate, strings.Repeat("x", 10)))
				}
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			files, _ := filepath.Glob(filepath.Join(dir, "2-*.spool"))
			if len(files) != 1 {
				t.Fatalf("files %v", files)
			}
			b, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			b[at(int64(len(b)))] ^= 0x10
			if err := os.WriteFile(files[0], b, 0o600); err != nil {
				t.Fatal(err)
			}
			i := id{s.Stream(), event.Bulk}
			stored, dropped := numbers{}, numbers{}
			for start := range 3 { // the report must not come again with each start
				s = open(t, dir, nil)
				for range 2 { // reading finds damage, flushing reports it
					got, d, closed := drain(t, s, true)
					for k := range got[i] {
						stored.add(i, k, k)
					}
					for k := range d[i] {
						dropped.add(i, k, k)
					}
					if last, ok := closed[i]; ok && last != 30 {
						t.Errorf("closed at %d; want 30", last)
					}
					if err := s.Flush(); err != nil {
						t.Fatal(err)
					}
				}
				if n := s.Stats().Dropped; start > 0 && n > 0 {
					t.Errorf("%d events reported again at start %d", n, start)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			equation(t, i, 30, stored, nil, dropped)
			if len(dropped[i]) != 10 {
				t.Errorf("%d events reported as dropped; want the 10 of the damaged record", len(dropped[i]))
			}
			if q, _ := filepath.Glob(filepath.Join(dir, "quarantine", "*.bad")); len(q) == 0 {
				t.Error("nothing in quarantine")
			}
		})
	}
}

func TestSecondSensorIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	defer s.Close()
	if _, err := spool.Open(dir, spool.Options{Log: quiet()}); !errors.Is(err, spool.ErrLocked) {
		t.Errorf("Open of a folder in use = %v; want %v", err, spool.ErrLocked)
	}
}

func TestEventTooBigIsCutOrCounted(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	defer s.Close()
	s.Put(ev(event.FileCreate, "a"))
	s.Put(ev(event.FileCreate, noise(70<<10))) // a text can be cut, and says so
	s.Put(&event.Event{Kind: event.FileCreate, OS: event.Linux, Extra: make([]byte, 70<<10)})
	s.Put(ev(event.FileCreate, "d"))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	spooled, dropped, _ := drain(t, s, true)
	i := id{s.Stream(), event.Bulk}
	equation(t, i, 4, nil, spooled, dropped)
	if !dropped.has(i, 3) || len(dropped[i]) != 1 {
		t.Errorf("dropped %v; want number 3 alone", dropped[i])
	}
}

func TestFailedSyncKeepsTheBatchElsewhere(t *testing.T) {
	fail := 0
	s := open(t, t.TempDir(), func(o *spool.Options) {
		o.Sync = func(f *os.File) error {
			if fail > 0 {
				fail--
				return syscall.EIO
			}
			return f.Sync()
		}
	})
	defer s.Close()
	for range 20 {
		fail = rand.N(3)
		s.Put(ev(event.ProcessExec, "x"))
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	spooled, dropped, _ := drain(t, s, true)
	equation(t, id{s.Stream(), event.Critical}, 20, nil, spooled, dropped)
	if len(spooled[id{s.Stream(), event.Critical}]) != 20 {
		t.Errorf("%d of 20 events kept", len(spooled[id{s.Stream(), event.Critical}]))
	}
}
