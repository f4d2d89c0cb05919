package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/clock"
	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detect"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/fleet"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/notify"
	"github.com/yagura-edr/yagura/internal/say"
	"github.com/yagura-edr/yagura/internal/sigma"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// overviewBack computes Home from the coverage table and the open incidents, and checks the server itself.
type overviewBack struct {
	coverage  *coverage.Coverage
	incidents *incident.Desk
	engine    *detect.Engine
	router    *notify.Router
	rate      *rate
	store     *eventstore.Store
	faults    *fault.Board
	stream    *stream.Log
	fleet     *fleet.Fleet
	clock     *clock.Clock
	kept      *controldb.Detections
}

// Home is all that the first page shows.
func (b *overviewBack) Home(ctx context.Context, t tenant.ID) (*consolev1.Home, error) {
	sum, err := b.coverage.Summary(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("read coverage: %w", err)
	}
	open, err := b.incidents.CountOpen(ctx, t)
	if err != nil {
		return nil, err
	}
	h := &consolev1.Home{
		Time: sum.Time, Hosts: uint32(sum.Hosts), HostsReporting: uint32(sum.Reporting),
		OpenBySeverity: map[string]uint32{}, CanaryOldestUs: sum.CanaryOldest, Lost_24H: sum.Lost24h, Held_24H: sum.Held24h, LostKnown: sum.LostKnown,
		CanaryLast: sum.CanaryLast, LastEvent: b.lastEvent(ctx, t),
	}
	for severity, n := range open {
		h.OpenBySeverity[severity.String()] += uint32(n)
		h.IncidentsOpen += uint32(n)
	}
	held, err := b.held(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, f := range append(sum.SilentFailures, held...) {
		x := &consolev1.SilentFailure{Id: f.ID, Class: f.Class, Hostname: f.Name, What: said(f.What), Fix: said(f.Fix), Since: f.Since, Severity: f.Severity.String()}
		if f.Host != (event.HostID{}) {
			x.HostId = f.Host.String()
		}
		if f.Store {
			x.Page = pageStore
		}
		h.SilentFailures = append(h.SilentFailures, x)
	}
	for _, c := range sum.Cells {
		h.Coverage = append(h.Coverage, cell(c))
	}
	for _, m := range sum.Strip {
		h.CanaryStrip = append(h.CanaryStrip, &consolev1.HealthMark{From: m.From, State: m.State})
	}
	h.EventsPerSecond, h.EventsKnown = b.rate.now(), h.LastEvent > 0
	return h, nil
}

// held gives the hosts of which detections were only counted in the last 24 hours, with the rule of most.
func (b *overviewBack) held(ctx context.Context, t tenant.ID) ([]coverage.SilentFailure, error) {
	all, err := b.kept.Suppressed(ctx, t, time.Now().Add(-24*time.Hour).UnixMicro())
	if err != nil {
		return nil, err
	}
	var out []coverage.SilentFailure
	for i := 0; i < len(all); {
		most, n, since := all[i], uint64(0), all[i].From
		for ; i < len(all) && all[i].Host == most.Host; i++ {
			n, since = n+all[i].Count, min(since, all[i].From)
		}
		host, known := b.fleet.Host(t, most.Host)
		if !known || host.Revoked != 0 {
			continue
		}
		title := detection.Said{En: most.RuleID, Ja: most.RuleID}
		for _, r := range b.engine.Rules().Rules() {
			if r.ID == most.RuleID {
				title = r.Title
			}
		}
		what := func(title string) detection.Said {
			return say.Both("%s: %d detections were counted and not kept in the last 24 h, most of the rule “%s”: it found the same acts again and again", event.Show(host.Name), n, title)
		}
		out = append(out, coverage.SilentFailure{
			ID: host.ID.String() + "/detections-held", Class: coverage.ClassHeldBack, Host: host.ID, Name: host.Name, Since: since, Severity: detection.Low,
			What: detection.Said{En: what(title.In("en")).En, Ja: what(title.In("ja")).Ja},
			Fix:  say.Both("look at the host's detections of that time: a flood may be there to hide one of them; if the rule is only noisy here, narrow it with a filter"),
		})
	}
	return out, nil
}

// lastEvent says when the newest event happened. After a start the store is asked, until an event comes.
func (b *overviewBack) lastEvent(ctx context.Context, t tenant.ID) int64 {
	if b.rate.newest() == 0 {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		if a, err := b.store.Events(ctx, eventstore.Query{Tenant: t, Limit: 1}); err == nil && len(a.Events) > 0 { // one that fails is asked again with the next Home
			b.rate.knew(a.Events[0].Event.Time)
		}
	}
	return b.rate.newest()
}

// pageStore is the console's page of what the event store holds.
const pageStore = "store"

// healedShown is how long doctor still tells of a fault of the server that is over.
const healedShown = time.Hour

func howToStart() detection.Said {
	return say.Both("`yagura hosts` shows which; start the sensor there (`sudo yagura-sensor run`), and see `sudo yagura-sensor status` and `sudo yagura-sensor check`")
}

// Diagnose checks what only the server can see.
func (b *overviewBack) Diagnose(ctx context.Context, t tenant.ID, notify, deep bool) ([]*consolev1.Check, error) {
	var out []*consolev1.Check
	add := func(name, state string, what detection.Said) {
		out = append(out, &consolev1.Check{Name: name, State: state, What: said(what)})
	}
	stored, errStore := b.checkStore(ctx, t, deep) // first: what it finds is in the summary
	// What fails here is what an operator asks about: it is a line, not the end of the answer.
	sum, err := b.coverage.Summary(ctx, t)
	switch watched := sum.Hosts - sum.Recordings; {
	case err != nil:
		add("hosts", "fail", say.Both("the control database cannot be read: %v", err))
	case sum.Hosts == 0:
		add("hosts", "unknown", say.Both("no host is enrolled: nothing can be known"))
	case watched == 0:
		add("hosts", "unknown", say.Both("no host is enrolled but recordings that were replayed (%d)", sum.Recordings))
	case watched == 1 && sum.Reporting == 0:
		add("hosts", "warn", say.Both("the one host that is enrolled does not report"))
		out[len(out)-1].Fix = said(howToStart())
	case watched == 1:
		add("hosts", "ok", say.Both("the one host that is enrolled reports"))
	case sum.Reporting < watched:
		add("hosts", "warn", say.Both("%d of %d hosts report", sum.Reporting, watched))
		out[len(out)-1].Fix = said(howToStart())
	default:
		add("hosts", "ok", say.Both("every host reports (%d)", watched))
	}
	held, err := b.held(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, f := range append(sum.SilentFailures, held...) {
		state := "fail"
		switch f.Severity {
		case detection.Informational:
			state = "ok" // worth knowing, nothing to repair
		case detection.Low:
			state = "warn" // such as a maintenance that was ordered
		case detection.Medium, detection.High, detection.Critical:
		}
		c := &consolev1.Check{Name: f.Class, State: state, What: said(b.named(t, f)), Fix: said(f.Fix)}
		if f.Store {
			c.Page = pageStore
		}
		out = append(out, c)
	}
	for _, f := range b.faults.Healed(time.Now().Add(-healedShown)) {
		add(coverage.ClassServer, "ok", f.What())
	}
	if err := errStore; err != nil {
		add("store", "fail", say.Both("the list of stored files cannot be read: %v", err))
	} else {
		out = append(out, stored)
	}
	if l := b.incidents.Load(); l.Cold {
		add("stories", "warn", say.Both("the server has just started and reads stored events back (%d so far): incidents are told when that is done", l.Read))
	}
	out = append(out, checkDisk(b.stream)...)
	out = append(out, checkSeals(b.store), checkWorkers(b.store))
	out = append(out, checkRules(b.engine.Rules()))
	if p95, n := b.engine.Latency().Quantile(0.95); n > 0 {
		state := "ok"
		if p95 > int64(time.Second/time.Microsecond) {
			state = "warn"
		}
		if late := b.engine.Latency().Late(); late > 0 {
			add("latency", state, say.Both("kernel to detection: p95 ≤ %d ms over %d detections; %d more came late, out of a spool or a recording", p95/1000, n, late))
		} else {
			add("latency", state, say.Both("kernel to detection: p95 ≤ %d ms over %d detections", p95/1000, n))
		}
	}
	if !notify {
		return out, nil
	}
	sent := b.router.Test(ctx)
	if len(sent) == 0 {
		add("notify", "warn", say.Both("no channel is set up, so nobody is told of anything: write notify in server.yaml"))
	}
	for _, r := range sent {
		if r.Err != nil {
			add("notify "+r.Channel, "fail", say.Both("%v", r.Err))
		} else {
			add("notify "+r.Channel, "ok", say.Both("took a test message"))
		}
	}
	return out, nil
}

// checkRules says whether every rule that was given is at work.
func checkRules(set *sigma.Ruleset) *consolev1.Check {
	c := &consolev1.Check{Name: "rules", State: "ok", What: said(say.Both("%d rules loaded, %d rejected", len(set.Rules()), len(set.Rejected())))}
	if len(set.Rejected()) > 0 {
		c.State, c.Fix = "warn", said(say.Both("`yagura rules list` names what was not loaded, and why"))
	}
	return c
}

// named says of which host a failure is, where its own words do not: a list of checks has no column for it.
func (b *overviewBack) named(t tenant.ID, f coverage.SilentFailure) detection.Said {
	name := event.Show(f.Name)
	if _, shared := b.fleet.Namesake(fleet.Host{Tenant: t, ID: f.Host, Name: f.Name}); shared && name != "" && !strings.Contains(f.What.En, f.Host.String()) {
		name += " (" + f.Host.String() + ")" // the id tells it from the other of that name
	}
	if name == "" || strings.Contains(f.What.En, name) {
		return f.What
	}
	return detection.Said{En: name + ": " + f.What.En, Ja: name + ": " + f.What.Ja}
}
