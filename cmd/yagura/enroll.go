package main

import (
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type enrollVerb struct {
	Token  enrollTokenVerb  `cmd:"" help:"Make an enrolment token and print the command to run on the host."`
	List   enrollListVerb   `cmd:"" help:"List tokens that can still be used."`
	Revoke enrollRevokeVerb `cmd:"" help:"Revoke a host's certificate at once."`
}

type enrollTokenVerb struct {
	Uses uint32        `help:"How many hosts may use it." default:"1"`
	TTL  time.Duration `help:"How long it may be used (at most 24h)." default:"24h" name:"ttl"`
}

// Help shows examples.
func (enrollTokenVerb) Help() string {
	return "Examples:\n  yagura enroll token\n  yagura enroll token --uses 50 --ttl 8h"
}

// Run makes a token.
func (v enrollTokenVerb) Run(s *shell) error {
	if v.Uses == 0 || v.TTL <= 0 || v.TTL > 24*time.Hour {
		return usagef("--uses must be at least 1 and --ttl between 1s and 24h")
	}
	r, err := s.console().CreateEnrolToken(s.ctx, connect.NewRequest(&consolev1.CreateEnrolTokenRequest{Uses: v.Uses, TtlSeconds: int64(v.TTL.Seconds())}))
	if err != nil {
		return s.explain("make an enrolment token", err)
	}
	if s.json {
		return s.printJSON(r.Msg)
	}
	s.printf("%s\n\n  sudo yagura-sensor enroll %s\n  sudo yagura-sensor run\n\n%s\n", s.say("On the host, run:"), r.Msg.Token,
		s.say("The token works for %d hosts until %s.", r.Msg.Entry.GetUsesLeft(), terminal.Clock(r.Msg.Entry.GetExpires())))
	return nil
}

type enrollListVerb struct{}

// Help shows examples.
func (enrollListVerb) Help() string {
	return "Examples:\n  yagura enroll list\n  yagura enroll list --json"
}

// Run lists tokens.
func (enrollListVerb) Run(s *shell) error {
	r, err := s.console().ListEnrolTokens(s.ctx, connect.NewRequest(&consolev1.ListEnrolTokensRequest{}))
	if err != nil {
		return s.explain("list enrolment tokens", err)
	}
	if s.json {
		return s.printJSON(r.Msg.Tokens)
	}
	var rows [][]string
	for _, t := range r.Msg.Tokens {
		rows = append(rows, []string{t.Id, terminal.Clock(t.Expires), fmt.Sprint(t.UsesLeft), t.CreatedBy})
	}
	if len(rows) == 0 {
		s.printf("%s\n", s.say("no token is open: make one with `yagura enroll token`"))
		return nil
	}
	s.table([]string{"TOKEN", "EXPIRES", "USES LEFT", "MADE BY"}, rows)
	return nil
}

type enrollRevokeVerb struct {
	Host string `arg:"" help:"Host, by id (h-…) or name."`
}

// Help shows examples.
func (enrollRevokeVerb) Help() string {
	return "The host's sensor is refused from now on; enrolling it again with a new token makes a new host of it.\n\nExamples:\n  yagura enroll revoke web-01"
}

// Run revokes a host.
func (v enrollRevokeVerb) Run(s *shell) error {
	host, err := s.findHost(v.Host)
	if err != nil {
		return err
	}
	r, err := s.console().RevokeHost(s.ctx, connect.NewRequest(&consolev1.RevokeHostRequest{HostId: host.String()}))
	if err != nil {
		return s.explain("revoke "+v.Host, err)
	}
	if s.json {
		return s.printJSON(r.Msg)
	}
	s.printf("%s\n", s.say("%s (%s) is revoked: its sensor can no longer connect", r.Msg.Id, event.Show(r.Msg.Name)))
	return nil
}
