package main

import (
	"errors"
	"strconv"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
)

type treeVerb struct {
	Process string `arg:"" help:"Process (HOST/p-…), as detections and stories name it; last: that of the newest detection."`
	Depth   uint32 `help:"How many generations below." default:"16"`
	Limit   uint32 `help:"At most this many processes." default:"500"`
}

// Help shows examples.
func (treeVerb) Help() string {
	return "Examples:\n  yagura tree last\n  yagura tree last --depth 2 --json"
}

// Run shows a tree.
func (v treeVerb) Run(s *shell) error {
	if v.Process == last {
		d, err := s.console().ListDetections(s.ctx, connect.NewRequest(&consolev1.ListDetectionsRequest{Limit: 1}))
		if err != nil {
			return s.explain("find the newest detection", err)
		}
		if len(d.Msg.Detections) == 0 {
			return errors.New("there is no detection yet: name a process (HOST/p-…)")
		}
		v.Process = d.Msg.Detections[0].Process
	}
	r, err := s.console().GetTree(s.ctx, connect.NewRequest(&consolev1.GetTreeRequest{Process: v.Process, Depth: v.Depth, Limit: v.Limit}))
	if err != nil {
		return s.explain("read the tree of "+v.Process, err)
	}
	if s.json {
		return s.printJSON(r.Msg)
	}
	var rows []branch
	for _, n := range r.Msg.Nodes {
		text := n.CommandLine
		if text == "" {
			text = n.Image
		}
		if n.Process == v.Process {
			text += "  ◀"
		}
		rows = append(rows, branch{depth: int(n.Depth), text: event.Show(text), right: strconv.FormatUint(n.Pid, 10)})
	}
	s.printf("%7s\n%s", s.say("PID"), drawn(rows, 7, s.width()))
	if r.Msg.Truncated {
		s.printf("%s %s\n", s.say("cut off:"), s.tongue.Text(r.Msg.Stopped))
	}
	return nil
}
