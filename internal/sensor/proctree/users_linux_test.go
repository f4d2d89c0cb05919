package proctree

import (
	"os"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/asidetest"
)

func TestMain(m *testing.M) {
	asidetest.Daemon()
	os.Exit(m.Run())
}

// TestHungPasswdHoldsNobody: the file of users lies on a file system that does not answer any more.
func TestHungPasswdHoldsNobody(t *testing.T) {
	f := asidetest.Mount(t, map[string][]byte{"passwd": []byte("root:x:0:0::/:/bin/sh\n")})
	tr := New(0, NewUsers(f.Path("passwd")))
	named := func(now time.Duration) (string, time.Duration) {
		e := act(event.NetConnect, 3, 1, now)
		begin := time.Now()
		tr.Apply(e)
		return e.Actor.UserName, time.Since(begin)
	}
	if name, _ := named(time.Second); name != "root" {
		t.Fatalf("name before it hangs = %q", name)
	}
	f.Hang(os.Getpid())
	for i := range 20 {
		if name, took := named(time.Duration(10+5*i) * time.Second); name != "root" || took > 200*time.Millisecond {
			t.Errorf("event %d: name %q after %s", i, name, took)
		}
	}
	if f.Waiting() == 0 {
		t.Error("nobody asked for the file: this proves nothing")
	}
	f.Unmount()
}
