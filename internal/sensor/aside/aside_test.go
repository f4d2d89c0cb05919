package aside_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yagura-edr/yagura/internal/sensor/aside"
)

func TestWhoHangsIsLeftBehindAndOnlySoManyTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, release, late := aside.NewCrew(2), make(chan struct{}), make(chan int, 2)
		hang := func() int { <-release; return 7 }
		begin := time.Now()
		if _, err := aside.Get(c, time.Second, hang, func(n int) { late <- n }); !errors.Is(err, aside.ErrSlow) || time.Since(begin) != time.Second {
			t.Errorf("Get = %v after %s; want %v after 1s", err, time.Since(begin), aside.ErrSlow)
		}
		if got, err := aside.Get(c, time.Second, func() int { return 3 }, nil); got != 3 || err != nil {
			t.Errorf("Get beside one that hangs = %d, %v", got, err)
		}
		begin = time.Now()
		if _, err := aside.Get(c, time.Second, hang, nil); !errors.Is(err, aside.ErrSlow) || time.Since(begin) > time.Second/10 {
			t.Errorf("the second to hang = %v after %s; want a short wait", err, time.Since(begin))
		}
		begin = time.Now()
		if _, err := aside.Get(c, time.Second, func() int { return 3 }, nil); !errors.Is(err, aside.ErrFull) || time.Since(begin) != 0 || c.Out() != 2 {
			t.Errorf("Get of a full crew = %v after %s, %d out", err, time.Since(begin), c.Out())
		}
		close(release)
		synctest.Wait()
		if n := <-late; n != 7 || c.Out() != 0 {
			t.Errorf("late = %d, %d out; want 7 and none", n, c.Out())
		}
		if got, err := aside.Get(c, time.Second, func() int { return 3 }, nil); got != 3 || err != nil {
			t.Errorf("Get when all came back = %d, %v", got, err)
		}
	})
}
