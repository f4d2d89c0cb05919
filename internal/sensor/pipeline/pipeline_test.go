package pipeline_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/pipeline"
)

func who(n int, path string) *event.Process {
	return &event.Process{Key: event.LinuxKey(uint64(n), uint32(n), 1), PID: uint64(n), Path: path}
}

func id(n uint64) pipeline.ID { return pipeline.ID{Dev: 9, Inode: n} }

var none pipeline.ID

func pairs(events []*event.Event) (out []string) {
	for _, e := range events {
		out = append(out, fmt.Sprint(e.Target.Path, ">", e.Actor.Path, e.Upstream))
	}
	return out
}

const ms = uint64(time.Millisecond)

func TestBothOrdersOfTheTwoExecs(t *testing.T) {
	for _, first := range []string{"reader", "writer"} {
		tab := pipeline.New()
		read := func() { tab.Exec(who(2, "/usr/bin/bash"), []pipeline.ID{id(7)}, id(7), none, 5) }
		write := func() { tab.Exec(who(1, "/usr/bin/curl"), nil, none, id(7), 5) }
		if first == "reader" {
			read()
			if got := tab.Ready(6); got != nil {
				t.Fatalf("told without a writer: %v", pairs(got))
			}
			write()
		} else {
			write()
			read()
		}
		if got, want := pairs(tab.Ready(6)), []string{"/usr/bin/curl>/usr/bin/bash[/usr/bin/curl]"}; !slices.Equal(got, want) {
			t.Errorf("%s first: %v; want %v", first, got, want)
		}
	}
}

func TestWriterThatIsGoneOrNeverCalledExec(t *testing.T) {
	tab := pipeline.New()
	tab.Exit(who(1, "/usr/bin/bash"), none, id(7), 1) // echo … |
	tab.Exec(who(2, "/usr/bin/base64"), []pipeline.ID{id(7)}, id(7), id(8), 2)
	tab.Exec(who(3, "/usr/bin/dash"), []pipeline.ID{id(8)}, id(8), none, 3)
	if got, want := pairs(tab.Ready(4)), []string{"/usr/bin/base64>/usr/bin/dash[/usr/bin/base64 /usr/bin/bash]"}; !slices.Equal(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
}

func TestWaitsForTheRestOfThePipeline(t *testing.T) {
	tab := pipeline.New()
	tab.Exec(who(3, "/usr/bin/dash"), []pipeline.ID{id(8)}, id(8), none, 1)
	tab.Exec(who(2, "/usr/bin/base64"), []pipeline.ID{id(7)}, id(7), id(8), 2)
	if got := tab.Ready(3); got != nil || !tab.Waits() {
		t.Fatalf("told before its beginning was known: %v", pairs(got))
	}
	tab.Exec(who(1, "/usr/bin/curl"), nil, none, id(7), 4)
	if got, want := pairs(tab.Ready(5)), []string{"/usr/bin/base64>/usr/bin/dash[/usr/bin/base64 /usr/bin/curl]"}; !slices.Equal(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
	// The whole input of a script is a pipe of somebody who never shows: told after the wait all the same.
	tab.Exec(who(5, "/usr/bin/curl"), nil, id(99), id(9), 10)
	tab.Exec(who(6, "/usr/bin/bash"), []pipeline.ID{id(9)}, id(9), none, 11)
	if got := tab.Ready(11 + 199*ms); got != nil {
		t.Errorf("told too early: %v", pairs(got))
	}
	if got := tab.Ready(11 + 201*ms); len(got) != 1 || tab.Waits() {
		t.Errorf("after the wait: %v", pairs(got))
	}
}

func TestOnlyWhatRunsOrCarriesAwayIsTold(t *testing.T) {
	for path, want := range map[string]int{
		"/usr/bin/bash": 1, "/usr/bin/python3.11": 1, "/usr/bin/php8.2": 1, "/usr/bin/nc.openbsd": 1, "/usr/bin/ssh": 1, "/usr/bin/x86_64-linux-gnu-as": 0,
		"/usr/bin/grep": 0, "/usr/bin/sed": 0, "/usr/bin/tee": 0, "/usr/bin/less": 0, "/usr/bin/mawk": 0, "/tmp/.x/reader": 1, "/memfd:a": 1, "/usr/bin/shuf": 0, "/usr/bin/pythonista": 0,
	} {
		tab := pipeline.New()
		tab.Exec(who(1, "/usr/bin/curl"), nil, none, id(7), 1)
		tab.Exec(who(2, path), []pipeline.ID{id(7)}, id(7), none, 2)
		if got := tab.Ready(3); len(got) != want {
			t.Errorf("read by %s: %v; want %d", path, pairs(got), want)
		}
	}
	tab := pipeline.New()
	tab.Exec(who(1, "/usr/bin/curl"), nil, none, id(7), 1)
	tab.Exec(&event.Process{Key: event.LinuxKey(2, 2, 1), Path: "/usr/bin/evil.bin", Invoked: "/bin/sh"}, []pipeline.ID{id(7)}, id(7), none, 2)
	if got := tab.Ready(3); len(got) != 1 {
		t.Errorf("asked for as sh: %v", pairs(got))
	}
}

func TestFirstReaderCountsAndWhatItBecomes(t *testing.T) {
	tab := pipeline.New()
	tab.Exec(who(1, "/usr/bin/curl"), nil, none, id(7), 1)
	tab.Exec(who(2, "/usr/bin/sudo"), []pipeline.ID{id(7)}, id(7), none, 2)
	tab.Exec(who(3, "/usr/bin/bash"), []pipeline.ID{id(7)}, id(7), none, 3)
	tab.Exec(who(4, "/usr/bin/python3"), []pipeline.ID{id(7)}, id(7), none, 4) // started by bash: it inherits the pipe
	tab.Exec(who(3, "/usr/bin/perl"), []pipeline.ID{id(7)}, id(7), none, 5)    // what bash becomes
	want := []string{"/usr/bin/curl>/usr/bin/bash[/usr/bin/curl]", "/usr/bin/curl>/usr/bin/perl[/usr/bin/curl]"}
	if got := pairs(tab.Ready(6)); !slices.Equal(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
}

// A loop that runs the same pair ten thousand times must not fill the critical lane.
func TestNoiseAndMemoryAreBounded(t *testing.T) {
	tab := pipeline.New()
	n := 0
	for i := range 20000 {
		now := uint64(i) * ms
		tab.Exec(who(2*i+1, "/usr/bin/cat"), nil, none, id(uint64(i)), now)
		tab.Exec(who(2*i+2, "/usr/bin/perl"), []pipeline.ID{id(uint64(i))}, id(uint64(i)), none, now)
		n += len(tab.Ready(now))
	}
	if n < 30 || n > 50 {
		t.Errorf("%d events of 20,000 equal pairs in 20 s; want about 40", n)
	}
	if tab.Len() > 1024 {
		t.Errorf("%d pipes kept; want at most 1024", tab.Len())
	}
}

func TestNamedPipeIsUsedAgain(t *testing.T) {
	tab := pipeline.New()
	fifo := pipeline.ID{Dev: 8, Inode: 5, FIFO: true}
	for i := range 3 {
		now := []uint64{0, uint64(2 * time.Second), uint64(2*time.Second) + 5*ms}[i] // after a while, and at once
		tab.Exec(who(10*i+1, "/usr/bin/cat"), nil, none, fifo, now)
		tab.Exec(who(10*i+2, "/usr/bin/bash"), []pipeline.ID{fifo}, fifo, none, now)
		if i == 0 {
			tab.Exec(who(10*i+3, "/usr/bin/python3"), []pipeline.ID{fifo}, fifo, none, now+1)
		}
		if got, want := pairs(tab.Ready(now+2)), []string{"/usr/bin/cat>/usr/bin/bash[/usr/bin/cat]"}; !slices.Equal(got, want) {
			t.Errorf("use %d: %v; want %v", i, got, want)
		}
	}
}

// The reader of the next use comes within a second of the last one's, its writer after it: a busy machine.
func TestReaderOfTheNextUseIsKeptUntilItsWriterComes(t *testing.T) {
	tab := pipeline.New()
	fifo := pipeline.ID{Dev: 8, Inode: 5, FIFO: true}
	tab.Exec(who(1, "/usr/bin/bash"), []pipeline.ID{fifo}, fifo, none, 0)
	tab.Exec(who(2, "/usr/bin/cat"), nil, none, fifo, 1*ms)
	tab.Ready(2 * ms)
	tab.Exec(who(3, "/usr/bin/dash"), []pipeline.ID{fifo}, fifo, none, 900*ms)
	tab.Exec(who(4, "/usr/bin/curl"), nil, none, fifo, 1100*ms)
	if got, want := pairs(tab.Ready(2000*ms)), []string{"/usr/bin/curl>/usr/bin/dash[/usr/bin/curl]"}; !slices.Equal(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
}
