package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/console"
	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/response"
	"github.com/yagura-edr/yagura/internal/say"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// hostsBack answers the console's questions about hosts: who they are (fleet), what is seen of them
// (coverage), whether they are cut off (response).
type hostsBack struct {
	fleet    *fleet.Fleet
	coverage *coverage.Coverage
	relay    *response.Relay
	url      string // of the sensors' listener, for tokens
	listen   string // where it listens
}

// SensorAddress says where tokens lead, and where this server listens.
func (b *hostsBack) SensorAddress() (url, listen string) { return b.url, b.listen }

func (b *hostsBack) Hosts(ctx context.Context, t tenant.ID) ([]*consolev1.Host, error) {
	sum, err := b.coverage.Summary(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("read coverage: %w", err)
	}
	var out []*consolev1.Host
	for _, h := range b.fleet.Hosts(t) {
		out = append(out, b.host(h, sum.Health[h.ID]))
	}
	return out, nil
}

func (b *hostsBack) host(h fleet.Host, health coverage.HostHealth) *consolev1.Host {
	m := &consolev1.Host{
		Id: h.ID.String(), Name: h.Name, Os: h.OS, Kernel: h.Kernel, Version: h.Version,
		State: health.State, Enrolled: h.Enrolled, LastSeen: h.LastSeen, LastCanary: health.LastCanary,
		Lost_24H: health.Lost24h, Held_24H: health.Held24h, ClockSkewUs: h.ClockSkew, SpoolEvents: h.SpoolEvents,
		Isolated: b.relay.Isolated(h.ID), IsolationBroken: b.relay.Broken(h.ID), Addresses: h.Addresses, SilentSince: health.SilentSince, Twice: h.Twice,
	}
	m.MaintenanceUntil, m.MaintenanceBy = b.relay.Maintenance(h.Tenant, h.ID)
	if h.Revoked != 0 {
		m.State = "revoked"
	}
	for _, c := range health.Cells {
		m.Coverage = append(m.Coverage, cell(c))
	}
	return m
}

func cell(c coverage.Cell) *consolev1.CoverageCell {
	return &consolev1.CoverageCell{
		Why: inBoth(c.Reason), HostId: c.Host.String(), Hostname: c.Name, Class: c.Class, State: string(c.State), Since: c.Since, Lost: c.Lost, Held: c.Held, Reason: c.Reason, Cause: string(c.Cause),
	}
}

func (b *hostsBack) Hostname(_ context.Context, t tenant.ID, h event.HostID) string {
	host, _ := b.fleet.Host(t, h)
	return host.Name
}

func (b *hostsBack) RevokeHost(ctx context.Context, t tenant.ID, id event.HostID, _ string) (*consolev1.Host, error) {
	h, err := b.fleet.Revoke(ctx, t, id)
	if err != nil {
		if errors.Is(err, fleet.ErrUnknownHost) {
			return nil, console.As(err, console.ErrNotFound)
		}
		return nil, err
	}
	b.coverage.Retired(ctx, id)
	return b.host(h, coverage.HostHealth{State: "revoked"}), nil
}

func (b *hostsBack) CreateEnrolToken(ctx context.Context, t tenant.ID, uses uint32, life time.Duration, recording bool, by string) (string, *consolev1.EnrolToken, error) {
	token, secret, err := b.fleet.CreateToken(ctx, t, int(uses), life, recording, by)
	if err != nil {
		return "", nil, fmt.Errorf("make an enrolment token: %w", err)
	}
	text := command.Token{URL: b.url, CA: b.fleet.CAHash(), Authority: command.AuthorityHash(b.relay.Authority(t)), Tenant: t, Secret: secret}.Encode()
	return text, enrolToken(token), nil
}

func (b *hostsBack) EnrolTokens(_ context.Context, t tenant.ID) ([]*consolev1.EnrolToken, error) {
	var out []*consolev1.EnrolToken
	for _, k := range b.fleet.Tokens(t) {
		out = append(out, enrolToken(k))
	}
	return out, nil
}

func enrolToken(k fleet.Token) *consolev1.EnrolToken {
	return &consolev1.EnrolToken{Id: k.ID, Created: k.Created, Expires: k.Expires, UsesLeft: uint32(max(0, k.UsesLeft)), CreatedBy: k.CreatedBy}
}

// inBoth gives a sentence that another part or a sensor said in English, in both languages: what the tables do
// not know of it stays as it is. Empty stays empty.
func inBoth(english string) *consolev1.Said {
	if english == "" {
		return nil
	}
	return said(say.Finished(english))
}

func said(s detection.Said) *consolev1.Said { return &consolev1.Said{En: s.En, Ja: s.Ja} }
