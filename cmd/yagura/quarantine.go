package main

import (
	"strings"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type quarantineVerb struct {
	List  quarantineListVerb  `cmd:"" default:"1" help:"List accepted events that the store could not write, and why."`
	Retry quarantineRetryVerb `cmd:"" help:"Try to store them now; what is stored already is not stored twice."`
}

type quarantineListVerb struct{}

// Help shows examples.
func (quarantineListVerb) Help() string {
	return "Examples:\n  yagura quarantine\n  yagura quarantine --json | jq '.items[]?.reason'"
}

// Run lists what lies there.
func (quarantineListVerb) Run(s *shell) error {
	r, err := s.console().GetQuarantine(s.ctx, connect.NewRequest(&consolev1.GetQuarantineRequest{}))
	if err != nil {
		return s.explain("list the quarantine", err)
	}
	if s.json {
		return s.printJSON(r.Msg)
	}
	if len(r.Msg.Items) == 0 {
		s.printf("%s\n", s.say("the quarantine is empty: every accepted event could be stored"))
	}
	s.kept(r.Msg.Items)
	return nil
}

func (s *shell) kept(items []*consolev1.QuarantineItem) {
	for _, k := range items {
		what := s.say("damaged: nothing can read it")
		if !k.Damaged {
			what = s.say("%d events of %s", k.Events, event.Show(strings.Join(k.Hosts, ", ")))
		}
		s.printf("%s  %s  %s\n", event.Show(k.Id), terminal.Clock(k.Time), what)
		for _, line := range terminal.Wrap(event.Show(s.tongue.Text(k.Reason)), max(s.width(), 80)-2) {
			s.printf("  %s\n", line)
		}
	}
}

type quarantineRetryVerb struct {
	ID string `arg:"" optional:"" help:"One of \"yagura quarantine list\"; without it all that can be read." placeholder:"ID"`
}

// Help shows examples.
func (quarantineRetryVerb) Help() string {
	return "Use it after an upgrade, or when what the list names as the reason is mended.\n\nExamples:\n  yagura quarantine retry\n  yagura quarantine retry record-3-1042"
}

// Run tries to store it.
func (v quarantineRetryVerb) Run(s *shell) error {
	r, err := s.console().RetryQuarantine(s.ctx, connect.NewRequest(&consolev1.RetryQuarantineRequest{Id: v.ID}))
	if err != nil {
		return s.explain("store what is in quarantine", err)
	}
	var partial error
	if len(r.Msg.Failed) > 0 {
		partial = partialf("things that still cannot be stored: %d", len(r.Msg.Failed))
	}
	if s.json {
		if err := s.printJSON(r.Msg); err != nil {
			return err
		}
		return partial
	}
	if r.Msg.Stored == 0 {
		s.wrapped(s.say("nothing could be taken out of quarantine"))
	} else {
		s.wrapped(s.say(many(uint64(r.Msg.Stored), "%d event was taken out of quarantine and can be searched now", "%d events were taken out of quarantine and can be searched now"), r.Msg.Stored))
	}
	s.kept(r.Msg.Failed)
	return partial
}
