package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/config"
	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/notify"
	"github.com/yagura-edr/yagura/internal/say"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// openNotify makes the router with the channels of the configuration; without channels it tells nobody.
func openNotify(p *parts, c *config.Config) (*notify.Router, error) {
	n := c.Notify
	zone, err := time.LoadLocation(n.Timezone)
	if err != nil {
		return nil, fmt.Errorf("notify.timezone %q: %w", n.Timezone, err)
	}
	least, err := detection.ParseSeverity(n.MinSeverity)
	if err != nil {
		return nil, fmt.Errorf("notify.min_severity: %w", err)
	}
	url := n.PublicURL
	if url == "" {
		url = p.url()
	}
	voice := func(language string) notify.Voice {
		if language == "" {
			language = n.Language
		}
		return notify.Voice{Language: language, PublicURL: url, Zone: zone}
	}
	var channels []notify.Channel
	if m := n.SMTP; m.Host != "" {
		mails, err := notify.NewMails(notify.MailServer{
			Host: m.Host, Port: m.Port, TLS: notify.TLSMode(m.TLS), CAFile: m.CAFile, Auth: m.Auth, Username: m.Username,
			PasswordFile: m.PasswordFile, From: m.From, Voice: voice(m.Language),
		}, m.To)
		if err != nil {
			return nil, fmt.Errorf("notify.smtp: %w", err)
		}
		channels = append(channels, mails...)
	}
	for _, w := range n.Webhooks {
		v := voice(w.Language)
		v.HideHosts = w.HideHosts
		hook, err := notify.NewWebhook(notify.WebhookTarget{
			Name: w.Name, URL: w.URL, SecretFile: w.SecretFile, CAFile: w.CAFile, AllowLoopback: w.AllowLoopback, AllowHTTP: w.AllowHTTP, Voice: v,
		})
		if err != nil {
			return nil, fmt.Errorf("notify.webhooks %s: %w", w.Name, err)
		}
		channels = append(channels, hook)
	}
	return notify.New(notify.Options{
		Outbox: p.db, Findings: findings{p.coverage, p.tenant.ID}, Channels: channels, MinSeverity: least, Believed: p.clock.Now, Log: p.log,
		Sources: []notify.Source{notify.SourceFunc(p.incidentNotices), notify.SourceFunc(p.silentNotices)},
	})
}

// incidentNotices lists incidents that were made or grew since a time.
func (p *parts) incidentNotices(ctx context.Context, since time.Time) ([]notify.Notice, error) {
	rows, err := p.desk.List(ctx, p.tenant.ID, incident.Query{})
	if err != nil {
		return nil, err
	}
	var out []notify.Notice
	for _, r := range rows {
		if r.Updated < since.UnixMicro() || r.State == incident.StateClosed {
			continue
		}
		n := notify.Notice{
			Key: notify.IncidentKey(r.ID.String(), r.Severity), Tenant: r.Tenant, Kind: notify.Incident, Severity: r.Severity,
			Title: r.Title, Summary: detection.Said{En: say.Both("Entry route: %s", r.Entry.En).En, Ja: say.Both("Entry route: %s", r.Entry.Ja).Ja}, Hosts: r.Hostnames, Link: "/incidents/" + r.ID.String(), Time: time.UnixMicro(r.First),
		}
		if _, found, err := p.desk.Get(ctx, r.Tenant, r.ID); err == nil {
			n.Todo, n.Credits = firstSteps(found)
			n.Act = p.worstAct(found)
		}
		out = append(out, n)
	}
	return out, nil
}

// worstAct gives the process of the worst detection, the latest among equals.
func (p *parts) worstAct(found []detection.Detection) notify.Act {
	var worst *detection.Detection
	for i := range found {
		d := &found[i]
		if d.Event.Event == nil || d.Event.Event.Actor.Key == (event.Key{}) {
			continue
		}
		if worst == nil || d.Severity > worst.Severity || d.Severity == worst.Severity && d.Event.Event.Time >= worst.Event.Event.Time {
			worst = d
		}
	}
	if worst == nil {
		return notify.Act{}
	}
	host, _ := p.fleet.Host(worst.Tenant, worst.Event.ID.Host)
	a := worst.Event.Event.Actor
	return notify.Act{
		Host: host.Name, Addresses: host.Addresses, User: a.UserName, PID: a.PID, Path: a.Path, CommandLine: a.CommandLine,
		Key: event.Ref{Host: worst.Event.ID.Host, Key: a.Key}.String(),
	}
}

// firstSteps gives what the worst detection's rule says to do, and who wrote the rules, as their licences ask.
func firstSteps(found []detection.Detection) (todo detection.Said, credits []string) {
	var worst detection.Severity
	for _, d := range found {
		if d.Severity > worst && d.Todo.En != "" {
			worst, todo = d.Severity, d.Todo
		}
		if d.Author != "" {
			if c := fmt.Sprintf("%s (%s, %s)", d.Title.En, d.Author, d.Licence); !slices.Contains(credits, c) && len(credits) < 20 {
				credits = append(credits, c)
			}
		}
	}
	return todo, credits
}

// silentNotices lists what stopped working and still does.
func (p *parts) silentNotices(ctx context.Context, _ time.Time) ([]notify.Notice, error) {
	failures, err := p.coverage.SilentFailures(ctx, p.tenant.ID)
	if err != nil {
		return nil, err
	}
	var out []notify.Notice
	for _, f := range failures {
		if f.Severity < detection.Medium {
			continue
		}
		n := notify.Notice{
			Key: notify.SilentKey(f.Class, f.ID, time.UnixMicro(f.Since)), Tenant: p.tenant.ID, Kind: notify.Silent, Severity: f.Severity,
			Title: f.What, Todo: f.Fix, Link: "/", Time: time.UnixMicro(f.Since),
		}
		if f.Name != "" {
			n.Hosts = []string{f.Name}
		}
		if f.Host != (event.HostID{}) {
			n.Link = "/hosts/" + f.Host.String()
		}
		// A dead channel is not asked to carry the news of its own death.
		n.Channel, _ = strings.CutPrefix(f.ID, "server/"+notify.FindingClass+" ")
		if n.Channel == f.ID {
			n.Channel = ""
		}
		out = append(out, n)
	}
	return out, nil
}

// findings shows on Home what notify could not deliver.
type findings struct {
	coverage *coverage.Coverage
	tenant   tenant.ID
}

func (f findings) ReportFinding(ctx context.Context, class, subject string, what detection.Said) error {
	f.coverage.Report(ctx, coverage.Fault{
		Tenant: f.tenant, Kind: class + " " + subject, Class: coverage.ClassServer, Severity: detection.High, What: what, Since: time.Now().UnixMicro(),
		Fix: say.Both("check notify in server.yaml, then run `yagura doctor --notify`"),
	})
	return nil
}

func (f findings) ClearFinding(ctx context.Context, class, subject string) error {
	f.coverage.Clear(ctx, f.tenant, event.HostID{}, class+" "+subject)
	return nil
}

// localSensorFault is the fault that Home shows while up's own host is not watched.
const localSensorFault = "local-sensor"

// noLocalSensor shows on Home that up watches everything but its own host.
func (p *parts) noLocalSensor(ctx context.Context, why error) {
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	p.coverage.Report(ctx, coverage.Fault{
		Tenant: p.tenant.ID, Kind: localSensorFault, Class: coverage.ClassSensorDegraded, Severity: detection.High, Since: time.Now().UnixMicro(),
		What: say.Both("%s, the host of this server, is not watched: %v", name, why),
		Fix:  say.Both("run `yagura up` as root, or enrol the host by hand with `yagura enroll token`"),
	})
}
