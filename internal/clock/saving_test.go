package clock

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/durable"
)

// What Run had read before an operator confirmed the clock was still on its way to the disk then, came to lie over the
// confirmation, and after a restart of the server the clock was not believed again.
func TestAConfirmedClockIsNotOverwrittenByWhatWasBelievedBefore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock.json")
	r := Reading{Wall: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), Up: time.Hour, Boot: "a"}
	read := func() Reading { return r }
	c, err := Open(file, time.Time{}, read)
	if err != nil {
		t.Fatal(err)
	}
	r.Wall = r.Wall.Add(1000 * time.Hour)
	if !c.State().Jumped {
		t.Fatal("the jump is not seen")
	}
	writing := make(chan struct{})
	var second atomic.Bool
	c.replace = func(path string, b []byte) error {
		if !second.Swap(true) {
			close(writing)
			time.Sleep(200 * time.Millisecond)
		}
		return durable.Replace(path, b)
	}
	var run sync.WaitGroup
	run.Go(func() { _ = c.save() })
	<-writing
	if err := c.Confirm(); err != nil {
		t.Fatal(err)
	}
	run.Wait()
	if c, err = Open(file, time.Time{}, read); err != nil || c.State().Jumped {
		t.Errorf("after a restart the confirmed clock is %+v, %v", c.State(), err)
	}
}
