package aside_test

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yagura-edr/yagura/internal/sensor/aside"
	"github.com/yagura-edr/yagura/internal/sensor/linux/asidetest"
)

func TestMain(m *testing.M) {
	asidetest.Daemon()
	os.Exit(m.Run())
}

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

// TestHungFileSystem is a test of the means of the other tests.
func TestHungFileSystem(t *testing.T) {
	f := asidetest.Mount(t, map[string][]byte{"a": []byte("hello")})
	if b, err := os.ReadFile(f.Path("a")); string(b) != "hello" || err != nil {
		t.Fatalf("read = %q, %v", b, err)
	}
	f.Hang(os.Getpid())
	c := aside.NewCrew(2)
	read := func() string { b, _ := os.ReadFile(f.Path("a")); return string(b) }
	late := make(chan string, 2)
	if got, err := aside.Get(c, 100*time.Millisecond, read, func(s string) { late <- s }); !errors.Is(err, aside.ErrSlow) {
		t.Fatalf("read of a hung file system = %q, %v", got, err)
	}
	f.Heal()
	if s := <-late; s != "hello" {
		t.Errorf("read after it healed = %q", s)
	}
	f.Hang(0)
	if got, err := aside.Get(c, 100*time.Millisecond, read, func(s string) { late <- s }); !errors.Is(err, aside.ErrSlow) {
		t.Fatalf("read = %q, %v", got, err)
	}
	f.Unmount()
	if s := <-late; s != "" {
		t.Errorf("read of what was unmounted = %q", s)
	}
}
