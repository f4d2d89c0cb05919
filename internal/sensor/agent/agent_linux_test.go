package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/sensor/linux/contain"
	"github.com/yagura-edr/yagura/internal/sensor/linux/sight"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
)

// The test binary is its own canary, as the sensor is.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "canary" {
		if err := BeCanary(context.Background(), os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) == 4 && os.Args[1] == "probe" {
		fmt.Println(contain.ProbeOut(context.Background(), sense.Target{Addr: netip.MustParseAddrPort(os.Args[2]), Device: os.Args[3]}))
		return
	}
	os.Exit(m.Run())
}

func enrolled(t *testing.T, s *server) Config {
	t.Helper()
	c := Defaults()
	c.Data = t.TempDir()
	tok, err := command.ParseToken(s.token())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := uplink.Enroll(t.Context(), c.IdentityDir(), tok, uplink.Facts{}, uplink.Proxy{}); err != nil {
		t.Fatal(err)
	}
	return c
}

func start(t *testing.T, c Config, src sense.Source) (a *Agent, stop func()) {
	t.Helper()
	o := Options{Config: c, Containment: contain.Host{}, Version: "test", Log: slog.New(slog.DiscardHandler), Blind: "this test does not look"}
	if src != nil {
		o.Source = src
	}
	a, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := errors.Join(<-done, a.Close()); err != nil {
				t.Errorf("Run and Close = %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return a, stop
}

func victim(t *testing.T) (*exec.Cmd, command.KillArguments) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sleep", "300")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var ticks uint64
	_, _ = fmt.Sscan(strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))[19], &ticks)
	return cmd, command.KillArguments{Process: event.LinuxKey(ticks*10_000_000+5, uint32(cmd.Process.Pid), readFacts("").bootTag).String()}
}

// TestCommandsAreObeyedOrRefusedAndReported is the whole chain on one sensor.
func TestCommandsAreObeyedOrRefusedAndReported(t *testing.T) {
	s := newServer(t)
	c := enrolled(t, s)
	c.Forbid = []string{"suspend"}
	_, stop := start(t, c, nil)
	cmd, args := victim(t)

	for name, one := range map[string]struct {
		nonce string
		want  command.Reason
	}{
		"expired": {s.order(t, command.Kill, args, func(c *command.Command) {
			c.NotBefore, c.Expiry = c.NotBefore.Add(-time.Hour), c.NotBefore.Add(-time.Minute*55)
		}, s.operator), command.Expired},
		"foreign tenant":   {s.order(t, command.Kill, args, func(c *command.Command) { c.Tenant[0]++ }, s.operator), command.ForeignTenant},
		"foreign host":     {s.order(t, command.Kill, args, func(c *command.Command) { c.Hosts[0][0]++ }, s.operator), command.ForeignHost},
		"the server's key": {s.order(t, command.Kill, args, nil, s.authority), command.UnknownKey},
	} {
		if o := s.outcome(t, one.nonce); o.State != command.Refused || !strings.Contains(string(o.Proof), string(one.want)) {
			t.Errorf("%s: %+v; want refused as %s", name, o, one.want)
		}
	}
	if o := s.outcome(t, s.order(t, command.Suspend, args, nil, s.operator)); o.State != command.Failed || !strings.Contains(o.Detail, "forbids suspend") {
		t.Errorf("what the host forbids: %+v", o)
	}
	b, _ := command.EncodeArguments(args)
	order, err := command.New(ours, 1, 1, command.Kill, b, time.Now(), time.Minute, here)
	if err != nil {
		t.Fatal(err)
	}
	canonical := order.Canonical()
	s.send(canonical, b, command.Sign(canonical, s.operator))
	if o := s.outcome(t, order.Nonce.String()); o.State != command.Done || !strings.Contains(string(o.Proof), `"state":"exited"`) {
		t.Errorf("kill: %+v", o)
	}
	_ = cmd.Wait()
	// The same command again, by whoever recorded it. Until the sensor has seen its outcome confirmed, a
	// repeat is answered with that outcome, so it is sent until the confirmation is through.
	eventually(t, "the replay refused", func() bool {
		s.send(canonical, b, command.Sign(canonical, s.operator))
		time.Sleep(50 * time.Millisecond)
		s.mu.Lock()
		defer s.mu.Unlock()
		all := s.outcomes[order.Nonce.String()]
		return strings.Contains(string(all[len(all)-1].Proof), string(command.Replayed))
	})
	stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.down {
		t.Error("the sensor did not sign off")
	}
	kinds := map[event.Kind]int{}
	for _, e := range s.events {
		kinds[e.Kind]++
	}
	if kinds[event.SensorStart] != 1 || kinds[event.SensorStop] != 1 || kinds[event.SensorCapability] != len(classes) {
		t.Errorf("events %v; want start, stop, and that every class is blind", kinds)
	}
	if _, err := os.Stat(filepath.Join(c.Data, "status.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("status file stays: %v", err)
	}
}

// TestCommandCutOffByACrashIsUnknownAndNeverRunAgain: the nonce was taken, then the sensor went down.
func TestCommandCutOffByACrashIsUnknownAndNeverRunAgain(t *testing.T) {
	s := newServer(t)
	c := enrolled(t, s)
	cmd, args := victim(t)
	b, _ := command.EncodeArguments(args)
	order, err := command.New(ours, 1, 1, command.Kill, b, time.Now(), time.Minute, here)
	if err != nil {
		t.Fatal(err)
	}
	j, err := openJournal(c.journalFile(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if fresh, err := j.Use(t.Context(), order.Nonce, order.Expiry); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(c.journalFile(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString(`{"nonce":"torn`) // the crash cut a line short
	_ = f.Close()

	start(t, c, nil)
	if o := s.outcome(t, order.Nonce.String()); o.State != command.Unknown {
		t.Errorf("outcome %+v; want unknown", o)
	}
	// Still valid, sent again, until the sensor knows its outcome confirmed and refuses the repeat.
	eventually(t, "the second sending refused", func() bool {
		s.send(order.Canonical(), b, command.Sign(order.Canonical(), s.operator))
		time.Sleep(50 * time.Millisecond)
		s.mu.Lock()
		defer s.mu.Unlock()
		all := s.outcomes[order.Nonce.String()]
		return all[len(all)-1].State == command.Refused
	})
	if st, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid)); err != nil || strings.Contains(string(st), ") Z") {
		t.Errorf("the command was run again: %s, %v", st, err)
	}
}

// TestIsolateAndReleaseByCommand acts on a throw-away cgroup alone; times are from sending to the outcome.
func TestIsolateAndReleaseByCommand(t *testing.T) {
	root := "/sys/fs/cgroup/unified"
	if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil {
		root = "/sys/fs/cgroup"
	}
	cg := filepath.Join(root, fmt.Sprintf("yagura-agent-test-%d", os.Getpid()))
	if err := os.Mkdir(cg, 0o755); err != nil {
		t.Skipf("cannot make a cgroup here: %v", err)
	}
	defer func() {
		if err := os.Remove(cg); err != nil {
			t.Error(err)
		}
	}()
	if _, err := os.Stat(filepath.Join(cg, "cgroup.procs")); err != nil {
		t.Skip("no cgroup2 here")
	}
	s := newServer(t)
	c := enrolled(t, s)
	c.Cgroup = cg
	a, stop := start(t, c, nil)
	inside := func() string {
		return contain.ProbeInside(t.Context(), cg, sense.Target{Addr: netip.MustParseAddrPort("192.0.2.1:9")})
	}
	before := inside()
	if before != "left the host" {
		t.Skipf("this machine has no route that could be denied: %s", before)
	}
	var in, kill []float64
	for range 20 {
		begin := time.Now()
		o := s.outcome(t, s.order(t, command.Isolate, command.IsolateArguments{Seconds: 60}, nil, s.operator))
		in = append(in, float64(time.Since(begin).Microseconds())/1000)
		if o.State != command.Done || !strings.Contains(string(o.Proof), `"denied_probe":"denied"`) || !strings.Contains(string(o.Proof), "connected to 127.0.0.1") {
			t.Fatalf("isolate: %+v %s", o, o.Proof)
		}
		if got := inside(); got != "denied" {
			t.Errorf("a packet from inside: %s", got)
		}
		if st := a.Status().Isolation; !st.Active || st.Denied == 0 {
			t.Errorf("status %+v", st)
		}
		if o := s.outcome(t, s.order(t, command.Release, command.ReleaseArguments{}, nil, s.operator)); o.State != command.Done {
			t.Fatalf("release: %+v", o)
		}
		_, args := victim(t)
		begin = time.Now()
		if o := s.outcome(t, s.order(t, command.Kill, args, nil, s.operator)); o.State != command.Done {
			t.Fatalf("kill: %+v", o)
		}
		kill = append(kill, float64(time.Since(begin).Microseconds())/1000)
	}
	slices.Sort(in)
	slices.Sort(kill)
	t.Logf("from sending to the signed outcome, 20 runs: isolate median %.1f ms, p95 %.1f ms; kill median %.1f ms, p95 %.1f ms", in[10], in[18], kill[10], kill[18])
	stop()
}

// On a host so slow that the canary did not end in time, the sensor kept its word to itself, and the server took
// our own canary for somebody who plays one.
func TestCanaryThatWasCutShortIsClaimedAllTheSame(t *testing.T) {
	s := newServer(t)
	a, _ := start(t, enrolled(t, s), nil)
	const nonce = "cut-short-nonce"
	key := event.Key{7}
	a.o.Canary = func(context.Context, string) (int, error) {
		a.canary.look(&event.Event{
			Kind: event.ProcessExec, Actor: event.Process{Key: key, CommandLine: "yagura-sensor canary " + nonce},
			Parent: event.Process{PID: uint64(os.Getpid())},
		})
		return 4711, context.DeadlineExceeded
	}
	if err := a.runCanary(t.Context(), nonce); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("runCanary = %v; want what went wrong", err)
	}
	eventually(t, "sensor.canary", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.ContainsFunc(s.events, func(e *event.Event) bool {
			return e.Kind == event.SensorCanary && e.Nonce == nonce && e.Target.Key == key
		})
	})
}

// TestCanaryTravelsFromTheKernel: nonce in, the canary's own exec, file and connection out, with the key the
// sensor reported for it.
func TestCanaryTravelsFromTheKernel(t *testing.T) {
	eye, err := sight.Open(t.Context(), sight.Options{})
	if err != nil {
		t.Skipf("cannot see this kernel: %v", err)
	}
	defer eye.Close()
	s := newServer(t)
	c := enrolled(t, s)
	a, stop := start(t, c, eye)
	nonce := "test-" + fmt.Sprint(time.Now().UnixNano())
	begin := time.Now()
	s.items <- &sensorv1.AttendResponse{Item: &sensorv1.AttendResponse_Nonce{Nonce: nonce}}
	var key event.Key
	eventually(t, "sensor.canary", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, e := range s.events {
			if e.Kind == event.SensorCanary && e.Nonce == nonce {
				key = e.Target.Key
			}
		}
		return key != event.Key{}
	})
	t.Logf("canary reported after %s", time.Since(begin).Round(time.Millisecond))
	seen := map[event.Kind]bool{}
	eventually(t, "all four acts of the canary", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, e := range s.events {
			if e.Actor.Key == key {
				seen[e.Kind] = true
			}
		}
		return seen[event.ProcessExec] && seen[event.FileCreate] && seen[event.FileDelete] && seen[event.NetConnect]
	})
	eventually(t, "a status file", func() bool {
		st, err := ReadStatus(c)
		return err == nil && st.Connected && st.Seen > 0
	})
	stop()
	if st := a.spool.Stats(); st.Dropped != 0 {
		t.Errorf("dropped %d events", st.Dropped)
	}
	if _, err := ReadStatus(c); !errors.Is(err, ErrNotRunning) {
		t.Errorf("ReadStatus after the stop = %v; want %v", err, ErrNotRunning)
	}
}
