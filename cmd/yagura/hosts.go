package main

import (
	"fmt"
	"strings"

	"connectrpc.com/connect"

	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type hostsVerb struct{}

// Help shows examples.
func (hostsVerb) Help() string { return "Examples:\n  yagura hosts\n  yagura hosts --json" }

// Run lists hosts.
func (hostsVerb) Run(s *shell) error {
	r, err := s.console().ListHosts(s.ctx, connect.NewRequest(&consolev1.ListHostsRequest{}))
	if err != nil {
		return s.explain("list hosts", err)
	}
	if s.json {
		return s.printJSON(r.Msg.Hosts)
	}
	if len(r.Msg.Hosts) == 0 {
		s.printf("%s\n", s.say("no host is enrolled: make a token with `yagura enroll token`"))
		return nil
	}
	rows := make([][]string, 0, len(r.Msg.Hosts))
	for _, h := range r.Msg.Hosts {
		var blind []string
		for _, c := range h.Coverage {
			if c.State != "full" {
				blind = append(blind, s.say(c.Class)+"="+s.say(c.State))
			}
		}
		sees := strings.Join(blind, " ")
		switch {
		case len(h.Coverage) == 0:
			sees = s.say("unknown")
		case sees == "":
			sees = s.say("everything asked for")
		}
		state := s.say(h.State)
		if h.Isolated {
			state += s.say(", isolated")
		}
		rows = append(rows, []string{h.Name, state, terminal.Clock(h.LastSeen), terminal.Clock(h.LastCanary), h.Os, fmt.Sprint(h.Lost_24H), fmt.Sprint(h.Held_24H), sees, h.Id})
	}
	s.table([]string{"NAME", "STATE", "LAST SEEN", "LAST CANARY", "OS", "LOST 24H", "HELD BACK", "SEES", "HOST"}, rows)
	return nil
}
