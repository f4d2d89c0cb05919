package main

import (
	"errors"
	"strconv"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
)

type treeVerb struct {
	Process  string `arg:"" optional:"" help:"Process (HOST/p-…), as detections and stories name it; last: that of the newest detection."`
	Incident string `help:"Of the worst detection of this incident (i-…); last: the newest one."`
	Depth    uint32 `help:"How many generations below." default:"16"`
	Limit    uint32 `help:"At most this many processes." default:"500"`
}

// Help shows examples.
func (treeVerb) Help() string {
	return "Examples:\n  yagura tree --incident last # where the newest incident is worst\n  yagura tree last            # of the newest detection\n  yagura tree last --depth 2 --json"
}

// Run shows a tree.
func (v treeVerb) Run(s *shell) error {
	process, err := v.root(s)
	if err != nil {
		return err
	}
	v.Process = process
	r, err := s.console().GetTree(s.ctx, connect.NewRequest(&consolev1.GetTreeRequest{Process: v.Process, Depth: v.Depth, Limit: v.Limit}))
	if err != nil {
		return s.explain("read the tree of "+v.Process, err)
	}
	var partial error
	if r.Msg.Partial {
		partial = partialf("%s", s.said(r.Msg.PartialSaid))
	}
	if s.json {
		return errors.Join(s.printJSON(r.Msg), partial)
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
	s.printf("%7s\n", s.say("PID"))
	s.print(drawn(rows, 7, s.width()))
	if r.Msg.Truncated {
		s.printf("%s %s\n", s.say("cut off:"), s.tongue.Text(r.Msg.Stopped))
	}
	return partial
}

// root gives the process that was meant, in its full form.
func (v treeVerb) root(s *shell) (string, error) {
	switch {
	case v.Process != "" && v.Incident != "":
		return "", usagef("name a process or --incident, not both")
	case v.Process == "" && v.Incident == "":
		return "", usagef("name a process (HOST/p-…), last, or --incident last")
	case v.Process != "" && v.Process != last:
		return s.optionalProcess(v.Process)
	}
	of, err := s.incidentID(v.Incident)
	if err != nil {
		return "", err
	}
	ask := &consolev1.ListDetectionsRequest{Limit: 1, IncidentId: of}
	if of != "" {
		ask.Limit = 1000
	}
	d, err := s.console().ListDetections(s.ctx, connect.NewRequest(ask))
	if err != nil {
		return "", s.explain("find the newest detection", err)
	}
	for _, level := range []string{"critical", "high", "medium", "low", "informational"} {
		for _, x := range d.Msg.Detections {
			if x.Process != "" && x.Severity == level {
				return x.Process, nil
			}
		}
	}
	return "", errors.New("there is no detection yet: name a process (HOST/p-…)")
}
