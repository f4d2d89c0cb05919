package fault_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/fault"
)

func TestEveryCauseSaysInBothLanguagesWhatAndWhatToDo(t *testing.T) {
	for _, c := range fault.Causes() {
		f := fault.Fault{Cause: c, Subject: "7", Detail: "disk on fire"}
		for _, s := range []detection.Said{f.What(), f.Fix()} {
			if s.En == "" || s.Ja == "" || strings.ContainsAny(s.En+s.Ja, "{}") {
				t.Errorf("%s: %+v", c, s)
			}
		}
		if f.Severity() < detection.Low {
			t.Errorf("%s has no severity", c)
		}
	}
}

func TestAFaultIsCountedShownAfterItsTimeAndRemembersItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fault.NewBoard(nil)
		start := time.Now()
		b.Raise(fault.Seal, "3", errors.New("no space left on device"))
		if got := b.Standing(); len(got) != 0 {
			t.Errorf("a seal that failed once just now stands: %v", got)
		}
		time.Sleep(59 * time.Second)
		b.Raise(fault.Seal, "3", errors.New("no inodes"))
		time.Sleep(time.Second)
		got := b.Standing()
		if len(got) != 1 || got[0].Count != 2 || !got[0].Since.Equal(start) || !strings.Contains(got[0].What().En, "part 3") || !strings.Contains(got[0].What().Ja, "no inodes") {
			t.Fatalf("after a minute of failing seals stands %+v", got)
		}
		b.Clear(fault.Seal, "4")
		if len(b.Standing()) != 1 {
			t.Error("another shard's seal ended this one's fault")
		}
		b.Clear(fault.Seal, "3")
		if len(b.Standing()) != 0 {
			t.Error("a fault stands that was cleared")
		}
		if h := b.Healed(start); len(h) != 1 || !h[0].Healed.Equal(time.Now()) {
			t.Errorf("healed: %+v", h)
		}
		b.Raise(fault.Seal, "3", errors.New("again"))
		b.Clear(fault.Seal, "3")
		if h := b.Healed(start); len(h) != 1 {
			t.Errorf("what lasted no minute was a fault: %+v", h)
		}
	})
}

func TestAFaultThatComesAndGoesIsOneFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := fault.NewBoard(slog.New(slog.NewTextHandler(&out, nil)))
		start := time.Now()
		for range 600 { // ten minutes, as a log that is full for large records and not for small ones
			b.Raise(fault.LogFull, "", errors.New("full"))
			time.Sleep(500 * time.Millisecond)
			b.Clear(fault.LogFull, "")
			time.Sleep(500 * time.Millisecond)
		}
		if h := b.Healed(start); len(h) != 1 || h[0].Count != 600 || !h[0].Since.Equal(start) {
			t.Errorf("healed: %+v", h)
		}
		if n := strings.Count(out.String(), "\n"); n > 12 {
			t.Errorf("it wrote %d lines in ten minutes:\n%s", n, out.String())
		}
	})
}

func TestABoardLogsAFaultOnceAnHourAndHasABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := fault.NewBoard(slog.New(slog.NewTextHandler(&out, nil)))
		for range 3 * 3600 * 10 { // three hours of ten failures a second
			b.Raise(fault.Workers, "", errors.New("exit status 1"))
			time.Sleep(100 * time.Millisecond)
		}
		if n := strings.Count(out.String(), "\n"); n != 3 {
			t.Errorf("three hours of failures wrote %d lines; want 3", n)
		}
		for i := range 100_000 {
			b.Raise(fault.Seal, fmt.Sprint(i), errors.New("x"))
		}
		time.Sleep(time.Hour)
		if n := len(b.Standing()); n > 300 {
			t.Errorf("%d faults stand; there is a bound", n)
		}
		b.ClearAll(fault.Seal)
		if got := b.Standing(); len(got) != 1 || got[0].Cause != fault.Workers {
			t.Errorf("after ClearAll stands %v", got)
		}
		var none *fault.Board
		none.Raise(fault.Seal, "", nil)
		none.Clear(fault.Seal, "")
		if none.Standing() != nil || none.Healed(time.Time{}) != nil {
			t.Error("a nil board has faults")
		}
	})
}

func ExampleBoard() {
	b := fault.NewBoard(nil)
	b.Report(fault.LogFull, "", errors.New("4 GiB of 4 GiB"))
	for _, f := range b.Standing() {
		fmt.Println(f.ID(), f.Severity())
	}
	b.Report(fault.LogFull, "", nil)
	fmt.Println(len(b.Standing()))
	// Output:
	// log-full high
	// 0
}

// TestADetailIsSaidInJapanese: the reason of a fault is an error's text, and stood in English in the Japanese sentence.
func TestADetailIsSaidInJapanese(t *testing.T) {
	b := fault.NewBoard(nil)
	b.Japanese = func(english string) string {
		return strings.ReplaceAll(english, "no space left on device", "ディスクに空きがありません")
	}
	b.Raise(fault.DiskFull, "", errors.New("no space left on device"))
	got := b.Standing()
	if len(got) != 1 || !strings.Contains(got[0].What().Ja, "(ディスクに空きがありません)") || !strings.Contains(got[0].What().En, "(no space left on device)") {
		t.Errorf("the fault reads %+v", got)
	}
}
