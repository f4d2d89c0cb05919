package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/identity"
	"github.com/yagura-edr/yagura/internal/sensor/linux/contain"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// throwAway makes a cgroup for one test.
func throwAway(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("isolating needs root")
	}
	root := ""
	for _, at := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(at, "cgroup.procs")); err == nil {
			root = at
		}
	}
	dir := filepath.Join(root, fmt.Sprintf("yagura-test-%d-%d", os.Getpid(), time.Now().UnixNano()))
	if root == "" || os.Mkdir(dir, 0o755) != nil {
		t.Skip("no cgroup2 is mounted here to make a throw-away cgroup in")
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Errorf("throw-away cgroup stays: %v", err)
		}
	})
	return dir
}

// attached says whether a cgroup has the programs of an isolation.
func attached(t *testing.T, dir string) bool {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Error(err)
		return false
	}
	defer f.Close()
	for _, way := range []ebpf.AttachType{ebpf.AttachCGroupInetEgress, ebpf.AttachCGroupInetIngress} {
		r, err := link.QueryPrograms(link.QueryOptions{Target: int(f.Fd()), Attach: way})
		if err != nil || len(r.Programs) == 0 {
			return false
		}
	}
	return true
}

// persisted writes what a sensor leaves that was isolating when its host lost power: the state, and no program.
func persisted(t *testing.T, c Config) {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"until": time.Now().Add(time.Hour), "until_boot_ns": 1, "boot_id": "the boot before", "allow": []string{"127.0.0.9:8444"}, "means": "cgroup",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.isolationFile(), b, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(filepath.Join(c.Data, "bpf"), syscall.MNT_DETACH) })
}

// TestARestartedSensorIsolatesBeforeItLooksAndConnects: 18 s passed on a slow guest between its first connection and the
// isolation that was due.
func TestARestartedSensorIsolatesBeforeItLooksAndConnects(t *testing.T) {
	s := newServer(t)
	c := enrolled(t, s)
	c.Cgroup = throwAway(t)
	persisted(t, c)
	var hellos, early atomic.Int32
	s.hello = func() {
		hellos.Add(1)
		if !attached(t, c.Cgroup) {
			early.Add(1)
		}
	}
	var log bytes.Buffer
	looked := false
	a, err := New(t.Context(), Options{Config: c, Containment: contain.Host{}, Version: "test", Log: slog.New(slog.NewTextHandler(&log, nil)), Look: func(context.Context) (sense.Source, error) {
		looked = attached(t, c.Cgroup)
		return nil, fmt.Errorf("this test does not look")
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !looked {
		t.Error("the probes were opened before the host was isolated")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	eventually(t, "a hello", func() bool { return hellos.Load() > 0 })
	if early.Load() > 0 {
		t.Error("the sensor connected before the host was isolated")
	}
	if st := a.Status(); !st.Isolation.Active || !st.Isolation.Due {
		t.Errorf("status %+v; want isolated", st.Isolation)
	}
	if _, err := a.isolate.Release(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	if err := errors.Join(<-done, a.Close()); err != nil {
		t.Error(err)
	}
}

// TestALostIsolationIsAnEvent: what the isolator tells reaches the server, also when it told it before there was a spool.
func TestALostIsolationIsAnEvent(t *testing.T) {
	s := newServer(t)
	c := enrolled(t, s)
	c.Cgroup = throwAway(t)
	if err := os.WriteFile(c.isolationFile(), []byte("{half"), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, c, nil)
	eventually(t, "an event of it", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, e := range s.events {
			if e.Kind == event.SensorTamper && e.Subject == "isolation" && e.State == "lost" && strings.Contains(e.Reason, "cannot be read") {
				return true
			}
		}
		return false
	})
}

// TestOnlyThePortThatSensorsSpeakToIsKept: behind a proxy that is the proxy's.
func TestOnlyThePortThatSensorsSpeakToIsKept(t *testing.T) {
	s := newServer(t)
	c := enrolled(t, s)
	port := s.http.Listener.Addr().(*net.TCPAddr).Port
	for proxy, want := range map[string]uint16{"": uint16(port), "http://127.0.0.1:3128": 3128, "http://127.0.0.1": 80, "https://127.0.0.1": 443} {
		c.Proxy = proxy
		a := &Agent{o: Options{Config: c}, log: slog.New(slog.DiscardHandler)}
		var err error
		if a.id, err = identity.Load(c.identityDir()); err != nil {
			t.Fatal(err)
		}
		r, err := a.keepReachable(t.Context())
		if err != nil || r.Port != want || len(r.Addrs) != 1 {
			t.Errorf("with proxy %q: %+v, %v; want port %d", proxy, r, err, want)
		}
	}
}
