package main

import (
	"fmt"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type actionsVerb struct {
	List actionsListVerb `cmd:"" default:"withargs" help:"List actions (default)."`
	Show actionsShowVerb `cmd:"" help:"Show one action with its proof."`
}

type actionsListVerb struct {
	Limit uint32 `help:"At most this many, newest first." default:"50"`
}

// Help shows examples.
func (actionsListVerb) Help() string {
	return "Examples:\n  yagura actions\n  yagura actions --json"
}

// Run lists actions.
func (v actionsListVerb) Run(s *shell) error {
	r, err := s.console().ListActions(s.ctx, connect.NewRequest(&consolev1.ListActionsRequest{Limit: v.Limit}))
	if err != nil {
		return s.explain("list actions", err)
	}
	if s.json {
		return s.printJSON(r.Msg.Actions)
	}
	if len(r.Msg.Actions) == 0 {
		s.printf("%s\n", s.say("no actions: `yagura respond` makes them"))
		return nil
	}
	var rows [][]string
	names := s.shortNames()
	for _, a := range r.Msg.Actions {
		target := shortRef(names, a.Target)
		if target == "" {
			target = names(a.HostId)
		}
		rows = append(rows, []string{terminal.Clock(a.Created), s.say(a.Verb), s.say(a.State), a.Actor, target, a.Id, s.tongue.Text(a.Detail)})
	}
	s.table([]string{"TIME", "ACT", "STATE", "BY", "TARGET", "ACTION", "OUTCOME"}, rows)
	return nil
}

type actionsShowVerb struct {
	ID string `arg:"" help:"Action id (a-…); last: the newest one."`
}

// Help shows examples.
func (actionsShowVerb) Help() string {
	return "Examples:\n  yagura actions show last            # the newest one\n  yagura actions show last --json"
}

// Run shows one action.
func (v actionsShowVerb) Run(s *shell) error {
	ask := &consolev1.ListActionsRequest{Limit: 1}
	if v.ID != last {
		ask.Id = v.ID
	}
	r, err := s.console().ListActions(s.ctx, connect.NewRequest(ask))
	if err != nil {
		return s.explain("show action "+v.ID, err)
	}
	if len(r.Msg.Actions) == 0 && v.ID == last {
		return fmt.Errorf("there is no action yet")
	}
	if len(r.Msg.Actions) == 0 {
		return fmt.Errorf("show action %s: there is no such action: `yagura actions` lists them", v.ID)
	}
	return s.printAction(r.Msg.Actions[0])
}

func (s *shell) printAction(a *consolev1.Action) error {
	if s.json {
		return s.printJSON(a)
	}
	s.printf("%s  %s  %s  %s\n", s.say(a.Verb), event.Show(a.Hostname), s.say(a.State), terminal.Clock(a.Updated))
	names := s.shortNames()
	undo := ""
	if a.Inverse == string(command.Release) {
		undo = s.command("respond", a.Inverse, names(a.HostId))
	} else if a.Inverse != "" {
		undo = s.command("respond", a.Inverse, shortRef(names, a.Target))
	}
	for _, line := range [][2]string{
		{"action", a.Id}, {"target", shortRef(names, a.Target)}, {"outcome", s.tongue.Text(a.Detail)}, {"proof", a.Proof}, {"undo with", undo}, {"reason", a.Reason}, {"by", a.Actor},
	} {
		if line[1] != "" {
			s.printf("  %s %s\n", terminal.Pad(s.say(line[0]), 10), event.Show(line[1]))
		}
	}
	if a.Proof != "" && !a.ProofSigned {
		s.printf("  %s\n", s.say("the proof is not signed by the host: do not trust it"))
	}
	return nil
}
