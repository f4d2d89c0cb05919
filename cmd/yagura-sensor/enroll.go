package main

import (
	"errors"
)

type enrollVerb struct {
	Token     string `arg:"" optional:"" help:"Token of yagura enroll token."`
	TokenFile string `help:"File with the token: then it is in no process list." placeholder:"FILE"`
}

// Help shows examples.
func (*enrollVerb) Help() string {
	return "Examples:\n  sudo yagura-sensor enroll yagura1.eyJ1…  # as `yagura enroll token` prints it\n  sudo yagura-sensor enroll --token-file /root/yagura.token"
}

// Run enrols this host.
func (v *enrollVerb) Run(s *shell) error {
	text, err := tokenText(v.Token, v.TokenFile)
	if err != nil {
		return err
	}
	if text == "" {
		return errors.New("no token given: make one on the server with yagura enroll token")
	}
	id, err := enrol(s.ctx, s, text)
	if err != nil {
		return explained(err)
	}
	if s.json {
		return s.printJSON(map[string]any{"host": id.Host.String(), "tenant": id.Tenant.String(), "server": id.URL, "certificate_expiry": id.Expiry()})
	}
	s.printf("%s\n", s.say("enrolled as %s at %s; now run: yagura-sensor run", id.Host, id.URL))
	return nil
}
