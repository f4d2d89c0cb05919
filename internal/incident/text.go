package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// maxText bounds each text of a host that the graph keeps, in bytes. An event may carry 64 KiB of command line; with
// maxImages of them in each of 200,000 nodes one host would end the server, and a story of 200 processes would be
// 100 MB. Whole texts stand in the event, which the story cites.
const maxText = 4096

// shortened gives the event with its long texts cut; the event itself when it has none.
func shortened(e *event.Event) *event.Event {
	long := false
	for _, s := range texts(e) {
		long = long || len(*s) > maxText
	}
	if !long {
		return e
	}
	out := *e
	for _, s := range texts(&out) {
		*s = cut(*s)
	}
	return &out
}

// remembered gives the detection as a story in memory needs it: with its event's times and actor, without all else that a
// host wrote. 2,000 whole ones of a hostile host are 400 MB for one incident. The store keeps it whole.
func remembered(d detection.Detection) detection.Detection {
	d.Matched = nil
	if e := d.Event.Event; e != nil {
		d.Event.Event = shortened(&event.Event{Kind: e.Kind, OS: e.OS, Flags: e.Flags, Time: e.Time, HostTime: e.HostTime, Received: e.Received, BootNS: e.BootNS, Actor: e.Actor})
	}
	return d
}

// texts are those that the graph keeps. An array: this runs for each event.
func texts(e *event.Event) [48]*string {
	a, p, t := &e.Actor, &e.Parent, &e.Target
	return [...]*string{
		&e.Hostname, &e.Query, &e.RemoteName,
		&e.File.Path, &e.File.VolumeID, &e.File.FileID, &e.OldFile.Path, &e.OldFile.VolumeID, &e.OldFile.FileID,
		&a.Path, &a.CommandLine, &a.Interpreter, &a.Cwd, &a.UserName, &a.UserID, &a.TTY, &a.SessionID, &a.Cgroup, &a.Comm, &a.ContainerID, &a.VolumeID, &a.FileID,
		&p.Path, &p.CommandLine, &p.Interpreter, &p.Cwd, &p.UserName, &p.UserID, &p.TTY, &p.SessionID, &p.Cgroup, &p.Comm, &p.ContainerID, &p.VolumeID, &p.FileID,
		&t.Path, &t.CommandLine, &t.Interpreter, &t.Cwd, &t.UserName, &t.UserID, &t.TTY, &t.SessionID, &t.Cgroup, &t.Comm, &t.ContainerID, &t.VolumeID, &t.FileID,
	}
}

// cut shortens a long text. Two that differ stay two: they may be names of files.
func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	n := maxText - 32
	for n > maxText-64 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n]) + "… " + hex.EncodeToString(sum[:8])
}
