package spool

import (
	"path"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
)

// laneOf gives the lane that an event travels in: that of its kind, but a log or a history that is emptied goes with what is shed last. It is
// one event, and what it took away is not kept elsewhere.
func laneOf(e *event.Event) event.Lane {
	if e.Kind == event.FileModify && e.Flags&event.FlagEmptied != 0 && record(e.File.Path) {
		return event.Critical
	}
	return e.Kind.Lane()
}

// record says whether a file is one that keeps what happened: a log, or the commands that a person typed. In any root.
func record(p string) bool {
	if strings.Contains(p, "/var/log/") || strings.Contains(p, "/var/spool/mail/") || strings.Contains(p, "/var/mail/") {
		return true
	}
	base := path.Base(p)
	switch base {
	case "utmp", "wtmp", "btmp", "lastlog", "history", ".history", "fish_history", ".lesshst":
		return true
	}
	return strings.HasPrefix(base, ".") && (strings.HasSuffix(base, "_history") || strings.HasSuffix(base, "-history"))
}
