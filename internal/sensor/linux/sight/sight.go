// Package sight is what the sensor sees: it joins the probes, the process tree and the hashing of images into
// one stream of ready events. The agent runs it and sends what it emits; `watch` prints it. It decides nothing
// about transport, spooling or rules.
package sight

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/aside"
	"github.com/yagura-edr/yagura/internal/sensor/image"
	"github.com/yagura-edr/yagura/internal/sensor/linux/lineage"
	"github.com/yagura-edr/yagura/internal/sensor/linux/probe"
	"github.com/yagura-edr/yagura/internal/sensor/origin"
	"github.com/yagura-edr/yagura/internal/sensor/pipeline"
	"github.com/yagura-edr/yagura/internal/sensor/proctree"
	"github.com/yagura-edr/yagura/internal/sensor/scan"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// Options of Open. The zero value is what a host wants.
type Options struct {
	Log   *slog.Logger
	Probe probe.Options
	Image image.Options
	Slots int // of the process tree; 0 for its default
}

// Sight holds the attached probes.
type Sight struct {
	log   *slog.Logger
	probe *probe.Probe
	tree  *proctree.Tree
	pipes *pipeline.Table // under mu
	scans *scan.Table     // only the probes' goroutine knows it
	judge *lineage.Judge
	// Who may wait for a file system: the judge for programs of the host's root, for those of other roots, and the look for a number.
	judges  [2]*aside.Crew
	numbers *aside.Crew
	hasher  *image.Hasher
	watch   watch

	originsMu sync.Mutex // guards origins
	origins   *origin.Table

	mu   sync.Mutex // guards emit and the holding area: events leave one at a time
	emit func(*event.Event)
	held map[event.Key]*hold
	n    int
	// alarm is when expire looks at held and at pipes; it runs while something waits there.
	alarm *time.Timer
	armed bool

	synced time.Time // of the last resync; only the probes' goroutine touches it
}

// Open attaches the probes. The caller ends with Close.
func Open(ctx context.Context, opts Options) (*Sight, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Probe.Log == nil {
		opts.Probe.Log = opts.Log
	}
	p, err := probe.Open(ctx, opts.Probe)
	if err != nil {
		return nil, fmt.Errorf("open probes: %w", err)
	}
	alarm := time.NewTimer(time.Hour)
	alarm.Stop()
	s := &Sight{
		log: opts.Log, probe: p, tree: proctree.New(opts.Slots, proctree.NewUsers("/etc/passwd")),
		hasher: image.New(opts.Image), held: map[event.Key]*hold{}, alarm: alarm,
		pipes: pipeline.New(), origins: origin.New(), scans: scan.New(),
		judges: [2]*aside.Crew{aside.NewCrew(maxJudges), aside.NewCrew(maxJudges)}, numbers: aside.NewCrew(2),
	}
	s.judge = lineage.New("/", s.wrote)
	return s, nil
}

var _ sense.Source = (*Sight)(nil)

// Close detaches the probes. Run must have returned.
func (s *Sight) Close() error { return s.probe.Close() }

// Capabilities says what can be seen, by class.
func (s *Sight) Capabilities() []sense.Capability { return s.watch.lower(s.probe.Capabilities()) }

// Hung gives how many workers wait for file systems that do not answer.
func (s *Sight) Hung() int {
	n, _ := s.hasher.Hung()
	return n
}

// Names says where the last name of a file comes from that a call changes by path: probe.NamesKernel and so on.
func (s *Sight) Names() string { return s.probe.Names() }

// Counters says what became of the acts seen, by class.
func (s *Sight) Counters() (map[string]sense.Counters, error) { return s.probe.Counters() }

// RunTimes says how long each kernel program ran, for benchmarks.
func (s *Sight) RunTimes() map[string]probe.RunTime { return s.probe.RunTimes() }

// Detach takes one class's hooks off the kernel.
func (s *Sight) Detach(group string) error { return s.probe.Detach(group) }

// Process gives what is known of a process.
func (s *Sight) Process(key event.Key) (event.Process, bool) { return s.tree.Process(key) }

// Running gives the process that has this pid now, as far as its fork or exec was seen.
func (s *Sight) Running(pid uint64) (event.Process, bool) { return s.tree.Running(pid) }

// Below gives the processes that live and descend from one, by what was recorded.
func (s *Sight) Below(key event.Key) []event.Process { return s.tree.Below(key) }

// CatchUp waits until what the kernel recorded up to now of processes is known here.
func (s *Sight) CatchUp(ctx context.Context) error { return s.probe.CatchUp(ctx) }

// Run emits one sensor.capability per class, one process.running per process there is, and from then on what
// happens, until ctx ends. emit is called by one goroutine at a time and must be quick: while it blocks, the
// rings fill. Events of one process leave in their order. An event and its lists are used again when emit returns:
// who keeps one copies it. Its texts stay.
func (s *Sight) Run(ctx context.Context, emit func(*event.Event)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	s.emit = emit
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(errStopped)
	wg.Go(func() { _ = s.hasher.Run(ctx) })
	wg.Go(func() { s.expire(ctx) })
	wg.Go(func() { s.keepWatch(ctx) })

	take := func(e *event.Event) { s.take(ctx, e) }
	for _, e := range s.CapabilityEvents() {
		s.ready(e)
	}
	if err := s.probe.Snapshot(ctx, take); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.log.WarnContext(ctx, "processes that already run are not known", slog.Any("err", err))
	}
	err := s.probe.Run(ctx, take)
	s.flush()
	return err
}

var errStopped = errors.New("the sensor's sight stopped")

// CapabilityEvents gives one sensor.capability event per class, for a start and for a reconnect.
func (s *Sight) CapabilityEvents() []*event.Event {
	var all []*event.Event
	for _, c := range s.Capabilities() {
		boot, host := s.probe.Now()
		all = append(all, &event.Event{
			Kind: event.SensorCapability, OS: event.Linux, BootNS: boot, HostTime: host,
			Subject: c.Class, State: c.State, Reason: c.Reason,
		})
	}
	return all
}

func (s *Sight) ready(e *event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emit(e)
}

// take completes a raw event and lets it go, or holds it for the hash of its image.
func (s *Sight) take(ctx context.Context, e *event.Event) {
	// Lost, or seen again after it was not: what happened meanwhile shows in what runs now.
	if e.Subject == "process" && (e.Kind == event.SensorLoss || e.Kind == event.SensorCapability && e.State == sense.StateFull) {
		s.ready(e)
		s.resync(ctx)
		return
	}
	now := e.BootNS
	if e.Kind == event.MemProcWrite {
		actor, n := e.Actor.PID, e.Target.PID
		e.Target.PID, _ = aside.Get(s.numbers, numberWait, func() uint64 { return hostPID("/proc", actor, n) }, nil)
	}
	var logon *event.Event
	if e.Kind == event.ProcessExec || e.Kind == event.ProcessRunning {
		logon = s.tree.Run(e, s.role(e))
	} else {
		logon = s.tree.Apply(e)
	}
	s.origin(e)
	found := s.scans.See(e, e.Kind == event.NetConnect && e.Reason != "")
	if e.Actor.PID == uint64(s.probe.Self()) && e.Kind == event.ProcessFork {
		s.probe.Free(e)
		return // the tree knows the child; the sensor's own acts are no news
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.joinPipes(e) // before e leaves: it is used again then
	if e.Kind == event.ProcessExec {
		s.exec(e)
	} else {
		s.pass(e)
	}
	if logon != nil {
		s.pass(logon)
	}
	if found != nil {
		s.pass(found)
	}
	s.tellPipes(now)
}

// role judges a program that may have one. It waits for the files of it a bounded while: a role that is found later is the
// process's own from then on, and until then it has none.
func (s *Sight) role(e *event.Event) *proctree.Role {
	root, host := s.probe.Root(), s.probe.HostRoot()
	ask := s.judge.Ask(e, root, host, s.probe.Arguments())
	if ask == nil {
		return nil
	}
	crew := s.judges[0]
	if root != host {
		crew = s.judges[1]
	}
	key, execID := e.Actor.Key, e.Actor.ExecID
	role, err := aside.Get(crew, judgeWait, ask, func(r *lineage.Role) { s.tree.SetRole(key, execID, carried(r)) })
	if err != nil {
		s.log.Debug("role of a program not known", slog.String("program", e.Actor.Path), slog.Any("err", err))
	}
	return carried(role)
}

// carried gives a role as the tree carries it; nil for none.
func carried(r *lineage.Role) *proctree.Role {
	if r == nil {
		return nil
	}
	return &proctree.Role{Name: r.Name, Scope: r.Scope, Inside: r.Inside}
}

// resync looks for processes that a loss of forks and execs hid, and reports those that are news as recovered.
// It runs between two drains, in the goroutine of the probes.
func (s *Sight) resync(ctx context.Context) {
	now := time.Now()
	if now.Sub(s.synced) < resyncEvery {
		return // the next loss, or the next event of the process itself, makes up for it
	}
	s.synced = now
	err := s.probe.Snapshot(ctx, func(e *event.Event) {
		if known, ok := s.tree.Process(e.Actor.Key); !ok || known.ExecID != e.Actor.ExecID {
			s.take(ctx, e)
		}
	})
	if err != nil {
		s.log.WarnContext(ctx, "processes not looked at again after a loss", slog.Any("err", err))
	}
}

const (
	resyncEvery = 2 * time.Second
	hashWait    = 100 * time.Millisecond // how long an exec waits for its hash
	maxHeld     = 4096                   // events that wait; full: the exec leaves without its hash
	judgeWait   = 250 * time.Millisecond // how long an exec waits for the role of its program: few programs may have one
	maxJudges   = 4                      // programs whose file system may be waited for; full: a program has no role
	numberWait  = 100 * time.Millisecond // for the number of a process in a container; a crew that was kept waiting waits 5 ms
)
