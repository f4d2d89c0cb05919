package main

import (
	"errors"
)

type enrollVerb struct {
	Token     string `arg:"" optional:"" help:"Token of yagura enroll token."`
	TokenFile string `help:"File with the token: then it is in no process list." placeholder:"FILE"`
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
	s.printf("enrolled as %s at %s; now run: yagura-sensor run\n", id.Host, id.URL)
	return nil
}
