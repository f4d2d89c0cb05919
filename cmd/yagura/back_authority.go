package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/say"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// What the server knows of the tenant's authority: public halves, the signed list, and when it ends.

// Authority gives the public key that hosts pin, the newest list, and how many hosts are not this machine.
func (b *actionsBack) Authority(_ context.Context, t tenant.ID) (*consolev1.Authority, error) {
	a := &consolev1.Authority{PublicKey: b.relay.Authority(t), OperatorList: b.relay.OperatorList(t)}
	here := thisMachine()
	for _, h := range b.fleet.Hosts(t) {
		if h.Revoked == 0 && !h.Recording && (here == "" || h.Machine != here) {
			a.ForeignHosts++
		}
	}
	return a, nil
}

// thisMachine names this machine as its sensor does when it enrols; empty where the machine has no id.
func thisMachine() string {
	b, err := os.ReadFile("/etc/machine-id")
	id := strings.TrimSpace(string(b))
	if err != nil || id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("yagura-machine-v1\n" + id))
	return hex.EncodeToString(sum[:])
}

// From when on an operator list that ends is told of, and from when on loudly.
const (
	listEndsSoon = 7 * 24 * time.Hour
	listEndsNow  = 48 * time.Hour
)

// The faults that Home shows while the operator list ends: one for each step, so that each is told.
const (
	listSoonFault  = "operator-list-soon"
	listNowFault   = "operator-list-now"
	listEndedFault = "operator-list-ended"
)

// watchAuthority looks whether orders will go on to be taken: a list that ends is told of a week before.
func (p *parts) watchAuthority(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		p.checkAuthority(ctx, time.Now())
		p.checkKeys(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (p *parts) checkAuthority(ctx context.Context, now time.Time) {
	kind, what, severity := listFault(p.relay.Operators(p.tenant.ID), now)
	for _, k := range []string{listSoonFault, listNowFault, listEndedFault} {
		if k != kind {
			p.coverage.Clear(ctx, p.tenant.ID, event.HostID{}, k)
		}
	}
	if kind == "" {
		return
	}
	p.coverage.Report(ctx, coverage.Fault{
		Tenant: p.tenant.ID, Kind: kind, Class: coverage.ClassResponseChannel, Severity: severity, Since: now.UnixMicro(), What: what,
		Fix: say.Both("run `yagura authority renew`, with --key FILE where the authority key was moved away: `yagura authority show` says where to"),
	})
}

// listFault says what is wrong with an operator list, nothing while it is not.
func listFault(ops *command.Operators, now time.Time) (kind string, what detection.Said, severity detection.Severity) {
	if ops == nil {
		return listEndedFault, say.Both("there is no operator list: no host takes an order"), detection.Critical
	}
	switch left := ops.Expiry.Sub(now); {
	case left <= 0:
		return listEndedFault, say.Both("the operator list ended at %s: no host takes an order", saidTime(ops.Expiry)), detection.Critical
	case left < listEndsNow:
		return listNowFault, say.Both("the operator list ends at %s: from then on no host takes an order", saidTime(ops.Expiry)), detection.High
	case left < listEndsSoon:
		return listSoonFault, say.Both("the operator list ends at %s: from then on no host takes an order", saidTime(ops.Expiry)), detection.Medium
	}
	return "", detection.Said{}, detection.Informational
}

// saidTime gives a time inside a sentence of the server: a terminal shows it in its own zone.
func saidTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
