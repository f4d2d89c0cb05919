package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type hostsVerb struct {
	List hostsListVerb `cmd:"" default:"withargs" help:"List hosts (default)."`
	Show hostsShowVerb `cmd:"" help:"Show one host: who it is, what is seen of it, and why not more."`
}

type hostsListVerb struct {
	All bool `help:"Revoked hosts too."`
}

// Help shows examples.
func (hostsListVerb) Help() string {
	return "Examples:\n  yagura hosts\n  yagura hosts --all  # revoked ones too\n  yagura hosts --json"
}

// Run lists hosts.
func (v hostsListVerb) Run(s *shell) error {
	all, err := s.hosts("list hosts")
	if err != nil {
		return err
	}
	gone := 0
	if !v.All {
		n := len(all)
		all = slices.DeleteFunc(all, func(h *consolev1.Host) bool { return h.State == revoked })
		gone = n - len(all)
	}
	if s.json {
		return s.printJSON(all)
	}
	if len(all) == 0 {
		s.printf("%s\n", s.say("no host is enrolled: make a token with `yagura enroll token`"))
	} else {
		var rows [][]string
		for _, h := range all {
			rows = append(rows, []string{
				h.Name, s.hostState(h), terminal.Clock(h.LastSeen), strings.Join(h.Addresses, " "), h.Kernel, s.sees(h), terminal.Clock(h.LastCanary),
				fmt.Sprint(h.Lost_24H), fmt.Sprint(h.Held_24H), h.Id,
			})
		}
		s.table([]string{"NAME", "STATE", "LAST SEEN", "ADDRESS", "KERNEL", "SEES", "LAST CANARY", "LOST 24H", "HELD BACK", "HOST"}, rows)
	}
	if gone > 0 {
		s.printf("%s\n", s.say("revoked and not shown: %d (`yagura hosts --all` shows them)", gone))
	}
	return nil
}

func (s *shell) hostState(h *consolev1.Host) string {
	state := s.say(h.State)
	switch {
	case h.IsolationBroken:
		state += s.say(", NOT isolated and should be")
	case h.Isolated:
		state += s.say(", isolated")
	}
	if h.Twice != 0 {
		state += s.say(", two machines")
	}
	if h.MaintenanceUntil != 0 {
		state += s.say(", maintenance until %s", terminal.Clock(h.MaintenanceUntil))
	}
	return state
}

// sees says what is seen of a host now, each state once with its classes.
func (s *shell) sees(h *consolev1.Host) string {
	switch h.State {
	case "silent", "never", revoked:
		return s.say("nothing")
	case "waiting":
		return s.say("unknown")
	}
	if len(h.Coverage) == 0 {
		return s.say("unknown")
	}
	var states []string
	classes := map[string][]string{}
	for _, c := range h.Coverage {
		if c.State == "full" {
			continue
		}
		if classes[c.State] == nil {
			states = append(states, c.State)
		}
		classes[c.State] = append(classes[c.State], s.say(c.Class))
	}
	switch {
	case len(states) == 0:
		return s.say("everything asked for")
	case len(classes[states[0]]) == len(h.Coverage):
		return s.say(states[0])
	}
	var out []string
	for _, state := range states {
		out = append(out, s.say(state)+": "+strings.Join(classes[state], ", "))
	}
	return strings.Join(out, "; ")
}

type hostsShowVerb struct {
	Host string `arg:"" help:"Host, by id (h-…) or name."`
}

// Help shows examples.
func (hostsShowVerb) Help() string {
	return "Examples:\n  yagura hosts show HOST\n  yagura hosts show HOST --json"
}

// Run shows one host.
func (v hostsShowVerb) Run(s *shell) error {
	id, err := s.findHost(v.Host)
	if err != nil {
		return err
	}
	all, err := s.hosts("show host " + v.Host)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(all, func(h *consolev1.Host) bool { return h.Id == id.String() })
	if at < 0 {
		return fmt.Errorf("show host %s: there is no such host: `yagura hosts --all` lists them", v.Host)
	}
	h := all[at]
	if s.json {
		return s.printJSON(h)
	}
	s.printf("%s  %s  %s\n", event.Show(h.Name), s.hostState(h), h.Id)
	silent := ""
	if h.SilentSince != 0 {
		silent = terminal.Clock(h.SilentSince)
	}
	lines := [][2]string{
		{"address", strings.Join(h.Addresses, " ")},
		{"kernel", h.Kernel},
		{"operating system", h.Os},
		{"sensor version", h.Version},
		{"enrolled", terminal.Clock(h.Enrolled)},
		{"last seen", terminal.Clock(h.LastSeen)},
		{"silent since", silent},
		{"last canary", terminal.Clock(h.LastCanary)},
		{"lost in 24 h", fmt.Sprint(h.Lost_24H)},
		{"held back in 24 h", fmt.Sprint(h.Held_24H)},
		{"waiting at the host", fmt.Sprint(h.SpoolEvents)},
	}
	width := 0
	for _, line := range lines {
		width = max(width, terminal.Width(s.say(line[0])))
	}
	for _, line := range lines {
		if line[1] != "" {
			s.printf("  %s  %s\n", terminal.Pad(s.say(line[0]), width), event.Show(line[1]))
		}
	}
	s.heading("WHAT IS SEEN")
	var rows [][]string
	for _, c := range h.Coverage {
		rows = append(rows, []string{s.say(c.Class), s.say(c.State), terminal.Clock(c.Since), s.tongue.Text(c.Reason)})
	}
	s.table([]string{"CLASS", "STATE", "SINCE", "REASON"}, rows)
	return nil
}
