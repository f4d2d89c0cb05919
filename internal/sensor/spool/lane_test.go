package spool

import (
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
)

func TestLaneOfALogThatIsEmptied(t *testing.T) {
	for _, c := range []struct {
		kind  event.Kind
		flags uint64
		path  string
		want  event.Lane
	}{
		{event.FileModify, event.FlagEmptied, "/var/log/auth.log", event.Critical},
		{event.FileModify, event.FlagEmptied, "/srv/jail/var/log/syslog", event.Critical},
		{event.FileModify, event.FlagEmptied, "/home/a/.bash_history", event.Critical},
		{event.FileModify, event.FlagEmptied, "/home/a/.zsh_history", event.Critical},
		{event.FileModify, event.FlagEmptied, "/home/a/.local/share/fish/fish_history", event.Critical},
		{event.FileModify, event.FlagEmptied, "/run/utmp", event.Critical},
		{event.FileModify, event.FlagEmptied, "/home/a/main.o", event.Bulk},
		{event.FileModify, 0, "/var/log/auth.log", event.Bulk},
		{event.FileCreate, event.FlagCreated, "/var/log/auth.log", event.Bulk},
	} {
		if got := laneOf(&event.Event{Kind: c.kind, Flags: c.flags, File: event.File{Path: c.path}}); got != c.want {
			t.Errorf("%s of %s, flags %d: lane %v; want %v", c.kind, c.path, c.flags, got, c.want)
		}
	}
}
