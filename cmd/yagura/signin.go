package main

import (
	"connectrpc.com/connect"

	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type signInVerb struct{}

// Help shows examples.
func (signInVerb) Help() string {
	return "The link works once. It shows the sign-in form and puts who holds it before everybody who guesses: name, password and code stay as they are. " +
		"Only when password or code are lost, and the button there is pressed, are new ones set; then the earlier ones and every open session are void. " +
		"Making and using it are in the audit. Run it as the server's user on the server's machine.\n\n" +
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
	s.printf("%s\n\n  %s\n\n%s\n", s.say("Open this once to sign in, or to set a new password and code when they are lost:"), r.Msg.Url, s.say("It works until %s; nothing changes unless you ask for it there.", terminal.Clock(r.Msg.Expires)))
	return nil
}
