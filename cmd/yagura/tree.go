package main

import (
	"strings"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
)

type treeVerb struct {
	Process string `arg:"" help:"Process (HOST/p-…), as detections and stories name it."`
	Depth   uint32 `help:"How many generations below." default:"16"`
	Limit   uint32 `help:"At most this many processes." default:"500"`
}

// Help shows examples.
func (treeVerb) Help() string { return "Examples:\n  yagura tree h-0190…/p-abc… --json" }

// Run shows a tree.
func (v treeVerb) Run(s *shell) error {
	r, err := s.console().GetTree(s.ctx, connect.NewRequest(&consolev1.GetTreeRequest{Process: v.Process, Depth: v.Depth, Limit: v.Limit}))
	if err != nil {
		return s.explain("read the tree of "+v.Process, err)
	}
	if s.json {
		return s.printJSON(r.Msg)
	}
	for _, n := range r.Msg.Nodes {
		text := n.CommandLine
		if text == "" {
			text = n.Image
		}
		mark := " "
		if n.Process == v.Process {
			mark = ">"
		}
		s.printf("%s %7d %s%s\n", mark, n.Pid, strings.Repeat("  ", int(n.Depth)), event.Show(text))
	}
	if r.Msg.Truncated {
		s.printf("%s %s\n", s.say("cut off:", "打ち切り:"), r.Msg.Stopped)
	}
	return nil
}
