package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// killsOf says how often each program is killed: 20 times, or YAGURA_KILLS for more patience.
func killsOf(t *testing.T) int {
	t.Helper()
	s := os.Getenv("YAGURA_KILLS")
	if s == "" {
		return 20
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestKills kills server and sensor at any moment, under load, and then balances the books:
// produced = stored + spooled + dropped for every stream and lane, and no event is visible twice. What a
// killed sensor produced is what its tally says, to the event; its next start must close the stream there.
func TestKills(t *testing.T) {
	needRoot(t)
	kills := killsOf(t)
	h := startHouse(t, "--seal-interval", "2s")
	h.reporting()
	stop := startLoad(t)
	books := newBooks(h)
	for i := range kills {
		time.Sleep(time.Duration(900+i*83%900) * time.Millisecond)
		books.note()
		if pid := sensorStatus(h).PID; pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(time.Duration(1400+i*131%900) * time.Millisecond)
		books.note()
		h.kill()
		h.start()
	}
	stop()
	h.reporting()
	a := books.settle(t, 4*time.Minute)
	if a.lanes < kills || a.exact < kills || a.produced < uint64(50*kills) {
		t.Errorf("%+v: the test did not test", a)
	}
}

// startLoad makes events until it is stopped: short processes and short-lived files in a folder of its own.
func startLoad(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	dir := t.TempDir()
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			name := filepath.Join(dir, strconv.Itoa(i))
			_ = os.WriteFile(name, []byte("load"), 0o600)
			_ = os.Remove(name)
			_ = exec.CommandContext(ctx, "/bin/true").Run()
			time.Sleep(20 * time.Millisecond)
		}
	})
	return func() { cancel(); wg.Wait() }
}

type statusJSON struct {
	Isolation struct {
		Active  bool   `json:"active"`
		Due     bool   `json:"due"`
		Problem string `json:"problem"`
	} `json:"isolation"`
	PID    int    `json:"pid"`
	Stream string `json:"stream"`
	Spool  struct {
		Produced [3]uint64 `json:"Produced"`
		Events   uint64    `json:"Events"`
		Bytes    int64     `json:"Bytes"`
		Dropped  uint64    `json:"Dropped"`
		Damaged  uint64    `json:"Damaged"`
		Problem  string    `json:"Problem"`
		Tally    string    `json:"Tally"`
	} `json:"spool"`
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`
	Problem   string    `json:"problem"`
	Sent      uint64    `json:"sent"`
}

func sensorStatus(h *house) statusJSON { return readStatus(filepath.Join(h.data, "sensor")) }

func readStatus(dir string) (s statusJSON) {
	b, err := os.ReadFile(filepath.Join(dir, "status.json"))
	if err == nil {
		_ = json.Unmarshal(b, &s)
	}
	return s
}

type laneOf struct {
	stream string
	lane   int
}

// books is the oracle of every data test: what each stream and lane gave out must be in the store, or be
// reported as dropped.
type books struct {
	sensor  string              // its folder
	h       *house              // where it is stored
	shown   map[laneOf]uint64   // at least so many numbers were given out, as status.json said
	tallies map[string]*os.File // by stream, held open: the file outlives its name, and is exact after a kill
}

func newBooks(h *house) *books { return booksOf(h, filepath.Join(h.data, "sensor")) }

func booksOf(h *house, sensor string) *books {
	b := &books{sensor: sensor, h: h, shown: map[laneOf]uint64{}, tallies: map[string]*os.File{}}
	h.t.Cleanup(func() {
		for _, f := range b.tallies {
			_ = f.Close()
		}
	})
	return b
}

// note looks at the running sensor: what it shows, and where its tally is.
func (b *books) note() {
	s := readStatus(b.sensor)
	for lane, n := range s.Spool.Produced {
		if n > 0 {
			k := laneOf{s.Stream, lane}
			b.shown[k] = max(b.shown[k], n)
		}
	}
	if s.Spool.Tally == "" || b.tallies[s.Stream] != nil {
		return
	}
	if f, err := os.Open(s.Spool.Tally); err == nil { // gone: the sensor ended meanwhile
		b.tallies[s.Stream] = f
	}
}

// given reads the tally of a stream, as docs/format/spool.md describes it.
func (b *books) given(stream string) (last [3]uint64, known bool) {
	f := b.tallies[stream]
	if f == nil {
		return last, false
	}
	page := make([]byte, 112)
	if _, err := f.ReadAt(page, 0); err != nil {
		return last, false
	}
	for lane := range last {
		last[lane] = binary.LittleEndian.Uint64(page[64+16*lane:])
	}
	return last, true
}

type span struct{ first, last uint64 }

// account is what the books say when they are settled.
type account struct {
	lanes           int    // streams and lanes with events
	produced        uint64 // numbers given out
	stored, dropped uint64
	exact           int // lanes whose number came from a tally
}

// settle waits until nothing is spooled any more and checks the equation.
func (b *books) settle(t *testing.T, within time.Duration) account {
	t.Helper()
	var a account
	deadline := time.Now().Add(within)
	b.note()                                                                   // once: what a busy host gives out while everything is read would be a goal that moves away
	for wait := 500 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) { // every look reads everything
		start := time.Now()
		var err error
		if a, err = b.balance(); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("every number is stored or reported as dropped: not within %s: %v", within, err)
		}
		t.Logf("books do not balance yet (read in %s): %v", time.Since(start).Round(time.Millisecond), err)
		time.Sleep(wait)
	}
	t.Logf("books: %d streams and lanes (%d by their tally), %d events = %d stored + %d dropped and reported", a.lanes, a.exact, a.produced, a.stored, a.dropped)
	return a
}

func (b *books) balance() (a account, err error) {
	stored, dropped, closed, err := b.read()
	if err != nil {
		return a, err
	}
	current := readStatus(b.sensor).Stream
	produced, err := b.produced(current, stored, closed)
	if err != nil {
		return a, err
	}
	for k, n := range produced {
		if _, exact := b.given(k.stream); exact {
			a.exact++
		}
		a.lanes++
		a.produced += n
		have := append(slices.Clone(dropped[k]), stored[k]...)
		slices.SortFunc(have, func(x, y span) int { return cmp.Compare(x.first, y.first) })
		next := uint64(1)
		for _, s := range have {
			if s.first > next {
				break
			}
			next = max(next, s.last+1)
		}
		if next <= n {
			return a, fmt.Errorf("stream %s lane %d: number %d of %d is neither stored nor dropped (%v)", k.stream, k.lane, next, n, have)
		}
		for _, s := range stored[k] {
			a.stored += min(s.last, n) - min(s.first-1, n)
			if k.stream != current && s.last > n {
				return a, fmt.Errorf("stream %s lane %d: %d is stored, only %d were given out", k.stream, k.lane, s.last, n)
			}
		}
		for _, s := range dropped[k] {
			if s.last > n {
				return a, fmt.Errorf("stream %s lane %d: %d is reported as dropped, only %d were given out", k.stream, k.lane, s.last, n)
			}
		}
	}
	a.dropped = a.produced - a.stored
	return a, nil
}

// produced says how many numbers each stream and lane gave out: what its tally holds, which must be where the
// next start closed it; without a tally, where it was closed. The running stream counts as far as it showed.
func (b *books) produced(current string, stored map[laneOf][]span, closed map[laneOf]uint64) (map[laneOf]uint64, error) {
	all := map[laneOf]uint64{}
	for k := range stored {
		all[k] = 0
	}
	for k := range b.shown {
		all[k] = 0
	}
	for k := range closed {
		all[k] = 0
	}
	for k := range all {
		if k.stream == current {
			all[k] = b.shown[k]
			continue
		}
		last, known := b.given(k.stream)
		switch {
		case known && last[k.lane] != closed[k]:
			return nil, fmt.Errorf("stream %s lane %d gave out %d numbers and is closed at %d", k.stream, k.lane, last[k.lane], closed[k])
		case closed[k] == 0:
			return nil, fmt.Errorf("stream %s lane %d was never closed", k.stream, k.lane)
		case closed[k] < b.shown[k]:
			return nil, fmt.Errorf("stream %s lane %d is closed at %d, the sensor had shown %d", k.stream, k.lane, closed[k], b.shown[k])
		}
		all[k] = closed[k]
	}
	return all, nil
}

// read reads all stored events. An id that is answered twice is a visible duplicate.
func (b *books) read() (stored, dropped map[laneOf][]span, closed map[laneOf]uint64, err error) {
	seen := map[string]bool{}
	numbers := map[laneOf][]uint64{}
	dropped, closed = map[laneOf][]span{}, map[laneOf]uint64{}
	// Read as it comes: an hour is more text than one wants to hold.
	ctx, cancel := context.WithTimeout(b.h.t.Context(), 30*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(b.h.bin, "yagura"), "--data", b.h.data, "events", "list", "--json", "--limit", "100000000")
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, nil, err
	}
	defer func() {
		_, _ = io.Copy(io.Discard, out)
		if werr := cmd.Wait(); werr != nil {
			err = fmt.Errorf("events list: %w %s", werr, errOut.String())
		}
	}()
	dec := json.NewDecoder(bufio.NewReaderSize(out, 1<<20))
	for dec.More() {
		var e struct {
			ID     string            `json:"id"`
			Kind   string            `json:"kind"`
			Fields map[string]string `json:"fields"`
		}
		if err := dec.Decode(&e); err != nil {
			return nil, nil, nil, err
		}
		if seen[e.ID] {
			return nil, nil, nil, fmt.Errorf("event %s is visible twice", e.ID)
		}
		seen[e.ID] = true
		id, err := event.ParseID(e.ID)
		if err != nil {
			return nil, nil, nil, err
		}
		k := laneOf{fmt.Sprintf("%016x", id.Stream), int(id.Lane)}
		numbers[k] = append(numbers[k], id.Seq)
		if e.Kind != "dropped" && e.Kind != "closed" {
			continue
		}
		number := func(field string) uint64 { // a zero field may be left out
			v, _ := strconv.ParseUint(e.Fields[field], 10, 64)
			return v
		}
		about := laneOf{fmt.Sprintf("%016x", number("about_stream")), int(number("about_lane"))}
		if e.Kind == "closed" {
			closed[about] = max(closed[about], number("about_last"))
			continue
		}
		if number("about_first") == 0 || number("about_last") < number("about_first") {
			return nil, nil, nil, fmt.Errorf("dropped event without its range: %v", e.Fields)
		}
		dropped[about] = append(dropped[about], span{number("about_first"), number("about_last")})
	}
	stored = map[laneOf][]span{}
	for k, list := range numbers {
		slices.Sort(list)
		for _, n := range list {
			s := stored[k]
			if len(s) > 0 && s[len(s)-1].last+1 == n {
				s[len(s)-1].last = n
			} else {
				stored[k] = append(s, span{n, n})
			}
		}
	}
	return stored, dropped, closed, nil
}
