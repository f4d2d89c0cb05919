// Package coverage says what could be seen, where and when: it is the only writer of the Coverage table
// and the only place that decides whether a host is silent, a class of events degraded or a canary
// missed. Home, timelines and the answers of hunts read it and keep no idea of health of their own.
// Package ingest tells it of every contact and every batch that was refused for good; the detection
// engine hands it each event; other parts of the server report faults that would otherwise be silent.
package coverage

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// State says how much of a class can be seen.
type State string

// The states of the table. Unknown stands in answers only: no row says it, the lack of one does.
const (
	Full        State = "full"
	Partial     State = "partial"
	Blind       State = "blind"
	Unprotected State = "unprotected"
	Silent      State = "silent"
	Unknown     State = "unknown"
)

// mandatory are the classes that every host should have.
var mandatory = event.Classes()

// Classes gives the names of all classes that a sensor may declare: there are no others, so that a host can make
// no columns on Home and no words on anybody's screen.
func Classes() []string { return slices.Clone(mandatory) }

// IsClass says whether a class exists.
func IsClass(class string) bool { return slices.Contains(mandatory, class) }

// Declarable says whether a sensor may give a state to one of its classes.
func Declarable(s State) bool {
	return s == Full || s == Partial || s == Blind || s == Unprotected
}

// CanaryClass is the class under which the passing of canaries is written.
const CanaryClass = "canary"

// Times that decide (architecture.md §4).
const (
	// A sensor that was killed just after a heartbeat must be called silent within 60 s, and we look once a second.
	silentAfter  = 59 * time.Second
	canaryPeriod = 60 * time.Second
	canaryMissed = 90 * time.Second
)

// Row is one line of the Coverage table: what could be seen of a class in a span of time. Lost counts
// events that are known to be gone. Times are µs UTC; To is 0 while the row is open.
type Row struct {
	Tenant tenant.ID
	Host   event.HostID
	ID     string
	Class  string
	From   int64
	To     int64
	State  State
	Cause  Cause
	Lost   uint64
	Reason string // more about the cause, for people: Text gives all of it
}

// Known is an enrolled host, as the table of hosts has it.
type Known struct {
	Tenant   tenant.ID
	Host     event.HostID
	Name     string
	Enrolled int64
	LastSeen int64
	Revoked  int64

	Recording bool // nothing is there to be watched
}

// Proof is when the canary of a host last came through whole.
type Proof struct {
	Tenant tenant.ID
	Host   event.HostID
	At     int64
}

// Store keeps the table. Package controldb implements it.
type Store interface {
	SaveCoverage(ctx context.Context, rows []Row, proofs []Proof) error // inserts or replaces by id, in one transaction
	OpenCoverage(ctx context.Context) ([]Row, error)
	// Coverage gives the tenant's rows that touch [from, to), oldest first; to 0 means no end.
	Coverage(ctx context.Context, t tenant.ID, from, to int64) ([]Row, error)
	Proofs(ctx context.Context) ([]Proof, error)
	KnownHosts(ctx context.Context) ([]Known, error)
	SaveFault(ctx context.Context, f Fault) error
	Faults(ctx context.Context) ([]Fault, error) // those that are not over
	PruneCoverage(ctx context.Context, before int64) error
}

// Desk takes the detections that coverage itself raises: somebody played the canary.
type Desk interface {
	Receive(ctx context.Context, d detection.Detection) error
}

// Options of New. Faults, Desk and OnChange may be nil.
type Options struct {
	Store      Store
	Faults     *fault.Board // of the server itself
	SecretFile string       // of the canary's nonces; made with mode 0600
	Desk       Desk
	OnChange   func(t tenant.ID, what string)                             // home, hosts
	Planned    func(t tenant.ID, h event.HostID) (until int64, by string) // the maintenance of a host that an operator signed; nil: there is none
	Japanese   func(english string) string                                // a reason of ours or of a sensor in Japanese; nil: it stays English
	Log        *slog.Logger
	// Believed gives the time that old rows are forgotten by; nil: the machine's clock.
	Believed func() time.Time
}

// Coverage is safe for use by many goroutines.
type Coverage struct {
	o      Options
	secret [32]byte
	start  int64

	// Held while rows and faults are written: taken in one order and written in another, an older state of a row would
	// take the place of its end and stand for ever.
	saving sync.Mutex

	mu     sync.Mutex // guards all below; never held across I/O
	hosts  map[event.HostID]*host
	faults map[faultKey]Fault
	past   map[faultKey]Fault // that ended, the last of each kind
	dirty  map[string]Row     // by id, not yet written
	owed   map[faultKey]Fault // of faults, what could not be written
	proofs map[event.HostID]Proof
	raised []detection.Detection // not yet given to the desk
}

// New reads what was open when the server last stopped.
func New(ctx context.Context, o Options) (*Coverage, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Believed == nil {
		o.Believed = time.Now
	}
	if o.Japanese == nil {
		o.Japanese = func(english string) string { return english }
	}
	c := &Coverage{o: o, hosts: map[event.HostID]*host{}, faults: map[faultKey]Fault{}, past: map[faultKey]Fault{}, owed: map[faultKey]Fault{}, dirty: map[string]Row{}, proofs: map[event.HostID]Proof{}}
	var err error
	if c.secret, err = openSecret(o.SecretFile); err != nil {
		return nil, fmt.Errorf("open canary secret: %w", err)
	}
	known, err := o.Store.KnownHosts(ctx)
	if err != nil {
		return nil, fmt.Errorf("read hosts: %w", err)
	}
	start := now()
	c.start = start
	for _, k := range known {
		if k.Revoked == 0 && k.LastSeen != 0 {
			h := newHost(k.Tenant, k.Host)
			h.name, h.heard, h.grace, h.recording = k.Name, k.LastSeen, start, k.Recording
			c.hosts[k.Host] = h
		}
	}
	rows, err := o.Store.OpenCoverage(ctx)
	if err != nil {
		return nil, fmt.Errorf("read open coverage: %w", err)
	}
	newest, err := c.shut(ctx, rows)
	if err != nil {
		return nil, err
	}
	for _, r := range newest {
		if h := c.hosts[r.Host]; h != nil {
			h.open[r.Class] = &r
			h.silent = h.silent || r.State == Silent
			h.restore(&r)
		}
	}
	proofs, err := o.Store.Proofs(ctx)
	if err != nil {
		return nil, fmt.Errorf("read canary proofs: %w", err)
	}
	for _, p := range proofs {
		if h := c.hosts[p.Host]; h != nil {
			h.passed = p.At
		}
	}
	faults, err := o.Store.Faults(ctx)
	if err != nil {
		return nil, fmt.Errorf("read faults: %w", err)
	}
	for _, f := range faults {
		// Faults of the server stood here once; now they are on its board, and what lasts is raised again.
		if f.Host == (event.HostID{}) && slices.Contains(fault.Causes(), fault.Cause(f.Kind)) {
			f.Until = start
			if err := o.Store.SaveFault(ctx, f); err != nil {
				return nil, fmt.Errorf("end fault %s: %w", f.Kind, err)
			}
			continue
		}
		c.faults[f.key()] = f
	}
	return c, nil
}

// shut gives the newest open row of each host and class, and ends those before it where the row after them begins. A
// build that wrote rows in another order than it took them left such rows, and nothing else would ever end them.
func (c *Coverage) shut(ctx context.Context, open []Row) (newest []Row, err error) {
	type place struct {
		host  event.HostID
		class string
	}
	last := map[place]Row{}
	var stuck []Row
	for _, r := range open { // oldest first
		p := place{r.Host, r.Class}
		if old, twice := last[p]; twice {
			stuck = append(stuck, old)
		}
		last[p] = r
	}
	for i, r := range stuck {
		to := last[place{r.Host, r.Class}].From
		after, err := c.o.Store.Coverage(ctx, r.Tenant, r.From, to)
		if err != nil {
			return nil, fmt.Errorf("read coverage: %w", err)
		}
		for _, n := range after {
			if n.Host == r.Host && n.Class == r.Class && n.From > r.From && !strings.HasPrefix(n.ID, lossPrefix) {
				to = min(to, n.From)
			}
		}
		stuck[i].To = max(to, r.From+1)
	}
	if len(stuck) > 0 {
		if err := c.o.Store.SaveCoverage(ctx, stuck, nil); err != nil {
			return nil, fmt.Errorf("end open coverage: %w", err)
		}
		c.o.Log.InfoContext(ctx, "coverage that an older build had left open is ended", slog.Int("rows", len(stuck)))
	}
	return slices.Collect(maps.Values(last)), nil
}

// Run looks once a second for hosts that fell silent and canaries that did not come, and writes what
// could not be written before, until ctx ends.
func (c *Coverage) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	prune := time.NewTicker(time.Hour)
	defer prune.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			c.flush(last)
			return nil
		case <-tick.C:
			c.look()
			c.flush(ctx)
		case <-prune.C:
			if err := c.o.Store.PruneCoverage(ctx, c.o.Believed().Add(-keep).UnixMicro()); err != nil {
				c.o.Log.WarnContext(ctx, "old coverage not pruned", slog.Any("err", err))
			}
		}
	}
}

// keep is how long closed rows stay: as long as segments do by default.
const keep = 400 * 24 * time.Hour

// look applies the passing of time to every host.
func (c *Coverage) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := now()
	for _, h := range c.hosts {
		if h.revoked || h.heard == 0 { // heard 0: events of it were read, but it never called
			continue
		}
		if !h.silent && at-max(h.heard, h.grace) >= silentAfter.Microseconds() {
			h.silent = true
			c.evaluate(h, at)
		}
		if h.silent && h.until != 0 && at >= h.until {
			c.evaluate(h, at)
		}
		c.judgeStop(h, at)
		c.expireRuns(h, at)
		if !h.silent && h.judgeCanary(at) || h.starved && at/3600e6 != h.hour {
			h.starved = false
			c.evaluate(h, at)
		}
	}
}

// flush writes what changed, outside the lock. What could not be written stays and is tried again.
func (c *Coverage) flush(ctx context.Context) {
	c.deliver(ctx, c.save(ctx))
}

// save writes rows and proofs, and gives the detections that wait for the desk.
func (c *Coverage) save(ctx context.Context) (raised []detection.Detection) {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.mu.Lock()
	rows := slices.Collect(maps.Values(c.dirty))
	proofs := slices.Collect(maps.Values(c.proofs))
	raised = c.raised
	clear(c.dirty)
	clear(c.proofs)
	c.raised = nil
	owed := slices.Collect(maps.Values(c.owed))
	c.mu.Unlock()
	for _, f := range owed {
		c.write(ctx, f)
	}
	if len(rows)+len(proofs) > 0 {
		if err := c.o.Store.SaveCoverage(ctx, rows, proofs); err != nil {
			c.o.Faults.Raise(fault.ControlDatabase, "", err)
			c.mu.Lock()
			for _, r := range rows {
				if _, newer := c.dirty[r.ID]; !newer {
					c.dirty[r.ID] = r
				}
			}
			for _, p := range proofs {
				if _, newer := c.proofs[p.Host]; !newer {
					c.proofs[p.Host] = p
				}
			}
			c.mu.Unlock()
		} else {
			c.o.Faults.Clear(fault.ControlDatabase, "")
			for t := range tenantsOf(rows) {
				c.changed(t, "home")
				c.changed(t, "hosts")
			}
		}
	}
	return raised
}

// deliver gives detections to the desk.
func (c *Coverage) deliver(ctx context.Context, raised []detection.Detection) {
	for i, d := range raised {
		if c.o.Desk == nil {
			break
		}
		if err := c.o.Desk.Receive(ctx, d); err != nil {
			c.o.Log.ErrorContext(ctx, "detection not taken, trying again", slog.String("rule", d.RuleID), slog.Any("host", d.Event.ID.Host), slog.Any("err", err))
			c.mu.Lock()
			c.raised = append(slices.Clone(raised[i:]), c.raised...)
			c.mu.Unlock()
			break
		}
	}
}

func tenantsOf(rows []Row) map[tenant.ID]bool {
	out := map[tenant.ID]bool{}
	for _, r := range rows {
		out[r.Tenant] = true
	}
	return out
}

func (c *Coverage) changed(t tenant.ID, what string) {
	if c.o.OnChange != nil {
		c.o.OnChange(t, what)
	}
}

func now() int64 { return time.Now().UnixMicro() }
