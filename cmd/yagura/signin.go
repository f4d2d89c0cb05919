package main

import (
	"connectrpc.com/connect"

	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type signInVerb struct{}

// Help shows examples.
func (signInVerb) Help() string {
	return "The link works once. Whoever opens it sets a new name, password and code; from then on the earlier ones and every open session are void. " +
		"Until then nothing changes. Making and using it are in the audit. Run it as the server's user on the server's machine.\n\n" +
		"Examples:\n  yagura sign-in\n  yagura sign-in --json | jq -r .url"
}

// Run makes a link.
func (signInVerb) Run(s *shell) error {
	r, err := s.console().CreateSignInLink(s.ctx, connect.NewRequest(&consolev1.CreateSignInLinkRequest{}))
	if err != nil {
		return s.explain("make a sign-in link", err)
	}
	if s.json {
		return s.printJSON(r.Msg)
	}
	s.printf("%s\n\n  %s\n\n%s\n", s.say("Open this once to set a new password and code:"), r.Msg.Url, s.say("It works until %s; earlier credentials end when it is used.", terminal.Clock(r.Msg.Expires)))
	return nil
}
