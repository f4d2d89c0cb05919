package sight_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/asidetest"
	"github.com/yagura-edr/yagura/internal/sensor/linux/sight"
)

// watcher runs a Sight and remembers what it emits.
type watcher struct {
	Sight  *sight.Sight
	cancel context.CancelFunc
	ended  chan error
	mu     sync.Mutex // guards events
	events []*event.Event
}

// open starts a Sight of its own for one test.
func open(t *testing.T, opts sight.Options) *watcher {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: loads BPF programs")
	}
	w, err := start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// hideSelf leaves the test process unreported, as a sensor leaves itself.
func hideSelf(o *sight.Options) { o.Probe.ReportSelf = false }

func start(opts sight.Options, change ...func(*sight.Options)) (*watcher, error) {
	opts.Probe.ReportSelf = true // what the test does, the test process does
	for _, c := range change {
		c(&opts)
	}
	s, err := sight.Open(context.Background(), opts)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{Sight: s, cancel: cancel, ended: make(chan error, 1)}
	running := make(chan struct{})
	go func() {
		w.ended <- s.Run(ctx, func(e *event.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.events) == 0 {
				close(running)
			}
			kept := *e
			kept.Ancestors, kept.Answers, kept.Lineage = slices.Clone(e.Ancestors), slices.Clone(e.Answers), slices.Clone(e.Lineage)
			w.events = append(w.events, &kept)
		})
	}()
	<-running
	return w, nil
}

func (w *watcher) stop() error {
	w.cancel()
	var err error
	select {
	case err = <-w.ended:
	case <-time.After(time.Minute):
		return errors.New("the sight has not stopped for a minute")
	}
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, w.Sight.Close())
}

// The programs are loaded once for all tests that only look.
var shared struct {
	once sync.Once
	w    *watcher
	err  error
}

func watch(t *testing.T) *watcher {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: loads BPF programs")
	}
	shared.once.Do(func() { shared.w, shared.err = start(sight.Options{}) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.w
}

func TestMain(m *testing.M) {
	asidetest.Daemon()
	if len(os.Args) > 1 {
		if act, ok := acts[os.Args[1]]; ok {
			os.Exit(act(os.Args[2:]))
		}
	}
	code := m.Run()
	if shared.w != nil {
		if err := shared.w.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// find waits for an event that fits.
func (w *watcher) find(t *testing.T, what string, fits func(*event.Event) bool) *event.Event {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		w.mu.Lock()
		for _, e := range w.events {
			if fits(e) {
				w.mu.Unlock()
				return e
			}
		}
		n := len(w.events)
		w.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatalf("no %s among %d events", what, n)
		}
	}
}

func (w *watcher) exec(t *testing.T, pid int) *event.Event {
	t.Helper()
	return w.find(t, "exec of "+strconv.Itoa(pid), func(e *event.Event) bool {
		return e.Kind == event.ProcessExec && e.Actor.PID == uint64(pid)
	})
}

// The tests below run on this host's kernel; pids are those of the first pid namespace, which is where tests
// run too.

func TestExecCarriesWhatTheNewImageIs(t *testing.T) {
	w := watch(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "na\xffme \u202e.bin")
	image, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, image, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "one two", "\xa4\xa2\n\x1b[31m", "")
	cmd.Dir = dir
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	e := w.exec(t, cmd.Process.Pid)
	if e.Actor.Path != program {
		t.Errorf("Path = %q; want %q", e.Actor.Path, program)
	}
	if want := program + " one two \xa4\xa2\n\x1b[31m"; e.Actor.CommandLine != want {
		t.Errorf("CommandLine = %q; want %q", e.Actor.CommandLine, want)
	}
	if e.Actor.Cwd != dir || e.Actor.UserID != "0" || e.Actor.UserName != "root" || e.Actor.EffectiveUserID != "0" {
		t.Errorf("Cwd, user = %q %q %q %q", e.Actor.Cwd, e.Actor.UserID, e.Actor.UserName, e.Actor.EffectiveUserID)
	}
	self, _ := os.Executable()
	if e.Parent.PID != uint64(os.Getpid()) || e.Parent.Path != self {
		t.Errorf("Parent = %d %q; want %d %q", e.Parent.PID, e.Parent.Path, os.Getpid(), self)
	}
	if len(e.Ancestors) == 0 {
		t.Error("no ancestors")
	}
	if e.HashState != event.HashKnown || e.Actor.SHA256 != sha256.Sum256(image) {
		t.Errorf("hash state %d, SHA256 = %x; want that of the file", e.HashState, e.Actor.SHA256)
	}
	var st os.FileInfo
	if st, err = os.Stat(program); err != nil {
		t.Fatal(err)
	}
	if e.File.Size != uint64(st.Size()) || e.File.Links != 1 || e.File.Mode&0o777 != 0o755 {
		t.Errorf("File = %+v", e.File)
	}
}

// has says whether an event that fits was seen already.
func (w *watcher) has(fits func(*event.Event) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.events, fits)
}
