package main

import (
	"fmt"
	"strings"

	"connectrpc.com/connect"

	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
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
		s.printf("%s\n", s.say("no host is enrolled: make a token with `yagura enroll token`", "登録されたホストはありません。`yagura enroll token` でトークンを作成してください"))
		return nil
	}
	rows := make([][]string, 0, len(r.Msg.Hosts))
	for _, h := range r.Msg.Hosts {
		var blind []string
		for _, c := range h.Coverage {
			if c.State != "full" {
				blind = append(blind, c.Class+"="+c.State)
			}
		}
		sees := strings.Join(blind, " ")
		switch {
		case len(h.Coverage) == 0:
			sees = s.say("unknown", "不明")
		case sees == "":
			sees = s.say("everything asked for", "すべて")
		}
		state := h.State
		if h.Isolated {
			state += s.say(", isolated", "、ネットワーク隔離中")
		}
		rows = append(rows, []string{h.Id, h.Name, h.Os, state, clock(h.LastSeen), clock(h.LastCanary), fmt.Sprint(h.Lost_24H), sees})
	}
	s.table([]string{s.say("HOST", "ホスト"), s.say("NAME", "名前"), "OS", s.say("STATE", "状態"), s.say("LAST SEEN", "最終受信"), s.say("LAST CANARY", "最終カナリア"), s.say("LOST 24H", "欠損 24h"), s.say("SEES", "可視範囲")}, rows)
	return nil
}
