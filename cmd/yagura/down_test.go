package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// idleRate is what an idle host makes, in events per second (docs/benchmarks.md).
const idleRate = 3

// TestServerDownForAnHour kills the server and lets the sensor go on alone. When the server is back, all that
// happened meanwhile arrives: nothing lost, nothing twice. An hour is compressed: the sensor is given in half
// a minute at least the events that an idle host makes in an hour. YAGURA_DOWN=1h takes the hour itself, with
// the events that this machine really makes.
func TestServerDownForAnHour(t *testing.T) {
	needRoot(t)
	down, true1 := 25*time.Second, false
	if s := os.Getenv("YAGURA_DOWN"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		down, true1 = d, true
	}
	h := startHouse(t, "--no-sensor", "--seal-interval", "2s")
	s := h.enrol(filepath.Join(t.TempDir(), "sensor"))
	h.reporting()
	books := booksOf(h, s.data)
	books.note()
	before := s.status()

	h.kill()
	gone := time.Now()
	var stop func()
	if true1 {
		stop = startLoad(t)
		time.Sleep(time.Minute)
		stop()
		for time.Since(gone) < down {
			time.Sleep(10 * time.Second)
			books.note()
			if n := time.Since(gone); n.Truncate(time.Minute) != (n - 10*time.Second).Truncate(time.Minute) {
				t.Logf("%s: %+v", n.Round(time.Second), s.status().Spool)
			}
		}
	} else {
		stop = startStorm(t)
		time.Sleep(down)
		stop()
	}
	said := s.says(10*time.Second, "NOT connected for", "nothing listens at the server's address")
	time.Sleep(time.Second)
	books.note()
	after := s.status()
	made := sum(after.Spool.Produced) - sum(before.Spool.Produced)
	t.Logf("server down for %s: %d events made meanwhile, which an idle host (%d/s) makes in %.1f h; %d wait in %.1f MiB\n%s", time.Since(gone).Round(time.Second),
		made, idleRate, float64(made)/idleRate/3600, after.Spool.Events, float64(after.Spool.Bytes)/(1<<20), said)
	if made < idleRate*3600 && !true1 {
		t.Errorf("%d events are less than an hour of an idle host: the test did not test", made)
	}

	back := time.Now()
	h.start()
	h.eventually(10*time.Minute, "the sensor caught up", func() error {
		if st := s.status(); !st.Connected || st.Spool.Events > 200 {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	t.Logf("caught up %.1f s after the server was started: %.0f events/s", time.Since(back).Seconds(), float64(made)/time.Since(back).Seconds())
	h.reporting()
	a := books.settle(t, 5*time.Minute)
	if a.dropped > 0 {
		t.Errorf("%d events were dropped; the spool had room for all", a.dropped)
	}
	t.Logf("all of it searchable %.1f s after the server was started", time.Since(back).Seconds())
}

func sum(n [3]uint64) uint64 { return n[0] + n[1] + n[2] }

// startStorm makes events as fast as two shells can: short processes and short-lived files, each from a process
// of its own so that no budget holds them back.
func startStorm(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				name := filepath.Join(dir, strconv.Itoa(i)+"-"+strconv.Itoa(n))
				_ = exec.CommandContext(ctx, "/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8; do /bin/true; (echo x >$0-$i; rm $0-$i); done", name).Run()
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}
