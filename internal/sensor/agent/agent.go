// Package agent is the running sensor: it wires what is seen to the spool, the spool to the server (uplink), and carries out signed
// commands. What sees and what acts on this system is given to it (package sense). It proves its own sight with canaries and says how
// it is. It sees nothing itself and knows no wire format. Its one caller is cmd/yagura-sensor.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yagura-edr/yagura/internal/boot"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/identity"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
)

// Options of an agent.
type Options struct {
	Config  Config
	Version string
	Log     *slog.Logger
	// Look opens what sees, after an isolation of an earlier start was taken up: loading probes takes a second. The agent
	// closes it when it can be closed. Nil: nothing is looked for, Blind says why.
	Look   func(ctx context.Context) (sense.Source, error)
	Source sense.Source // nil: nothing can be seen, Blind says why
	Blind  string
	// Containment acts on this host; it is never nil.
	Containment sense.Containment
	Canary      func(ctx context.Context, nonce string) (pid int, err error) // runs one; nil: the program starts itself
}

// Agent is one sensor.
type Agent struct {
	o       Options
	log     *slog.Logger
	facts   facts
	id      *identity.Identity
	spool   *spool.Spool
	link    *uplink.Link
	journal *journal
	isolate sense.Isolator
	procs   sense.Processes
	orders  chan order
	nonces  chan string
	canary  canaries
	seen    atomic.Uint64 // events taken from the source
	started time.Time

	clock   *clock
	culprit *culprit
	chain   chain
	lists   sync.Mutex // held while a list is adopted and kept

	mu       sync.Mutex // guards what follows
	outcomes []*pendingOutcome
	tampers  []sense.Tamper // told before there was a spool to put them into
	begun    bool           // there is
}

// Errors that end a run in order.
var (
	errStopping = errors.New("the sensor stops on request")
)

// New opens what a run needs: identity, spool, journal. An isolation that an earlier start left comes first: before
// anything that takes time, and before anything is sent. The caller ends with Close, also when it does not run.
func New(ctx context.Context, o Options) (*Agent, error) {
	a := &Agent{o: o, log: o.Log, culprit: newCulprit(), orders: make(chan order, maxOrders), nonces: make(chan string, 8), started: time.Now()}
	a.isolate = o.Containment.Isolator(sense.IsolationOptions{
		StateFile: o.Config.isolationFile(), Cgroup: o.Config.Cgroup, Keep: a.keepReachable, Tell: a.tampered, Log: o.Log.With(slog.String("part", "contain")),
	})
	a.isolate.TakeUp(ctx)
	if err := a.open(); err != nil {
		return nil, errors.Join(err, a.isolate.Close())
	}
	if o.Look != nil {
		source, err := o.Look(ctx)
		if err != nil {
			a.o.Blind = err.Error() // a sensor that cannot see still says so, and still obeys
		} else {
			a.o.Source = source
		}
	}
	a.procs = o.Containment.Processes(a.facts.bootTag, a.o.Source)
	return a, nil
}

// open opens identity, journal, spool and uplink.
func (a *Agent) open() error {
	o := a.o
	id, err := identity.Load(o.Config.identityDir())
	if err != nil {
		return err
	}
	a.id = id
	a.facts = readFacts(o.Version)
	a.canary.waiting = map[string]event.Key{}
	a.chain.held = id.Chain()
	proxy, err := o.Config.proxy()
	if err != nil {
		return err
	}
	a.clock = openClock(o.Config.clockFile())
	if a.journal, err = openJournal(o.Config.journalFile(), a.clock.least); err != nil {
		return err
	}
	if a.spool, err = spool.Open(o.Config.spoolDir(), spool.Options{MaxBytes: int64(o.Config.SpoolMaxBytes), Boot: a.facts.bootID, Volatile: volatileDir, Log: o.Log.With(slog.String("part", "spool"))}); err != nil {
		return errors.Join(err, a.journal.close())
	}
	if a.link, err = uplink.New(uplink.Options{Identity: id, Spool: a.spool, Host: (*host)(a), Proxy: proxy, Log: o.Log.With(slog.String("part", "uplink"))}); err != nil {
		return errors.Join(err, a.spool.Close(), a.journal.close())
	}
	return nil
}

// Run works until ctx ends: then it stops seeing, writes and sends what it has, signs off and returns nil.
func (a *Agent) Run(ctx context.Context) error {
	a.takePrecedence(ctx)
	for _, u := range a.journal.unfinished() {
		a.finish(ctx, u.nonce, u.outcome)
	}
	a.start()

	// Three circles end one after the other: seeing and acting, then the line, then the disk.
	disk, stopDisk := context.WithCancelCause(context.WithoutCancel(ctx))
	line, stopLine := context.WithCancelCause(context.WithoutCancel(ctx))
	work, stopWork := context.WithCancelCause(ctx)
	var diskWait, lineWait, workWait sync.WaitGroup
	failed := make(chan error, 1)
	part := func(wg *sync.WaitGroup, ctx context.Context, name string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				select {
				case failed <- fmt.Errorf("%s: %w", name, err):
				default: // one reason to stop is enough
				}
			}
		})
	}
	part(&diskWait, disk, "spool", a.spool.Run)
	part(&lineWait, line, "uplink", a.link.Run)
	part(&workWait, work, "isolation", a.isolate.Run)
	part(&workWait, work, "commands", a.obey)
	part(&workWait, work, "canary", a.runCanaries)
	part(&workWait, work, "status", a.keepStatus)
	part(&workWait, work, "watch over itself", a.watchFreeze)
	if a.o.Source != nil {
		part(&workWait, work, "sight", a.see)
		part(&workWait, work, "watch over the sight", a.watch)
	} else {
		a.log.ErrorContext(ctx, "nothing can be seen on this host", slog.String("err", a.o.Blind))
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stop := &event.Event{Kind: event.SensorStop, OS: sense.OS, Version: a.o.Version}
	switch {
	case err != nil:
		stop.Reason = err.Error()
	case errors.Is(context.Cause(ctx), ErrServerEnded):
		stop.Reason, stop.State = saidServerEnded, stateServer
	default:
		if a.o.Source != nil {
			a.culprit.await()
		}
		stop.Reason, stop.State, stop.Actor = a.culprit.name(ctx)
		stop.Target = a.facts.self
	}
	a.log.InfoContext(ctx, "stopping", slog.String("reason", stop.Reason))
	stopWork(errStopping)
	workWait.Wait()
	a.put(stop)
	flushErr := a.spool.Flush()
	stopLine(errStopping)
	lineWait.Wait()
	stopDisk(errStopping)
	diskWait.Wait()
	a.removeStatus()
	if err := a.clock.keep(); err != nil {
		a.log.WarnContext(ctx, "the server's time is not kept over the restart", slog.Any("err", err))
	}
	return errors.Join(err, flushErr)
}

// Close gives up files and locks. Run must have returned.
func (a *Agent) Close() error {
	err := errors.Join(a.spool.Close(), a.journal.close(), a.isolate.Close())
	if c, ok := a.o.Source.(io.Closer); ok && a.o.Look != nil {
		if cerr := c.Close(); cerr != nil {
			a.log.WarnContext(context.Background(), "probes not closed", slog.Any("err", cerr))
		}
	}
	return err
}

// see runs the source. One that fails leaves a sensor that says it is blind, not a dead one.
func (a *Agent) see(ctx context.Context) error {
	err := a.o.Source.Run(ctx, a.emit)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it was asked to stop: how it says so changes nothing
	}
	a.log.ErrorContext(ctx, "the sensor sees nothing any more", slog.Any("err", err))
	reason := "the probes stopped"
	if err != nil {
		reason = err.Error()
	}
	for _, c := range classes {
		a.put(&event.Event{Kind: event.SensorCapability, OS: sense.OS, Subject: c, State: "blind", Reason: reason})
	}
	return fmt.Errorf("probes stopped: %w", err) // a restart is the best chance to see again
}

// classes of events that coverage is kept for.
var classes = event.Classes()

func (a *Agent) emit(e *event.Event) {
	a.seen.Add(1)
	a.canary.look(e)
	a.culprit.look(e)
	a.spool.Put(e)
}

// put takes an event of the sensor itself.
func (a *Agent) put(e *event.Event) {
	e.BootNS = boot.Now()
	e.HostTime = time.Now().UnixMicro()
	if e.Actor.PID == 0 {
		e.Actor = a.facts.self
	}
	a.spool.Put(e)
}

func (a *Agent) start() {
	a.put(&event.Event{Kind: event.SensorStart, OS: sense.OS, Hostname: a.facts.hostname, Version: a.facts.kernel, Subject: a.o.Version})
	if a.o.Source == nil {
		for _, c := range classes {
			a.put(&event.Event{Kind: event.SensorCapability, OS: sense.OS, Subject: c, State: "blind", Reason: a.o.Blind})
		}
	}
	a.mu.Lock()
	early := a.tampers
	a.tampers, a.begun = nil, true
	a.mu.Unlock()
	for _, t := range early {
		a.tampered(t)
	}
}

// tampered takes what somebody did to an isolation. It is called while the isolator looks, so it only hands on.
func (a *Agent) tampered(t sense.Tamper) {
	a.mu.Lock()
	if !a.begun {
		a.tampers = append(a.tampers, t) // one or two: the isolator tells the same once a minute
		a.mu.Unlock()
		return
	}
	a.mu.Unlock()
	a.put(&event.Event{Kind: event.SensorTamper, OS: sense.OS, Subject: t.Subject, State: t.State, Reason: t.Reason, FromNS: t.From, ToNS: t.To})
}
