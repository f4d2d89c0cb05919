package main

import (
	"fmt"
	"time"

	"connectrpc.com/connect"

	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
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
	s.printf("%s\n\n  sudo yagura-sensor enroll %s\n  sudo yagura-sensor run\n", s.say("On the host, run:", "ホスト上で次を実行してください:"), r.Msg.Token)
	return nil
}

type enrollListVerb struct{}

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
		rows = append(rows, []string{t.Id, clock(t.Expires), fmt.Sprint(t.UsesLeft), t.CreatedBy})
	}
	s.table([]string{s.say("TOKEN", "トークン"), s.say("EXPIRES", "期限"), s.say("USES LEFT", "残り回数"), s.say("MADE BY", "作成者")}, rows)
	return nil
}

type enrollRevokeVerb struct {
	Host string `arg:"" help:"Host id (h-…)."`
}

// Run revokes a host.
func (v enrollRevokeVerb) Run(s *shell) error {
	r, err := s.console().RevokeHost(s.ctx, connect.NewRequest(&consolev1.RevokeHostRequest{HostId: v.Host}))
	if err != nil {
		return s.explain("revoke "+v.Host, err)
	}
	if s.json {
		return s.printJSON(r.Msg)
	}
	s.printf(s.say("%s (%s) is revoked: its sensor can no longer connect\n", "%s(%s)を失効させました。このホストのセンサーは接続できません\n"), r.Msg.Id, r.Msg.Name)
	return nil
}
