package aside_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/sensor/aside"
	"github.com/yagura-edr/yagura/internal/sensor/linux/asidetest"
)

func TestMain(m *testing.M) {
	asidetest.Daemon()
	os.Exit(m.Run())
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
