package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// The kinds of node.
const (
	NodeProcess   = "process"
	NodeFile      = "file"
	NodeURL       = "url"
	NodeAddress   = "address"
	NodeSession   = "session"
	NodeScheduled = "scheduled"
	NodeHost      = "host"
)

// thing is what an edge may join: a process, a file, an address, a URL, a log-on session, a scheduled item. It says who it
// is and what a node shows of it, in no language: words are put to it where the story is written (node.go).
type thing interface {
	// ref is the same for the same thing in every story and after a restart: links, notes and screens hold on to it.
	ref() string
	card() card
}

// card is what a node shows of a thing.
type card struct {
	kind, label, image string
	what               string // of a scheduled item: cron, at, unit, timer, startup, preload, key
	host               *activity
	start, end         int64
	sha                [32]byte
	known              fact // the event that told of it first
}

// kept is what a host's activity keeps until there is no room, or nobody needs it any more.
type kept interface {
	lastSeen() int64
	// needed says that it must stay: a story stands on it, or it lives still. Of what lives nothing but want of room (full)
	// may take a process that started nothing.
	needed(full bool) bool
	forget(a *activity)
}

var (
	_ = []thing{(*proc)(nil), (*fileNode)(nil), (*item)(nil)}
	_ = []kept{(*proc)(nil), (*fileNode)(nil)}
)

func (p *proc) card() card {
	return card{kind: NodeProcess, label: label(p), image: p.face().path, host: p.host, start: p.start, end: p.ended.time, sha: p.face().sha}
}

func (p *proc) lastSeen() int64 { return max(p.start, p.ended.time) }

func (p *proc) needed(full bool) bool {
	living := !p.ended.known()
	return p.story != 0 || living && (!full || len(p.kids) > 0)
}

func (p *proc) forget(a *activity) { a.forgetProc(p) }

func (f *fileNode) ref() string { return "file-" + digest(f.key.volume, f.key.id, f.path) }

func (f *fileNode) card() card {
	c := card{kind: NodeFile, label: f.path, image: f.path, end: f.removed.time, sha: f.sha}
	if len(f.writers) > 0 {
		c.host, c.start, c.known = f.writers[0].by.host, f.writers[0].time, f.writers[0].fact
	}
	return c
}

func (f *fileNode) lastSeen() int64 { return f.seenAt }

func (f *fileNode) needed(bool) bool {
	for _, w := range f.writers {
		if w.by.story != 0 {
			return true
		}
	}
	return false
}

func (f *fileNode) forget(a *activity) { a.forgetFile(f) }

func digest(part ...string) string {
	h := sha256.Sum256([]byte(strings.Join(part, "\x00")))
	return hex.EncodeToString(h[:8])
}
