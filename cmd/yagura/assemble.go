package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/yagura-edr/yagura/internal/access"
	"github.com/yagura-edr/yagura/internal/clock"
	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/config"
	"github.com/yagura-edr/yagura/internal/console"
	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detect"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/ingest"
	"github.com/yagura-edr/yagura/internal/notify"
	"github.com/yagura-edr/yagura/internal/response"
	"github.com/yagura-edr/yagura/internal/say"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
	"github.com/yagura-edr/yagura/internal/terminal"
	"github.com/yagura-edr/yagura/rules"
	"github.com/yagura-edr/yagura/web"
)

// tenantName is the tenant that up and server create.
const tenantName = "main"

// parts is the server taken apart: every station of an event's life, in its order.
type parts struct {
	log    *slog.Logger
	dir    *dataDir
	tenant controldb.Tenant
	faults *fault.Board
	clock  *clock.Clock // what is deleted by time goes by it
	db     *controldb.DB

	fleet    *fleet.Fleet
	relay    *response.Relay
	coverage *coverage.Coverage
	ingest   *ingest.Service
	stream   *stream.Log
	engine   *detect.Engine
	store    *eventstore.Store
	judged   map[int]uint64 // by shard, the last record that was judged when this server started
	desk     *incident.Desk
	router   *notify.Router
	console  *console.Server
	hub      *console.Hub

	pages   []net.Listener
	sensors net.Listener
	// hostname is the name that sensors of other hosts know this server by, when one is configured.
	hostname string
	people   *access.Desk
	admin    *console.AdminSocket
	signIn   string
}

// assemble opens everything in the order of an event's life, from the listener to the screen. What fails
// is one sentence; what was opened is closed again.
func assemble(ctx context.Context, log *slog.Logger, dir *dataDir, c *config.Config) (p *parts, err error) {
	defer saveMemory()()
	p = &parts{log: log, dir: dir, hub: console.NewHub(), faults: fault.NewBoard(log)}
	p.faults.Japanese = say.Japanese
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
			p = nil
		}
	}()
	if err = dir.whole(); err != nil {
		return p, err
	}
	if p.pages, err = console.Listen(ctx, c.Listen); err != nil {
		return p, err
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // its sockets do not take the bound on what stays unacknowledged
	if p.sensors, err = lc.Listen(ctx, "tcp", c.SensorListen); err != nil {
		return p, fmt.Errorf("listen for sensors on %s: %w: another program has the port, choose one with --sensor-listen", c.SensorListen, err)
	}
	if p.db, err = controldb.Open(ctx, dir.file("control.db")); err != nil {
		return p, err
	}
	if err = p.openClock(ctx); err != nil {
		return p, err
	}
	if p.tenant, err = openTenant(ctx, p.db, dir); err != nil {
		return p, err
	}
	changed := p.hub.Changed
	p.hostname = c.Hostname
	if p.fleet, err = fleet.Open(ctx, fleet.Options{Dir: dir.file("ca"), Names: p.sensorNames(), Store: p.db.Fleet(), Log: log, Now: p.clock.Now}); err != nil {
		if lost, ok := errors.AsType[*fleet.LostError](err); ok {
			ca := filepath.Dir(lost.Token)
			return p, fmt.Errorf("%s is gone, and %d hosts are enrolled with it: put the folder %s back from a backup; without one `mkdir -p -m 700 %s && touch %s` lets the next start make a new one, and every host must enrol again",
				lost.Path, lost.Hosts, ca, terminal.Quote(ca), terminal.Quote(lost.Token))
		}
		return p, err
	}
	if p.relay, err = response.New(ctx, response.Options{
		Store: p.db.Response(), Hosts: p.fleet, OnChange: changed, Log: log,
		Authorities: map[tenant.ID]ed25519.PublicKey{p.tenant.ID: p.tenant.Authority},
	}); err != nil {
		return p, err
	}
	if p.stream, err = stream.Open(ctx, stream.Options{Dir: dir.file("log"), MaxBytes: int64(c.StreamMax), Faults: p.faults, Log: log}); err != nil {
		return p, err
	}
	if err = p.openJudges(ctx, c); err != nil {
		return p, err
	}
	if p.ingest, err = ingest.New(ctx, ingest.Options{
		Fleet: p.fleet, Coverage: p.coverage, Relay: p.relay, Log: p.stream, Manifest: watermarks{p.db}, Cellar: p.db.Ingest(),
		Quarantine: dir.file("quarantine"), Version: version, Logger: log, Faults: p.faults, OnChange: changed, Japanese: say.Japanese,
	}); err != nil {
		return p, err
	}
	return p, p.openConsole(ctx, c)
}

// openClock believes what was believed last, or the newest segment when nothing is known of that.
func (p *parts) openClock(ctx context.Context) (err error) {
	files, err := p.db.Segments(ctx)
	if err != nil {
		return err
	}
	var floor time.Time
	for _, f := range files {
		if at := time.UnixMicro(f.Received); at.After(floor) {
			floor = at
		}
	}
	p.clock, err = clock.Open(p.dir.file("clock.json"), floor, nil)
	return err
}

// openJudges opens what reads the log: the store, the detection engine with its observers, incidents.
func (p *parts) openJudges(ctx context.Context, c *config.Config) error {
	var err error
	found := p.endsNow()
	if p.store, err = eventstore.Open(ctx, eventstore.Options{
		Dir: p.dir.path, Stream: p.stream, Manifest: p.db, WorkerArgs: []string{"worker"}, Faults: p.faults, Log: p.log,
		Quarantined: p.quarantined, Now: p.clock.Now, SealEvery: c.SealInterval, Retention: time.Duration(c.RetentionDays) * 24 * time.Hour,
	}); err != nil {
		return err
	}
	p.missedEnds(ctx, found)
	set, err := rules.Load(c.Rules...)
	if err != nil {
		return fmt.Errorf("load rules: %w", err)
	}
	p.log.InfoContext(ctx, "rules loaded", slog.Int("rules", len(set.Rules())), slog.Int("rejected", len(set.Rejected())))
	for _, r := range set.Rejected() {
		p.log.WarnContext(ctx, "rule not loaded", slog.String("rule", r.String()))
	}
	for _, w := range set.Warnings() {
		p.log.WarnContext(ctx, "rule content is probably not meant", slog.String("rule", w.String()))
	}
	kept := p.db.Detections()
	if p.judged, err = kept.Judged(ctx); err != nil {
		return err
	}
	p.engine = detect.New(detect.Options{Log: p.stream, Rules: set, Store: kept, Quarantine: poison{p}, Logger: p.log})
	if p.coverage, err = coverage.New(ctx, coverage.Options{
		Japanese: say.Japanese, Faults: p.faults, Planned: p.relay.Maintenance, Believed: p.clock.Now,
		Store: p.db.Coverage(), SecretFile: p.dir.file("canary.key"), Desk: p.engine, OnChange: p.hub.Changed, Log: p.log,
	}); err != nil {
		return err
	}
	p.desk = incident.New(incident.Options{
		Store: p.db.Incidents(), Log: p.log, Coverage: holes{p.coverage, p.store}, Now: time.Now, Restores: true,
		Names: func(_ context.Context, t tenant.ID, h event.HostID) string {
			host, _ := p.fleet.Host(t, h)
			return host.Name
		},
		Addresses: func(_ context.Context, t tenant.ID) map[netip.Addr][]event.HostID {
			out := map[netip.Addr][]event.HostID{}
			for _, h := range p.fleet.Hosts(t) {
				if h.Revoked != 0 {
					continue
				}
				for _, text := range h.Addresses {
					if ad, err := netip.ParseAddr(text); err == nil {
						out[ad] = append(out[ad], h.ID)
					}
				}
			}
			return out
		},
		OnNew:    func(_ context.Context, r incident.Row) { p.hub.Changed(r.Tenant, console.ChangedHome) },
		OnChange: func(_ context.Context, t tenant.ID) { p.hub.Changed(t, console.ChangedIncidents) },
	})
	return nil
}

func (p *parts) openConsole(ctx context.Context, c *config.Config) error {
	key, err := access.LoadKey(p.dir.file("access.key"))
	if err != nil {
		return err
	}
	people, err := access.New(p.tenant.ID, p.db.Access(), key, time.Now)
	if err != nil {
		return err
	}
	p.people = people
	link, err := people.NewLink(ctx)
	if err != nil {
		return err
	}
	p.signIn = console.SignInURL(p.pages[0], link)
	if p.router, err = openNotify(p, c); err != nil {
		return err
	}
	tap, speed := console.NewTap(), &rate{}
	p.engine.Wire([]detect.Observer{p.coverage, p.desk, tap, speed}, []detect.Desk{p.desk, changedDetections{p.hub}}, p.coverage)
	dist, err := web.Dist()
	if err != nil {
		return fmt.Errorf("open the built console: %w", err)
	}
	incidents := &incidentsBack{desk: p.desk, fleet: p.fleet, store: p.store}
	if p.console, err = console.New(console.Options{
		Access: people, Hub: p.hub, Tap: tap, Web: dist, TenantName: tenantName, Version: version, Faults: p.faults, Log: p.log, Say: inBoth,
		SignInURL: func(link string) string { return console.SignInURL(p.pages[0], link) },
		Backend: console.Backend{
			Overview:   &overviewBack{coverage: p.coverage, incidents: p.desk, engine: p.engine, router: p.router, rate: speed, store: p.store, faults: p.faults, stream: p.stream, clock: p.clock, kept: p.db.Detections(), fleet: p.fleet},
			Hosts:      &hostsBack{fleet: p.fleet, coverage: p.coverage, relay: p.relay, url: p.sensorURL(), listen: p.sensors.Addr().String()},
			Detections: &detectionsBack{kept: p.db.Detections(), engine: p.engine, fleet: p.fleet, incidents: incidents},
			Incidents:  incidents,
			Events:     &eventsBack{store: p.store, coverage: p.coverage},
			Actions:    &actionsBack{relay: p.relay, fleet: p.fleet, store: p.store},
		},
	}); err != nil {
		return err
	}
	p.admin, err = console.ListenAdmin(p.dir.path)
	return err
}

// run starts every part that lives.
func (p *parts) run(ctx context.Context, g *errgroup.Group) {
	g.Go(func() error { return p.fleet.Run(ctx) })
	g.Go(func() error { return p.relay.Run(ctx) })
	g.Go(func() error {
		return p.clock.Run(ctx, func(s clock.State, err error) { tellClock(p.faults, s, err) })
	})
	g.Go(func() error { return p.coverage.Run(ctx) })
	g.Go(func() error { return p.store.Run(ctx) })
	g.Go(func() error { return p.desk.Run(ctx) })
	g.Go(func() error { return p.desk.Restore(ctx, recent{p}) })
	g.Go(func() error { return p.engine.Run(ctx) })
	g.Go(func() error { return p.ingest.Serve(ctx, p.sensors) })
	g.Go(func() error { return p.router.Run(ctx) })
	g.Go(func() error { return p.console.Run(ctx, p.pages, p.admin) })
	g.Go(func() error { return p.purge(ctx) })
	g.Go(func() error { return p.watchAuthority(ctx) })
}

// purge frees the log up to what is both sealed and judged.
func (p *parts) purge(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	var done [stream.Shards]uint64
	var ends logEnds
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := p.stream.Heal(ctx); err != nil {
			return err
		}
		p.keepEnds(ctx, &ends)
		for i := range done {
			through := min(p.store.Sealed(i), p.engine.Judged(i))
			if through <= done[i] {
				continue
			}
			err := p.stream.Purge(ctx, i, through)
			if errors.Is(err, stream.ErrFull) { // told as a full disk
				continue
			}
			if err != nil {
				p.faults.Raise(fault.Purge, strconv.Itoa(i), err)
				continue
			}
			p.faults.Clear(fault.Purge, strconv.Itoa(i))
			done[i] = through
		}
	}
}

func (p *parts) close() error {
	var errs []error
	if p.stream != nil {
		errs = append(errs, p.stream.Close())
	}
	if p.db != nil {
		errs = append(errs, p.db.Close())
	}
	for _, l := range append([]net.Listener{p.sensors}, p.pages...) {
		if l != nil {
			_ = l.Close() // the parts that served it may have closed it
		}
	}
	return errors.Join(errs...)
}

func (p *parts) url() string { return console.URL(p.pages[0]) }

// openTenant finds the tenant, or makes it with its authority at the first start. From then on this
// process never opens the authority's folder: it holds the public half.
func openTenant(ctx context.Context, db *controldb.DB, dir *dataDir) (controldb.Tenant, error) {
	t, ok, err := db.TenantByName(ctx, tenantName)
	if err != nil || ok {
		return t, err
	}
	for _, name := range []string{"authority", "ca", "access.key"} { // all made after the database
		if _, err := os.Lstat(dir.file(name)); err != nil {
			continue
		}
		return t, fmt.Errorf("the control database %s is new or empty, and this data folder is not: put the newest backup of control.db back, an older one will do; without one begin with a new folder, `mv %s %s.old`, and enrol the hosts again: nothing was changed in segments, log and keys",
			dir.file("control.db"), terminal.Quote(dir.path), terminal.Quote(dir.path))
	}
	id, err := uuid.NewV7()
	if err != nil {
		return t, fmt.Errorf("make a tenant id: %w", err)
	}
	person := "local"
	if u, err := user.Current(); err == nil && u.Username != "" {
		person = u.Username
	}
	now := time.Now()
	a, err := command.CreateAuthority(dir.file("authority"), tenant.ID(id), person, now)
	if err != nil {
		return t, fmt.Errorf("make the tenant's authority: %w", err)
	}
	t = controldb.Tenant{ID: tenant.ID(id), Name: tenantName, Authority: a.Public()}
	if err := db.CreateTenant(ctx, t, now.UnixMicro()); err != nil {
		return t, err
	}
	list, operators := a.List()
	if err := db.Response().SaveList(ctx, response.List{Tenant: t.ID, Generation: operators.Generation, Bytes: list}); err != nil {
		return t, fmt.Errorf("keep the operator list: %w", err)
	}
	return t, nil
}
