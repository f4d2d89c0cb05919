package incident

import (
	"encoding/hex"
	"fmt"
	"sort"
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

// thingNode draws what is no process: its card, with words.
func (b *builder) thingNode(x thing) Node {
	c := x.card()
	n := Node{
		Ref: b.ref(x), Kind: c.kind, Label: c.label, Image: c.image, Start: c.start, End: c.end,
		Flags: []string{}, Detections: []string{}, Counts: map[string]int{}, Earlier: []string{}, Later: []string{}, EventIDs: []string{},
	}
	if c.host != nil {
		n.Host, n.HostName = c.host.id.String(), b.hostName(c.host)
	}
	if a, ok := x.(*addrNode); ok { // an address of a host of ours is named for it
		if name := b.hostAt(a.addr.Addr()); name != "" {
			n.Label = name + " (" + a.addr.String() + ")"
		}
	}
	if n.Labels = nodeWords(c, n.Label); c.kind == NodeSession {
		n.Label = "session of " + c.label
	}
	if c.known.known() {
		n.EventIDs = append(n.EventIDs, c.known.id.String())
	}
	if known(c.sha) {
		n.SHA256 = hex.EncodeToString(c.sha[:])
	}
	for _, l := range b.outOf[x] {
		if n.Start == 0 {
			n.Start = l.time()
		}
	}
	return n
}
