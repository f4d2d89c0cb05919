package spool_test

import (
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
)

// Others fill the disk. What waits there stays, new batches wait in memory, and nothing is lost until that is full;
// then the lowest lane pays, counted.
func TestOthersWhoFillTheDiskCostNothingWhileMemoryLasts(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	fill := func(of *spool.Spool, kinds ...event.Kind) {
		for range 200 {
			for _, k := range kinds {
				of.Put(ev(k, noise(300)))
			}
		}
		_ = of.Flush() // no room is told by Stats
	}
	fill(s, event.ProcessExec, event.FileCreate)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, func(o *spool.Options) { o.MinFree, o.MaxMemory = 1<<60, 512<<10 })
	fill(s, event.ProcessExec, event.NetConnect, event.FileCreate)
	if st := s.Stats(); st.Dropped != 0 || st.Problem == "" || st.Memory == 0 || st.Bytes == 0 {
		t.Errorf("%+v; want nothing dropped, batches in memory, the problem named", st)
	}
	for range 12 { // more than memory takes, and less than the bulk on disk can make room for
		fill(s, event.ProcessExec)
	}
	produced := s.Stats().Produced
	spooled, dropped, _ := drain(t, s, true)
	for _, lane := range event.Lanes {
		i := id{s.Stream(), lane}
		equation(t, i, produced[lane], numbers{}, spooled, dropped)
		if lane == event.Critical && len(spooled[i]) == 0 {
			t.Error("no critical event is left")
		}
	}
	bulk := 0
	for i := range dropped {
		if i.lane == event.Bulk {
			bulk += len(dropped[i])
		}
	}
	if bulk == 0 {
		t.Error("memory was never full: the test does not test")
	}
	_ = s.Close() // what is in memory found no room
}
