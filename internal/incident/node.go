package incident

import (
	"encoding/hex"
	"fmt"
	"sort"

	"github.com/yagura-edr/yagura/internal/event"
)

func (b *builder) nodes(keep map[*proc]bool) {
	list := make([]*proc, 0, len(keep))
	for _, p := range b.w.order {
		if keep[p] {
			list = append(list, p)
		}
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].start < list[j].start })
	for _, p := range list {
		b.out.Nodes = append(b.out.Nodes, b.processNode(p))
	}
	for _, x := range b.things(keep) {
		b.out.Nodes = append(b.out.Nodes, b.thingNode(x))
	}
}

func (b *builder) processNode(p *proc) Node {
	im := p.face()
	n := Node{
		Ref: b.ref(p), Kind: NodeProcess, Label: label(p), Host: p.host.id.String(), HostName: b.hostName(p.host), Start: p.start, End: p.ended.time, Flags: []string{}, Detections: []string{},
		CommandLine: im.commandLine, Image: im.path, User: userOf(p), PID: p.pid, Cwd: im.cwd, Counts: map[string]int{}, Earlier: []string{}, Later: []string{}, EventIDs: []string{},
	}
	n.Labels = said("process "+n.Label, "プロセス "+n.Label)
	if known(im.sha) {
		n.SHA256 = hex.EncodeToString(im.sha[:])
	}
	after := false
	for i := range p.images {
		e := &p.images[i]
		switch {
		case e == im:
			after = true
		case after:
			n.Later = append(n.Later, e.commandLine)
		case e.known():
			n.Earlier = append(n.Earlier, e.commandLine)
		}
	}
	for _, f := range []fact{p.forked, im.fact, p.running, p.ended} {
		if f.known() {
			n.EventIDs = append(n.EventIDs, f.id.String())
		}
	}
	if b.w.role[p] == aside {
		n.Flags = append(n.Flags, FlagContext)
	}
	if b.w.role[p] <= passage && hubKind(p) != notHub {
		n.Flags = append(n.Flags, FlagHub)
	}
	if !p.seen {
		n.Flags = append(n.Flags, FlagNotObserved)
	}
	if p.running.known() && !p.forked.known() {
		n.Flags = append(n.Flags, FlagRunning)
	}
	if im.memory || p.last().memory {
		n.Flags = append(n.Flags, FlagMemory)
	}
	if im.deleted || p.last().deleted {
		n.Flags = append(n.Flags, FlagDeleted)
	}
	for _, d := range b.by[p] {
		n.Detections = append(n.Detections, d.ID)
		n.Score += []int{0, 2, 8, 20, 45, 70}[min(int(d.Severity), 5)]
	}
	n.Score = min(n.Score, 100)
	d := p.did()
	for name, c := range map[string]int{"files": len(d.writes), "connections": len(d.conns), "accepted": len(d.accepts), "names": len(d.dns), "credentials": len(d.creds), "children": len(p.kids), "not_kept": d.dropped} {
		if c > 0 {
			n.Counts[name] = c
		}
	}
	return n
}

// face gives what stands for p when it ran several images one after another: the last, but that under which most of
// its children started. A session's first shell that ends as "hostname" is still the shell of the session.
func (p *proc) face() *image {
	out := p.last()
	if len(p.images) < 2 || len(p.kids) == 0 {
		return out
	}
	most := 0
	for i := range p.images {
		im := &p.images[i]
		n, until := 0, int64(0)
		if i+1 < len(p.images) {
			until = p.images[i+1].time
		}
		for _, k := range p.kids {
			if k.start >= im.time && (until == 0 || k.start < until) {
				n++
			}
		}
		if im.known() && n > most {
			most, out = n, im
		}
	}
	return out
}

// en names a process in an English sentence, with its host when the story has several.
func (b *builder) en(p *proc) string {
	if b.many {
		return fmt.Sprintf("%s (pid %d on %s)", label(p), p.pid, b.hostName(p.host))
	}
	return fmt.Sprintf("%s (pid %d)", label(p), p.pid)
}

// ja does in a Japanese one.
func (b *builder) ja(p *proc) string {
	if b.many {
		return fmt.Sprintf("%s（%s、pid %d）", label(p), b.hostName(p.host), p.pid)
	}
	return fmt.Sprintf("%s（pid %d）", label(p), p.pid)
}

func label(p *proc) string {
	im := p.face()
	if n := program(im); n != "." && n != "/" && n != "" {
		return n
	}
	if p.comm != "" {
		return p.comm
	}
	return fmt.Sprintf("pid %d", p.pid)
}

func userOf(p *proc) string {
	if p.user != "" {
		return p.user
	}
	return p.userID
}

func (b *builder) thingNode(x any) Node {
	n := Node{Ref: b.ref(x), Flags: []string{}, Detections: []string{}, Counts: map[string]int{}, Earlier: []string{}, EventIDs: []string{}}
	switch v := x.(type) {
	case *fileNode:
		n.Kind, n.Label, n.Image = NodeFile, v.path, v.path
		n.Labels = said("file "+v.path, "ファイル "+v.path)
		if len(v.writers) > 0 {
			n.Host, n.Start = v.writers[0].by.host.id.String(), v.writers[0].time
			n.EventIDs = append(n.EventIDs, v.writers[0].id.String())
		}
		n.End = v.removed.time
		if known(v.sha) {
			n.SHA256 = hex.EncodeToString(v.sha[:])
		}
	case *urlNode:
		n.Kind, n.Label, n.Host = NodeURL, v.url, v.host.id.String()
		n.Labels = said("URL "+v.url, "URL "+v.url)
	case *addrNode:
		n.Kind, n.Label, n.Host = NodeAddress, v.addr.String(), v.host.id.String()
		if name := b.hostAt(v.addr.Addr()); name != "" {
			n.Label = name + " (" + v.addr.String() + ")"
		} else if v.name != "" {
			n.Label = v.name + " (" + v.addr.String() + ")"
		}
		n.Labels = said("address "+n.Label, "アドレス "+n.Label)
	case *sessionNode:
		n.Kind, n.Host, n.Start = NodeSession, v.host.id.String(), v.top.start
		n.Label = "session of " + userOf(v.top)
		n.Labels = said("log-on session of "+userOf(v.top), userOf(v.top)+" のログオンセッション")
	case *item:
		n.Kind, n.Label, n.Host, n.Start, n.Image = NodeScheduled, v.file.path, v.write.by.host.id.String(), v.write.time, v.file.path
		w := itemWords[v.kind]
		n.Labels = said(w.En+" "+v.file.path, w.Ja+" "+v.file.path)
		n.EventIDs = append(n.EventIDs, v.write.id.String())
	}
	for _, l := range b.outOf[x] {
		if n.Start == 0 {
			n.Start = l.time()
		}
	}
	if h, err := event.ParseHostID(n.Host); err == nil {
		if a := b.g.hosts[h]; a != nil {
			n.HostName = b.hostName(a)
		}
	}
	n.Later = []string{}
	return n
}
