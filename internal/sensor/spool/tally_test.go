package spool_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
)

// leftBehind gives a spool folder as a killed sensor leaves it: ten critical events on disk, and after that
// more numbers given out than were written. A copy of the folder is what a kill would leave.
func leftBehind(t *testing.T, volatile string) (dir string, stream uint64) {
	t.Helper()
	from := filepath.Join(t.TempDir(), "spool")
	s := open(t, from, func(o *spool.Options) { o.Volatile = volatile })
	for range 10 {
		s.Put(ev(event.ProcessExec, "written"))
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 7 {
		s.Put(ev(event.ProcessExec, "in memory"))
		s.Put(ev(event.FileCreate, "in memory"))
	}
	t.Cleanup(func() { _ = s.Close() })
	dir = filepath.Join(t.TempDir(), "spool")
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, dir).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v %s", err, out)
	}
	return dir, s.Stream()
}

func TestWhatAKilledSensorHadNotWrittenIsReported(t *testing.T) {
	dir, stream := leftBehind(t, "")
	for start := range 2 { // the second start has nothing more to say
		s := open(t, dir, nil)
		told := s.Stats().Dropped
		spooled, dropped, closed := drain(t, s, true)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if start == 1 {
			if told != 0 {
				t.Errorf("the second start reports %d numbers again", told)
			}
			continue
		}
		critical, bulk := id{stream, event.Critical}, id{stream, event.Bulk}
		if closed[critical] != 17 || closed[bulk] != 7 || len(spooled[critical]) != 10 {
			t.Errorf("closed at %d and %d with %d events; want 17 and 7 with 10", closed[critical], closed[bulk], len(spooled[critical]))
		}
		equation(t, critical, 17, nil, spooled, dropped)
		equation(t, bulk, 7, nil, spooled, dropped)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.given")); len(left) != 0 {
		t.Errorf("after clean stops there are still %v", left)
	}
}

func TestADamagedTallyIsSaidAndStopsNothing(t *testing.T) {
	for name, harm := range map[string]func([]byte) []byte{
		"empty":        func([]byte) []byte { return nil },
		"cut":          func(b []byte) []byte { return b[:100] },
		"mark":         func(b []byte) []byte { b[0] ^= 1; return b },
		"version":      func(b []byte) []byte { b[4] = 2; return b },
		"other stream": func(b []byte) []byte { b[8] ^= 1; return b },
		"numbers":      func(b []byte) []byte { copy(b[64:], strings.Repeat("\xfe", 48)); return b },
		"zeros":        func(b []byte) []byte { return make([]byte, len(b)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, stream := leftBehind(t, "")
			file := filepath.Join(dir, fmt.Sprintf("%016x.given", stream))
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, harm(b), 0o600); err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			s := open(t, dir, func(o *spool.Options) { o.Log = slog.New(slog.NewTextHandler(&said, nil)) })
			defer s.Close()
			spooled, dropped, closed := drain(t, s, true)
			critical := id{stream, event.Critical}
			if closed[critical] != 10 || len(dropped) != 0 {
				t.Errorf("closed at %d, dropped %v; want 10, what is on disk", closed[critical], dropped)
			}
			equation(t, critical, 10, nil, spooled, dropped)
			if !strings.Contains(said.String(), "tally of a killed sensor damaged") {
				t.Errorf("nobody is told: %s", said.String())
			}
		})
	}
}

func TestATallyInMemoryIsPreferredAndCleanedUp(t *testing.T) {
	volatile, err := os.MkdirTemp("/dev/shm", "yagura-test-*") //nolint:usetesting // it must lie in memory
	if err != nil {
		t.Skipf("no file system in memory: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(volatile) })
	dir := t.TempDir()
	s := open(t, dir, func(o *spool.Options) { o.Volatile = volatile })
	if got := s.Stats().Tally; !strings.HasPrefix(got, volatile) {
		t.Errorf("tally is %q; want it below %s", got, volatile)
	}
	s.Put(ev(event.ProcessExec, "x"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(volatile); len(left) != 0 {
		t.Errorf("a clean stop leaves %v", left)
	}
	// A folder of that name on a disk is no better than the spool's own.
	s = open(t, dir, func(o *spool.Options) { o.Volatile = filepath.Join(t.TempDir(), "run") })
	defer s.Close()
	if got := s.Stats().Tally; filepath.Dir(got) != dir && !strings.HasPrefix(os.TempDir(), "/dev/shm") {
		t.Errorf("tally is %q; want it in %s", got, dir)
	}
}

func TestATallyCutShortUnderUsDoesNotStopTheSensor(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	defer s.Close()
	if err := os.Truncate(s.Stats().Tally, 0); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		s.Put(ev(event.ProcessExec, "x"))
	}
	if st := s.Stats(); st.Tally != "" || st.Produced[event.Critical] != 100 {
		t.Errorf("stats %+v; want 100 events and no tally", st)
	}
}

// TestADiskThatOthersFillCostsNothingWhileTheLineIsUp: whoever fills the disk must not blind the sensor.
func TestADiskThatOthersFillCostsNothingWhileTheLineIsUp(t *testing.T) {
	s := open(t, t.TempDir(), func(o *spool.Options) { o.MinFree = 1 << 60 })
	defer s.Close()
	for range 50 {
		for _, k := range []event.Kind{event.ProcessExec, event.NetConnect, event.FileCreate} {
			for range 20 {
				s.Put(ev(k, "x"))
			}
		}
		_ = s.Flush() // says that the disk is not used
		drain(t, s, true)
	}
	if st := s.Stats(); st.Dropped != 0 || st.Problem == "" {
		t.Errorf("stats %+v; want nothing dropped and the problem named", st)
	}
}
