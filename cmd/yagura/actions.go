package main

import (
	"fmt"

	"connectrpc.com/connect"

	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
)

type actionsVerb struct {
	List actionsListVerb `cmd:"" default:"withargs" help:"List actions (default)."`
	Show actionsShowVerb `cmd:"" help:"Show one action with its proof."`
}

type actionsListVerb struct {
	Limit uint32 `help:"At most this many, newest first." default:"50"`
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
		s.printf("%s\n", s.say("no actions", "対処はありません"))
		return nil
	}
	var rows [][]string
	for _, a := range r.Msg.Actions {
		rows = append(rows, []string{a.Id, clock(a.Created), a.Verb, a.Hostname, a.Target, a.State, a.Actor, a.Detail})
	}
	s.table([]string{s.say("ACTION", "対処"), s.say("TIME", "時刻"), s.say("VERB", "動作"), s.say("HOST", "ホスト"), s.say("TARGET", "対象"), s.say("STATE", "状態"), s.say("BY", "実行者"), s.say("OUTCOME", "結果")}, rows)
	return nil
}

type actionsShowVerb struct {
	ID string `arg:"" help:"Action id (a-…)."`
}

// Run shows one action.
func (v actionsShowVerb) Run(s *shell) error {
	r, err := s.console().ListActions(s.ctx, connect.NewRequest(&consolev1.ListActionsRequest{Limit: 1, Id: v.ID}))
	if err != nil {
		return s.explain("show action "+v.ID, err)
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
	s.printf("%s  %s %s  %s  %s\n", a.Id, a.Verb, a.Target, a.Hostname, a.State)
	for _, line := range [][2]string{{s.say("outcome", "結果"), a.Detail}, {s.say("proof", "証明"), a.Proof}, {s.say("undo with", "取り消し"), a.Inverse}, {s.say("reason", "理由"), a.Reason}} {
		if line[1] != "" {
			s.printf("  %s: %s\n", line[0], line[1])
		}
	}
	if a.Proof != "" && !a.ProofSigned {
		s.printf("  %s\n", s.say("the proof is not signed by the host: do not trust it", "証明にホストの署名がありません。信用しないでください"))
	}
	return nil
}
