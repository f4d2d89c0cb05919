package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// kills is how often each program is killed; the promise is kept for 1,000 and shown here for 20.
const kills = 20

// TestKills kills server and sensor at any moment, under load, and then balances the books:
// produced = stored + spooled + dropped for every stream and lane, and no event is visible twice. What a
// killed sensor produced is what it had made durable: its next start closes the stream at that number.
func TestKills(t *testing.T) {
	needRoot(t)
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
	books.settle(t)
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
	PID    int    `json:"pid"`
	Stream string `json:"stream"`
	Spool  struct {
		Produced [3]uint64 `json:"Produced"`
		Events   uint64    `json:"Events"`
	} `json:"spool"`
}

func sensorStatus(h *house) (s statusJSON) {
	b, err := os.ReadFile(filepath.Join(h.data, "sensor", "status.json"))
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
	h        *house
	produced map[laneOf]uint64 // at least so many numbers were given out, as the sensor's file said
}

func newBooks(h *house) *books { return &books{h: h, produced: map[laneOf]uint64{}} }

func (b *books) note() {
	s := sensorStatus(b.h)
	for lane, n := range s.Spool.Produced {
		if n > 0 {
			k := laneOf{s.Stream, lane}
			b.produced[k] = max(b.produced[k], n)
		}
	}
}

type span struct{ first, last uint64 }

// settle waits until nothing is spooled any more and checks the equation.
func (b *books) settle(t *testing.T) {
	t.Helper()
	b.h.reporting()
	b.note()
	want := maps.Clone(b.produced)
	total := map[laneOf]uint64{}
	b.h.eventually(2*time.Minute, "every number is stored or reported as dropped", func() error {
		stored, dropped, closed, err := b.read()
		if err != nil {
			return err
		}
		current := sensorStatus(b.h).Stream
		for k, n := range want {
			if k.stream != current {
				last, ok := closed[k]
				if !ok && len(stored[k]) > 0 {
					return fmt.Errorf("stream %s lane %d was never closed", k.stream, k.lane)
				}
				if n = last; n == 0 {
					continue
				}
			}
			total[k] = n
			have := append(slices.Clone(dropped[k]), stored[k]...)
			slices.SortFunc(have, func(x, y span) int { return int(int64(x.first) - int64(y.first)) })
			next := uint64(1)
			for _, s := range have {
				if s.first > next {
					return fmt.Errorf("stream %s lane %d: number %d is missing (of %d; stored and dropped: %v)", k.stream, k.lane, next, n, have)
				}
				next = max(next, s.last+1)
			}
			if next <= n {
				return fmt.Errorf("stream %s lane %d ends at %d; %d numbers were given out", k.stream, k.lane, next-1, n)
			}
		}
		return nil
	})
	var events uint64
	for _, n := range total {
		events += n
	}
	if len(total) < kills || events < 1000 {
		t.Errorf("only %d streams and lanes with %d events were made: the test did not test", len(total), events)
	}
	t.Logf("%d streams and lanes, %d events, after %d kills of each program", len(total), events, kills)
}

// read reads all stored events. An id that is answered twice is a visible duplicate.
func (b *books) read() (stored, dropped map[laneOf][]span, closed map[laneOf]uint64, err error) {
	seen := map[string]bool{}
	numbers := map[laneOf][]uint64{}
	dropped, closed = map[laneOf][]span{}, map[laneOf]uint64{}
	out, errOut, code := b.h.try("events", "list", "--json", "--limit", "10000000")
	if code != exitOK {
		return nil, nil, nil, fmt.Errorf("events list: %s", errOut)
	}
	dec := json.NewDecoder(strings.NewReader(out))
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
