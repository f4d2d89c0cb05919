package coverage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/tenant"
)

const day = 24 * time.Hour

// Cell is one square of the coverage matrix. Unknown with Since 0 means that no row says anything.
type Cell struct {
	Host   event.HostID
	Name   string
	Class  string
	State  State
	Since  int64
	Lost   uint64 // in the last 24 hours
	Held   uint64 // held back of one loud process in the last 24 hours: by design, and counted
	Cause  Cause
	Reason string
}

// SilentFailure is something that stopped working while nobody might notice.
type SilentFailure struct {
	ID       string // the same while the failure lasts
	Class    string
	Host     event.HostID // zero: the server
	Name     string
	What     detection.Said
	Fix      detection.Said
	Since    int64
	Severity detection.Severity
	Store    bool // what the event store holds is to be looked at
}

// HostHealth is the state of one host: reporting, degraded, silent, never, revoked, or waiting for its first word since
// the server started.
type HostHealth struct {
	State       string
	SilentSince int64 // 0 unless silent
	LastCanary  int64 // 0: none ever came through
	Lost24h     uint64
	Held24h     uint64 // as Cell.Held
	Cells       []Cell
}

// Mark is one step of the canary strip: ok, missed, part (it came through and was missed within the step, or
// of one host and not of another) or nothing, which is not the same as ok.
type Mark struct {
	From  int64
	State string
}

// Summary is all that Home and the list of hosts say about sight, made from the table in one reading.
type Summary struct {
	Time           int64
	Hosts          int // enrolled and not revoked
	Reporting      int
	Recordings     int // of Hosts: replayed, and never to report again
	Cells          []Cell
	SilentFailures []SilentFailure
	Health         map[event.HostID]HostHealth
	Lost24h        uint64
	Held24h        uint64
	LostKnown      bool  // false: no host reports, so loss cannot be known
	CanaryOldest   int64 // µs since the last canary of the reporting host where it is longest ago; -1: one was never proven, or none reports
	CanaryLast     int64 // when any host last proved its sight; 0: never
	Strip          []Mark
}

// Summary reads the table for one tenant. When that fails it still holds the faults of the server.
func (c *Coverage) Summary(ctx context.Context, t tenant.ID) (Summary, error) {
	at := now()
	s := Summary{Time: at, Health: map[event.HostID]HostHealth{}, CanaryOldest: -1, Cells: []Cell{}, SilentFailures: []SilentFailure{}}
	known, err := c.o.Store.KnownHosts(ctx)
	if err != nil {
		return c.unread(s, "hosts", err)
	}
	from := at - day.Microseconds()
	c.flush(ctx) // what is known now is in the answer
	rows, err := c.rows(ctx, t, from, 0)
	if err != nil {
		return c.unread(s, "coverage", err)
	}
	proofs, err := c.o.Store.Proofs(ctx)
	if err != nil {
		return c.unread(s, "canary proofs", err)
	}
	passed := map[event.HostID]int64{}
	for _, p := range proofs {
		if p.Tenant == t {
			passed[p.Host] = p.At
		}
	}
	byHost := map[event.HostID][]Row{}
	for _, r := range rows {
		byHost[r.Host] = append(byHost[r.Host], r)
	}
	slices.SortFunc(known, func(a, b Known) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Host.String(), b.Host.String()))
	})
	unproven := false
	for _, k := range known {
		if k.Tenant != t {
			continue
		}
		h := healthOf(k, byHost[k.Host], passed[k.Host])
		if (h.State == "reporting" || h.State == "degraded") && !c.heardSinceStart(k.Host) {
			h.wait()
		}
		s.CanaryLast = max(s.CanaryLast, h.LastCanary)
		s.Health[k.Host] = h
		if k.Revoked != 0 {
			continue
		}
		s.Hosts++
		if k.Recording {
			s.Recordings++
		}
		s.Lost24h += h.Lost24h
		s.Held24h += h.Held24h
		s.Cells = append(s.Cells, h.Cells...)
		s.SilentFailures = append(s.SilentFailures, failuresOf(k, h, byHost[k.Host], at, c.plan(k), c.o.Japanese)...)
		if h.State == "reporting" || h.State == "degraded" {
			s.Reporting++
			s.LostKnown = true
			if h.LastCanary == 0 {
				unproven = true
			}
			s.CanaryOldest = max(s.CanaryOldest, at-h.LastCanary)
		}
	}
	if unproven {
		s.CanaryOldest = -1
	}
	s.SilentFailures = append(s.SilentFailures, c.standing(t, known)...)
	s.SilentFailures = append(s.SilentFailures, c.ofServer()...)
	slices.SortStableFunc(s.SilentFailures, func(a, b SilentFailure) int {
		return cmp.Or(-cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Since, b.Since))
	})
	s.Strip = strip(rows, at)
	return s, nil
}

// unread gives what can be said when the table cannot be read.
func (c *Coverage) unread(s Summary, what string, err error) (Summary, error) {
	err = fmt.Errorf("read %s: %w", what, err)
	c.o.Faults.Raise(fault.ControlDatabase, "", err)
	s.SilentFailures = c.ofServer()
	return s, err
}

// ofServer gives the faults of the server itself. They concern every tenant.
func (c *Coverage) ofServer() []SilentFailure {
	var out []SilentFailure
	for _, f := range c.o.Faults.Standing() {
		f.Detail, f.Ja = event.Show(f.Detail), event.Show(f.Ja)
		out = append(out, SilentFailure{ID: "server/" + f.ID(), Class: ClassServer, What: f.What(), Fix: f.Fix(), Since: f.Since.UnixMicro(), Severity: f.Severity(), Store: f.OfStore()})
	}
	return out
}

// SilentFailures lists what stopped working, worst first.
func (c *Coverage) SilentFailures(ctx context.Context, t tenant.ID) ([]SilentFailure, error) {
	s, err := c.Summary(ctx, t)
	return s.SilentFailures, err
}

// Holes gives the rows of a span in which something could not be seen: not full, or with loss. Timelines
// and answers draw them. host may be zero for all.
func (c *Coverage) Holes(ctx context.Context, t tenant.ID, id event.HostID, from, to int64) ([]Row, error) {
	c.flush(ctx)
	rows, err := c.rows(ctx, t, from, to)
	if err != nil {
		return nil, fmt.Errorf("read coverage: %w", err)
	}
	return slices.DeleteFunc(rows, func(r Row) bool {
		return r.Class == CanaryClass || r.State == Full && r.Lost == 0 || id != (event.HostID{}) && r.Host != id
	}), nil
}

// rows reads the table without classes that do not exist: an older server let hosts invent them.
func (c *Coverage) rows(ctx context.Context, t tenant.ID, from, to int64) ([]Row, error) {
	rows, err := c.o.Store.Coverage(ctx, t, from, to)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(rows, func(r Row) bool { return r.Class != CanaryClass && !IsClass(r.Class) }), nil
}

func healthOf(k Known, rows []Row, passed int64) HostHealth {
	h := HostHealth{State: "reporting", LastCanary: passed}
	cells := map[string]*Cell{}
	cell := func(class string) *Cell {
		x := cells[class]
		if x == nil {
			x = &Cell{Host: k.Host, Name: k.Name, Class: class, State: Unknown}
			cells[class] = x
		}
		return x
	}
	for _, class := range mandatory {
		cell(class)
	}
	seen := false
	for _, r := range rows {
		if r.Cause == Held {
			h.Held24h += r.Lost
			cell(r.Class).Held += r.Lost
		} else {
			h.Lost24h += r.Lost
			if r.Class != CanaryClass {
				cell(r.Class).Lost += r.Lost
			}
		}
		if r.To != 0 {
			continue
		}
		seen = true
		if r.State == Silent {
			h.SilentSince = r.From
		}
		if r.Class == CanaryClass {
			continue
		}
		x := cell(r.Class)
		x.State, x.Cause, x.Since, x.Reason = r.State, r.Cause, r.From, r.Text()
		if severity(r.State, r.Cause) > detection.Informational && h.State == "reporting" {
			h.State = "degraded"
		}
	}
	switch {
	case k.Revoked != 0:
		h.State, h.SilentSince = "revoked", 0
	case h.SilentSince != 0:
		h.State = "silent"
	case !seen:
		h.State = "never"
	}
	for _, class := range mandatory {
		h.Cells = append(h.Cells, *cells[class])
		delete(cells, class)
	}
	var more []Cell
	for _, x := range cells {
		more = append(more, *x)
	}
	slices.SortFunc(more, func(a, b Cell) int { return cmp.Compare(a.Class, b.Class) })
	h.Cells = append(h.Cells, more...)
	return h
}

// newcomer is how long an enrolled host may take to report before that is a failure.
const newcomer = time.Minute

// recent is how long after a loss it stands among the silent failures; the table keeps it for good.
const recent = time.Hour

// withHost puts a host's id into the commands of an advice, so that they can be pasted as they are.
func withHost(s detection.Said, h event.HostID) detection.Said {
	return detection.Said{En: strings.ReplaceAll(s.En, " HOST", " "+h.String()), Ja: strings.ReplaceAll(s.Ja, " HOST", " "+h.String())}
}

func failuresOf(k Known, h HostHealth, rows []Row, at int64, plan plan, ja func(string) string) []SilentFailure {
	var out []SilentFailure
	add := func(class, kind string, since int64, severity detection.Severity, what, fix detection.Said) {
		out = append(out, SilentFailure{ID: k.Host.String() + "/" + kind, Class: class, Host: k.Host, Name: k.Name, What: what, Fix: withHost(fix, k.Host), Since: since, Severity: severity})
	}
	name := event.Show(k.Name)
	if k.Recording {
		if h.State == "silent" {
			what, fix := saidReplayed(name, k.Enrolled)
			add(ClassRecording, "recording", k.Enrolled, detection.Informational, what, fix)
		}
		return out
	}
	if h.State == "never" {
		if at-k.Enrolled > newcomer.Microseconds() {
			what, fix := saidNever(name, k.Enrolled)
			add(ClassNeverReported, "never", k.Enrolled, detection.Medium, what, fix)
		}
		return out
	}
	missed, expected := 0, 0
	type loss struct {
		n, most uint64
		since   int64
		reason  string // of the most
	}
	losses, holds, detained := map[string]loss{}, map[string]loss{}, map[string]loss{}
	for _, r := range rows {
		if r.To == 0 && r.State == Silent && r.Class == CanaryClass {
			severity, what, fix := saidSilent(name, r, at, plan, ja)
			add(ClassStale, "silent", r.From, severity, what, fix)
		}
		if r.Lost > 0 && r.To > at-recent.Microseconds() {
			into := losses
			switch r.Cause {
			case Held:
				into = holds
			case Detained:
				into = detained
			default:
			}
			l := into[r.Class]
			l.n += r.Lost
			if l.since == 0 || r.From < l.since {
				l.since = r.From
			}
			if r.Lost > l.most {
				l.most, l.reason = r.Lost, r.Reason
			}
			into[r.Class] = l
		}
		if r.To == 0 && r.Class != CanaryClass && provenClass(r.Class) && r.State != Blind {
			expected++
			if r.Cause == Missed {
				missed++
			}
		}
	}
	for class, l := range losses {
		what, fix := saidDrops(name, class, l.n, l.since)
		add(ClassDrops, "drops/"+class, l.since, detection.Medium, what, fix)
	}
	for class, l := range detained {
		what, fix := saidDetained(name, class, l.n, l.since)
		add(ClassServer, "quarantine/"+class, l.since, detection.Medium, what, fix)
		out[len(out)-1].Store = true
	}
	for class, l := range holds {
		what, fix := saidHeld(name, class, l.n, l.since, l.reason)
		add(ClassHeldBack, "held/"+class, l.since, detection.Informational, what, fix)
	}
	slices.SortFunc(out, func(a, b SilentFailure) int { return cmp.Compare(a.ID, b.ID) })
	dark := missed > 0 && missed == expected && expected > 1
	for _, r := range rows {
		if r.To != 0 || r.Class == CanaryClass {
			continue
		}
		switch {
		case dark && r.Cause == Missed:
			if !slices.ContainsFunc(out, func(f SilentFailure) bool { return f.Class == ClassNoTelemetry }) {
				what, fix := saidNoTelemetry(name, r)
				add(ClassNoTelemetry, "dark", r.From, detection.High, what, fix)
			}
		case r.State == Blind:
			what, fix := saidDegraded(name, r, ja)
			add(ClassEventMissing, "class/"+r.Class, r.From, detection.High, what, fix)
		case r.State == Partial || r.State == Unprotected:
			what, fix := saidDegraded(name, r, ja)
			add(ClassSensorDegraded, "class/"+r.Class, r.From, severity(r.State, r.Cause), what, fix)
		}
	}
	return out
}

func provenClass(class string) bool {
	return class == "process" || class == "file" || class == "network"
}

// standing gives the faults that others reported.
func (c *Coverage) standing(t tenant.ID, known []Known) []SilentFailure {
	names := map[event.HostID]string{}
	for _, k := range known {
		names[k.Host] = k.Name
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []SilentFailure
	for _, f := range c.faults {
		if f.Tenant != t {
			continue
		}
		id := "server/" + f.Kind
		if f.Host != (event.HostID{}) {
			id = f.Host.String() + "/" + f.Kind
		}
		out = append(out, SilentFailure{ID: id, Class: f.Class, Host: f.Host, Name: names[f.Host], What: f.What, Fix: f.Fix, Since: f.Since, Severity: f.Severity})
	}
	slices.SortFunc(out, func(a, b SilentFailure) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// strip draws the last 24 hours of the tenant's canaries in marks of 15 minutes. A host under a maintenance that was
// ordered owes no canary, and a recording none ever: its time is nothing, not missed.
func strip(rows []Row, at int64) []Mark {
	const step = 15 * time.Minute
	first := time.UnixMicro(at).Truncate(step).Add(step - day).UnixMicro()
	out := make([]Mark, day/step)
	for i := range out {
		from := first + int64(i)*step.Microseconds()
		seen, missed := false, false
		for _, r := range rows {
			if r.Class != CanaryClass || r.From >= min(from+step.Microseconds(), at+1) || r.To != 0 && r.To <= from {
				continue
			}
			switch {
			case r.State == Full:
				seen = true
			case upgraded(r, at):
			case r.State != Silent || r.Cause != Planned && r.Cause != Replayed:
				missed = true
			}
		}
		out[i] = Mark{From: from, State: map[[2]bool]string{{true, false}: "ok", {true, true}: "part", {false, true}: "missed", {false, false}: "nothing"}[[2]bool{seen, missed}]}
	}
	return out
}
