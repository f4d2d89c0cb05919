package incident_test

import (
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// logon is the first event of a session, as PAM's own helper causes it; name and all below it are in the session.
func (t *tape) logon(name, session string) event.Stamped {
	p := t.procs[name]
	p.SessionID, p.LoginUserID = session, p.UserID
	return t.add(event.Event{Kind: event.AuthLogon, Actor: *p, Parent: t.up(name), Subject: "session " + session})
}

// inSession starts a program in a session that another process began.
func (t *tape) inSession(name, parent string, pid uint64, path, cmd, session, tty string) event.Stamped {
	p := t.process(name, parent, pid, path, cmd)
	p.SessionID, p.TTY = session, tty
	return t.add(event.Event{Kind: event.ProcessExec, Actor: *p, Parent: *t.procs[parent]})
}

func TestStoryOfATerminalSessionNamesItsLogon(t *testing.T) {
	tp := newTape(hostA)
	tp.start("login", "init", 20, "/usr/bin/login", "login -- web")
	tp.start("motd", "login", 21, "/usr/bin/dash", "sh -c run-parts /etc/update-motd.d")
	began := tp.logon("motd", "7")
	tp.inSession("shell", "login", 22, "/usr/bin/bash", "-bash", "7", "/dev/tty1")
	tp.detect(tp.inSession("cat", "shell", 23, "/usr/bin/cat", "cat /etc/shadow", "7", "/dev/tty1"), "passwords read", detection.High, "T1003.008")
	s := tp.story()
	if s.Entry.Route != "logon" || len(s.Entry.Chain) != 2 || s.Entry.Chain[0].EventIDs[0] != began.ID.String() || !strings.Contains(s.Entry.Chain[0].Text.En, "/dev/tty1") {
		t.Errorf("entry = %+v; want logon, by the event that began session 7, on /dev/tty1", s.Entry)
	}
}

func TestSchedulerSessionIsNoLogon(t *testing.T) {
	tp := newTape(hostA)
	tp.running("cron", "init", 15, "/usr/sbin/cron", "/usr/sbin/cron -f")
	tp.start("job", "cron", 30, "/usr/bin/dash", "/bin/sh -c /opt/app/job")
	tp.logon("job", "8")
	tp.detect(tp.inSession("cat", "job", 31, "/usr/bin/cat", "cat /etc/shadow", "8", ""), "passwords read", detection.High, "T1003.008")
	if s := tp.story(); s.Entry.Route != "scheduled" {
		t.Errorf("entry route %q (%s); want scheduled: nobody logged on", s.Entry.Route, s.Entry.Stopped.Why.En)
	}
}

func TestUnknownEntrySaysWhatWasLookedAt(t *testing.T) {
	tp := newTape(hostA)
	tp.running("shell", "init", 22, "/usr/bin/bash", "-bash")
	tp.procs["shell"].SessionID, tp.procs["shell"].TTY = "3", "/dev/pts/0"
	tp.add(event.Event{Kind: event.ProcessExit, Actor: *tp.procs["shell"], Parent: tp.up("shell")})
	tp.detect(tp.inSession("cat", "shell", 23, "/usr/bin/cat", "cat /etc/shadow", "3", "/dev/pts/0"), "passwords read", detection.High, "T1003.008")
	s := tp.story()
	for _, want := range []string{"already ran when the sensor started", "log-on session 3 (web, /dev/pts/0)", "began before the sensor did", "no connection taken, link"} {
		if s.Entry.Route != "unknown" || !strings.Contains(s.Entry.Stopped.Why.En, want) {
			t.Errorf("route %s, reason %q; want unknown with %q", s.Entry.Route, s.Entry.Stopped.Why.En, want)
		}
	}
}
