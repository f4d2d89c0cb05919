package main

import (
	"fmt"
	"slices"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type respondVerb struct {
	Kill    respondKillVerb    `cmd:"" help:"End a process, named by its key: never a reused pid."`
	Suspend respondSuspendVerb `cmd:"" help:"Stop a process without ending it."`
	Resume  respondResumeVerb  `cmd:"" help:"Let a suspended process go on."`
	Isolate respondIsolateVerb `cmd:"" help:"Cut a host off the network, except from this server; ends by itself."`
	Release respondReleaseVerb `cmd:"" help:"End an isolation."`

	Maintenance respondMaintenanceVerb `cmd:"" help:"Say that a host's sensor may be stopped for a while without an alarm."`
}

// respondFlags are the same for every verb.
type respondFlags struct {
	Reason   string        `help:"Why, for the record."`
	Incident string        `help:"Incident it belongs to (i-…) or last."`
	Wait     time.Duration `help:"How long to wait for the outcome; 0 returns at once." default:"30s"`

	OperatorKey string `help:"Operator key, where it was moved away from the server." placeholder:"FILE"`
}

type respondKillVerb struct {
	respondFlags
	Process string `arg:"" help:"Process (HOST/p-…), the host by id or name."`
	Tree    bool   `help:"All that it started too, also what outlived those in between."`
}

// Help shows examples.
func (respondKillVerb) Help() string {
	return "A killed process does not come back; a suspended one does, with resume. Exit code 3: the host has not answered within --wait.\n\n" +
		"Examples:\n  yagura respond kill HOST/p-… --reason 'reverse shell' # as `yagura detections` names it\n" +
		"  yagura respond kill --tree HOST/p-…                   # with all that it started"
}

// Run kills.
func (v respondKillVerb) Run(s *shell) error {
	return s.actOnProcess(command.Kill, v.Process, v.Tree, v.respondFlags)
}

type respondSuspendVerb struct {
	respondFlags
	Process string `arg:"" help:"Process (HOST/p-…), the host by id or name."`
}

// Help shows examples.
func (respondSuspendVerb) Help() string {
	return "Examples:\n  yagura respond suspend HOST/p-… --reason 'looking into it' # as `yagura detections` names it"
}

// Run suspends.
func (v respondSuspendVerb) Run(s *shell) error {
	return s.actOnProcess(command.Suspend, v.Process, false, v.respondFlags)
}

type respondResumeVerb struct {
	respondFlags
	Process string `arg:"" help:"Process (HOST/p-…), the host by id or name."`
}

// Help shows examples.
func (respondResumeVerb) Help() string {
	return "Examples:\n  yagura respond resume HOST/p-… # as `yagura actions` names it"
}

// Run resumes.
func (v respondResumeVerb) Run(s *shell) error {
	return s.actOnProcess(command.Resume, v.Process, false, v.respondFlags)
}

type respondIsolateVerb struct {
	respondFlags
	Host  string        `arg:"" help:"Host, by id (h-…) or name."`
	For   time.Duration `help:"Ends by itself after this long (at most 7 days)." default:"24h"`
	Allow []string      `help:"Further addresses or networks that stay reachable."`
}

// Help shows examples.
func (respondIsolateVerb) Help() string {
	return "Examples:\n  yagura respond isolate HOST --for 2m --reason drill        # for two minutes\n  yagura respond isolate HOST --for 4h --allow 192.0.2.10    # still reachable: 192.0.2.10\n  yagura respond release HOST"
}

// Run isolates.
func (v respondIsolateVerb) Run(s *shell) error {
	if v.For < time.Second || v.For > command.MaxEffect {
		return usagef("--for must lie between 1s and %s", command.MaxEffect)
	}
	host, err := s.findHost(v.Host)
	if err != nil {
		return err
	}
	return s.act(command.Isolate, host, command.IsolateArguments{Seconds: int64(v.For.Seconds()), Allow: v.Allow}, v.respondFlags)
}

type respondReleaseVerb struct {
	respondFlags
	Host string `arg:"" help:"Host, by id (h-…) or name."`
}

// Help shows examples.
func (respondReleaseVerb) Help() string {
	return "Examples:\n  yagura respond release HOST --reason 'cleaned'"
}

// Run releases.
func (v respondReleaseVerb) Run(s *shell) error {
	host, err := s.findHost(v.Host)
	if err != nil {
		return err
	}
	return s.act(command.Release, host, command.ReleaseArguments{}, v.respondFlags)
}

type respondMaintenanceVerb struct {
	respondFlags
	Host string        `arg:"" help:"Host, by id (h-…) or name."`
	For  time.Duration `help:"For so long from now (at most 24h)." default:"1h"`
}

// Help shows examples.
func (respondMaintenanceVerb) Help() string {
	return "A sensor that stops without such an order is told as an alarm. The host must be there to take the order; the newest one counts.\n\n" +
		"Examples:\n  yagura respond maintenance HOST --for 2h --reason 'new kernel' # before the work\n  yagura respond maintenance HOST --for 1s                       # the work is done"
}

// Run announces a maintenance.
func (v respondMaintenanceVerb) Run(s *shell) error {
	if v.For < time.Second || v.For > command.MaxMaintenance {
		return usagef("--for must lie between 1s and %s", command.MaxMaintenance)
	}
	host, err := s.findHost(v.Host)
	if err != nil {
		return err
	}
	return s.act(command.Maintenance, host, command.MaintenanceArguments{Seconds: int64(v.For.Seconds())}, v.respondFlags)
}

func (s *shell) actOnProcess(verb command.Verb, process string, tree bool, f respondFlags) error {
	ref, err := s.findProcess(process)
	if err != nil {
		return err
	}
	return s.act(verb, ref.Host, command.KillArguments{Process: ref.Key.String(), Tree: tree}, f)
}

// act signs a command here with the operator key, hands it to the server to relay, and waits for what
// the host says.
func (s *shell) act(verb command.Verb, host event.HostID, arguments any, f respondFlags) error {
	doing := doingOf(verb, s.shortNames()(host.String()))
	now := time.Now()
	op, err := s.operator(f.OperatorKey, now)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if f.Incident, err = s.incidentID(f.Incident); err != nil {
		return err
	}
	args, err := command.EncodeArguments(arguments)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	c, err := command.New(op.Tenant, op.Operators.Generation, op.Operators.HostCap, verb, args, now, command.Life, host)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	canonical := c.Canonical()
	signature := command.Sign(canonical, op.Key)
	r, err := s.console().SubmitCommand(s.ctx, connect.NewRequest(&consolev1.SubmitCommandRequest{
		Canonical: canonical, Arguments: args, KeyId: signature.KeyID, Signature: signature.Signature,
		Reason: f.Reason, IncidentId: f.Incident,
	}))
	if err != nil {
		return s.explain(doing, err)
	}
	if err := s.warnTwice(doing, host); err != nil {
		return err
	}
	return s.await(doing, r.Msg, f.Wait)
}

// warnTwice says that an order goes to two machines.
func (s *shell) warnTwice(doing string, host event.HostID) error {
	hosts, err := s.hosts(doing)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if h.Id == host.String() && h.Twice != 0 {
			s.warn(s.say("CAUTION: two machines use the identity of %s. This order goes to both, both obey, and only the answer of one is kept: look at both. `yagura doctor` says more.", h.Name))
		}
	}
	return nil
}

// doingOf says what is being done, for errors.
func doingOf(verb command.Verb, host string) string {
	switch verb {
	case command.Kill:
		return fmt.Sprintf("kill in %s", host)
	case command.Suspend:
		return fmt.Sprintf("suspend in %s", host)
	case command.Resume:
		return fmt.Sprintf("resume in %s", host)
	case command.Release:
		return fmt.Sprintf("release %s", host)
	case command.Maintenance:
		return fmt.Sprintf("maintenance of %s", host)
	default:
		return fmt.Sprintf("isolate %s", host)
	}
}

// await polls the action until the host has spoken its last word.
func (s *shell) await(doing string, a *consolev1.Action, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !finalState(a.State) && time.Now().Before(deadline) {
		select {
		case <-s.ctx.Done():
			return left(doing, a)
		case <-tick.C:
		}
		r, err := s.console().ListActions(s.ctx, connect.NewRequest(&consolev1.ListActionsRequest{Limit: 1, Id: a.Id}))
		if s.ctx.Err() != nil {
			return left(doing, a)
		}
		if err != nil {
			s.warn(s.say("The order was taken and stands; `yagura actions show %s` tells what became of it.", a.Id))
			return s.explain(doing, err)
		}
		if len(r.Msg.Actions) == 1 {
			a = r.Msg.Actions[0]
		}
	}
	if err := s.printAction(a); err != nil {
		return err
	}
	switch {
	case a.State == string(command.Done):
		return nil
	case finalState(a.State):
		return fmt.Errorf("%s: %s: %s", doing, s.tongue.Say(a.State), a.Detail)
	case wait > 0:
		return s.waiting(doing, a)
	}
	return nil
}

// left says that who stops waiting takes no order back.
func left(doing string, a *consolev1.Action) error {
	return partialf("%s: you no longer wait, and the order stands: the host carries it out when it hears it within %d minutes; `yagura actions show %s` tells what became of it", doing, int(command.Life.Minutes()), a.Id)
}

// waiting says that the host has not answered, and since when it is silent if it is.
func (s *shell) waiting(doing string, a *consolev1.Action) error {
	hosts, err := s.hosts(doing)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if h.Id != a.HostId {
			continue
		}
		if slices.ContainsFunc(h.Coverage, func(c *consolev1.CoverageCell) bool { return c.Cause == string(coverage.Replayed) }) {
			return partialf("%s: nothing will answer: %s is a recording that was replayed; try it on a host with a sensor (`yagura hosts`)", doing, h.Name)
		}
		switch h.State {
		case "silent":
			return partialf("%s: waiting: %s is silent since %s; `yagura actions show %s` tells when it has answered", doing, h.Name, terminal.Clock(h.SilentSince), a.Id)
		case "never":
			return partialf("%s: waiting: %s never reported; `yagura actions show %s` tells when it has answered", doing, h.Name, a.Id)
		case "waiting":
			return partialf("%s: waiting: %s was not heard since the server started; `yagura actions show %s` tells when it has answered", doing, h.Name, a.Id)
		}
	}
	return partialf("%s: still %s; `yagura actions show %s` tells when the host has answered", doing, s.tongue.Say(a.State), a.Id)
}

func finalState(state string) bool { return state == "expired" || command.State(state).Final() }
