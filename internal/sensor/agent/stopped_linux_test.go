package agent

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/boot"
	"github.com/yagura-edr/yagura/internal/event"
)

// The last word of a sensor names who stopped it, as far as the kernel told.
func TestWhoStoppedTheSensor(t *testing.T) {
	shell := event.Process{Key: event.Key{1}, PID: 4711, Path: "/usr/bin/bash", CommandLine: "bash -c 'kill -TERM 99'\x1b[2J", UserName: "mallory"}
	first := event.Process{Key: event.Key{2}, PID: 1, Path: "/usr/lib/systemd/systemd", CommandLine: "/sbin/init", UserName: "root"}
	asks := event.Process{Key: event.Key{3}, PID: 12, Path: "/usr/bin/systemctl", CommandLine: "systemctl stop yagura-sensor", UserName: "root"}
	signal := func(by event.Process, s unix.Signal) *event.Event {
		return &event.Event{Kind: event.SensorSignal, Request: uint64(s), Actor: by}
	}
	for name, c := range map[string]struct {
		seen []*event.Event
		says string
		by   uint64
	}{
		"nothing was seen":             {nil, "nobody knows who", 0},
		"a shell":                      {[]*event.Event{signal(shell, unix.SIGTERM)}, `SIGTERM from "bash -c 'kill -TERM 99'\x1b[2J" (pid 4711, mallory)`, 4711},
		"frozen first, then ended":     {[]*event.Event{signal(first, unix.SIGSTOP), signal(shell, unix.SIGINT)}, "SIGINT from", 4711},
		"only frozen":                  {[]*event.Event{signal(shell, unix.SIGSTOP)}, "nobody knows who", 0},
		"the first process, asked":     {[]*event.Event{{Kind: event.ProcessExec, BootNS: boot.Now(), Actor: asks}, signal(first, unix.SIGTERM)}, `asked by "systemctl stop yagura-sensor" (pid 12, root)`, 12},
		"the first process, not asked": {[]*event.Event{{Kind: event.ProcessExec, BootNS: boot.Now() - uint64(2*askedLife), Actor: asks}, signal(first, unix.SIGTERM)}, `SIGTERM from "/sbin/init" (pid 1, root)`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			who := newCulprit()
			for _, e := range c.seen {
				who.look(e)
				*e = event.Event{} // an event is used again when it was taken
			}
			says, _, by := who.name(t.Context())
			if !strings.Contains(says, c.says) || by.PID != c.by {
				t.Errorf("%q by %d; want %q by %d", says, by.PID, c.says, c.by)
			}
		})
	}
}

// Who froze the sensor is named when it goes on, and nobody for a signal of another time.
func TestWhoFrozeTheSensor(t *testing.T) {
	shell := event.Process{Key: event.Key{1}, PID: 4711, CommandLine: "bash", UserName: "mallory"}
	who := newCulprit()
	if says, by := who.froze(10e9, 90e9); says != saidNoSignal || by.PID != 0 {
		t.Errorf("%q by %d; want that no signal was seen", says, by.PID)
	}
	who.look(&event.Event{Kind: event.SensorSignal, Request: uint64(unix.SIGSTOP), Actor: shell, BootNS: 9500e6})
	who.look(&event.Event{Kind: event.SensorSignal, Request: uint64(unix.SIGCONT), Actor: event.Process{PID: 1}, BootNS: 90e9})
	if says, by := who.froze(10e9, 90e9); says != `SIGSTOP from "bash" (pid 4711, mallory)` || by.PID != 4711 {
		t.Errorf("%q by %d", says, by.PID)
	}
	if says, _ := who.froze(200e9, 300e9); says != saidNoSignal {
		t.Errorf("a signal of another time is blamed: %q", says)
	}
}
