package main

import (
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/agent"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type statusVerb struct{}

// Help shows examples.
func (statusVerb) Help() string {
	return "Exit code 3: it runs and something is wrong; 1: it does not run.\n\nExamples:\n  sudo yagura-sensor status\n  sudo yagura-sensor status --json | jq .spool"
}

// Run prints how the sensor is: exit 0 well, 3 running but something is wrong, 1 not running.
func (statusVerb) Run(s *shell) error {
	st, err := agent.ReadStatus(s.config)
	if err != nil {
		return err
	}
	wrong := !st.Connected || st.Spool.Problem != "" || st.Spool.Dropped > 0 || st.Spool.Tally == "" || st.Isolation.Due && !st.Isolation.Active
	for _, c := range st.Capabilities {
		wrong = wrong || c.State != "full"
	}
	if s.json {
		if err := s.printJSON(st); err != nil {
			return err
		}
	} else {
		s.print(st)
	}
	if wrong {
		return errPartial
	}
	return nil
}

func (s *shell) print(st agent.Status) {
	line := func(name, format string, args ...any) {
		s.printf("%s %s\n", terminal.Pad(s.say(name), 16), s.say(format, args...))
	}
	line("host", "%s (pid %d, %s, up %s)", st.Host, st.PID, st.Version, time.Since(st.Started).Round(time.Second))
	if st.Connected {
		line("server", "%s, connected for %s", st.Server, time.Since(st.Since).Round(time.Second))
	} else {
		line("server", "%s, NOT connected for %s: %s", st.Server, time.Since(st.Since).Round(time.Second), event.Show(s.tongue.Text(st.Problem)))
	}
	line("events", "%d seen, %d accepted by the server, %d in the spool, %d dropped", st.Seen, st.Sent, st.Spool.Events, st.Spool.Dropped)
	if st.Spool.Dropped > 0 {
		line("", "dropped events are counted at the server, with their reason: give the spool more room (spool_max_bytes) if it was full")
	}
	line("spool", "%.1f MiB on disk", float64(st.Spool.Bytes)/(1<<20))
	if st.Spool.Problem != "" {
		line("", "disk not used: %s", event.Show(s.tongue.Text(st.Spool.Problem)))
	}
	if st.Spool.Tally == "" {
		line("", "no tally: a kill would lose the last moment without a count; look at the sensor's log for the reason")
	}
	for _, c := range st.Capabilities {
		line(c.Class, "%s", strings.TrimSpace(s.say(c.State)+" "+event.Show(s.tongue.Text(c.Reason))))
	}
	switch is := st.Isolation; {
	case is.Active:
		line("isolated", "by %s until %s, %d packets denied", is.Means, terminal.Clock(is.Until.UnixMicro()), is.Denied)
		if !is.Proven {
			line("", "up, not proven: %s", event.Show(s.tongue.Text(is.NotProven)))
		}
	case is.Due:
		line("isolated", "NOT, and should be until %s: %s", terminal.Clock(is.Until.UnixMicro()), event.Show(s.tongue.Text(is.Problem)))
	}
	line("certificate", "until %s", terminal.Clock(st.Certificate.UnixMicro()))
}
