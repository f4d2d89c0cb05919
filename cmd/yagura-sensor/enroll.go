package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

type enrollVerb struct {
	Token     string `arg:"" optional:"" help:"Token of yagura enroll token; left out or -: it is asked for, or read from standard input."`
	TokenFile string `help:"File with the token." placeholder:"FILE"`
}

// Help shows examples.
func (*enrollVerb) Help() string {
	return "Every user of a machine can read command lines: give the token on standard input or in a file.\n\n" +
		"Examples:\n  sudo yagura-sensor enroll              # asks for the token of `yagura enroll token`\n  sudo yagura-sensor enroll < yagura.token\n  sudo yagura-sensor enroll --token-file yagura.token"
}

// Run enrols this host.
func (v *enrollVerb) Run(s *shell) error {
	text, err := tokenText(v.Token, v.TokenFile)
	if err != nil {
		return err
	}
	if text == "" || text == "-" {
		if text, err = s.askToken(); err != nil {
			return err
		}
	}
	if text == "" {
		return errors.New("no token given: make one on the server with `yagura enroll token`")
	}
	if err := s.own(); err != nil {
		return err
	}
	id, err := enrol(s.ctx, s, text)
	if err != nil {
		return explained(err)
	}
	if s.json {
		return s.printJSON(map[string]any{"host": id.Host.String(), "tenant": id.Tenant.String(), "server": id.URL, "certificate_expiry": id.Expiry()})
	}
	s.printf("%s\n", s.say("enrolled as %s at %s; now run: `sudo yagura-sensor run`", id.Host, id.URL))
	return nil
}

// maxTokenLine bounds what is read as a token.
const maxTokenLine = 8192

// askToken reads one line: from a person, unseen, or from whatever standard input is.
func (s *shell) askToken() (string, error) {
	if f, ok := s.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		_, _ = fmt.Fprintf(s.err, "%s ", s.say("Token of `yagura enroll token` (it is not shown):"))
		b, err := term.ReadPassword(int(f.Fd()))
		_, _ = fmt.Fprintln(s.err)
		if err != nil {
			return "", fmt.Errorf("read enrolment token: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	}
	line, err := bufio.NewReader(io.LimitReader(s.in, maxTokenLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read enrolment token: %w", err)
	}
	return strings.TrimSpace(line), nil
}
