package incident

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"

	"github.com/yagura-edr/yagura/internal/event"
)

// candidate is one possible way in, best kind first. rank orders the kinds by how much their events say about the cause: a link
// or an attachment in a mail names a message and a click (0, 1); a service names the connection (2); a log-on says that
// somebody had the account (3), a download only that bytes came from there (4); where a program lay, or that a package or a
// schedule started it, says how it got to run, not who brought it (5 to 7). Of one kind the earliest is told; the others stand
// as alternatives.
type candidate struct {
	route, confidence string
	rank              int
	time              int64
	chain             []ChainStep
	facts             []fact
	host              *activity
	from              netip.AddrPort // of a connection taken
}

func step(ref, en, ja string, facts ...fact) ChainStep {
	s := ChainStep{Ref: ref, Text: Said{En: en, Ja: ja}, EventIDs: []string{}}
	for _, f := range facts {
		if f.known() {
			s.EventIDs = append(s.EventIDs, f.id.String())
		}
	}
	return s
}

// entry walks back to the way in, or says where and why it had to stop.
func (b *builder) entry() Entry {
	var all []candidate
	all = append(all, b.byLink()...)
	all = append(all, b.byAttachment()...)
	all = append(all, b.byService()...)
	all = append(all, b.byLogon()...)
	all = append(all, b.byDownload()...)
	all = append(all, b.byPlace()...)
	// what another host of the story caused is a step of it, not the way in
	all = slices.DeleteFunc(all, func(c candidate) bool { return c.host != nil && b.reachedBy(c.host, c.time) })
	out := Entry{Steps: b.stepChain(), Route: unknownRouteName, Label: routeLabel(unknownRouteName), Weakness: weaknessWords[unknownRouteName], Confidence: low, Chain: []ChainStep{}, Alternatives: []Alternative{}}
	sort.SliceStable(all, func(i, j int) bool {
		return all[i].rank < all[j].rank || all[i].rank == all[j].rank && all[i].time < all[j].time
	})
	if len(all) == 0 {
		out.Stopped = b.stopped()
		return out
	}
	c := all[0]
	b.from, b.entered = c.from, c.host
	if n := len(c.facts); n > 0 {
		b.reached = c.facts[n-1]
	}
	out.Route, out.Label, out.Weakness, out.Confidence, out.Chain = c.route, routeLabel(c.route), weaknessWords[c.route], c.confidence, c.chain
	if len(c.chain) > 0 {
		out.Stopped.Where = c.chain[0].Ref
		out.Stopped.Why = Said{En: "the entry was found", Ja: "侵入口が見つかった"}
	}
	for _, o := range all[1:] {
		if len(out.Alternatives) >= 5 || o.route == c.route && o.time == c.time {
			continue
		}
		a := Alternative{Route: o.route, Label: routeLabel(o.route), Confidence: o.confidence, EventIDs: []string{}}
		for _, f := range o.facts {
			a.EventIDs = append(a.EventIDs, f.id.String())
		}
		out.Alternatives = append(out.Alternatives, a)
	}
	return out
}

// byLink finds stub → URL → browser → file → process.
func (b *builder) byLink() []candidate {
	var out []candidate
	for h, u := range b.w.used {
		stub := h.stub
		var got *link
		var file *fileNode
		for _, m := range b.outOf[u] {
			if m.kind != EdgeDownloaded {
				continue
			}
			if f, ok := m.to.(*fileNode); ok && (got == nil || m.time() < got.time()) {
				file, got = f, m
			}
		}
		c := candidate{route: "link", confidence: h.strength, rank: 1, time: stub.start, host: stub.host}
		if chain := mailChain(stub); len(chain) > 0 {
			mail, opener := chain[len(chain)-1], stub
			if len(chain) > 1 {
				opener = chain[len(chain)-2]
			}
			if first := opener.firstExec(); first != nil {
				c.route, c.rank = "mail_link", 0
				c.add(step(b.ref(mail), fmt.Sprintf("%s opened a link: it started %s at %s", b.en(mail), quote(first.commandLine), clock(first.time)),
					fmt.Sprintf("%sがリンクを開き、%s に%sを起動した", b.ja(mail), clock(first.time), quoteJa(first.commandLine)), first.fact), first.fact)
			}
		}
		last := stub.last()
		c.add(step(b.ref(u), fmt.Sprintf("%s carried the address %s at %s", b.en(stub), short(u.url, 200), clock(last.time)),
			fmt.Sprintf("%s に %s へ URL %s が渡された", clock(last.time), b.ja(stub), short(u.url, 200)), last.fact), last.fact)
		if len(h.evidence) > 0 {
			ev := h.evidence[len(h.evidence)-1]
			c.add(step(b.ref(h.browser), fmt.Sprintf("the browser (pid %d) asked for that host at %s", h.browser.pid, clock(ev.time)),
				fmt.Sprintf("ブラウザー（pid %d）が %s にその相手へ接続した", h.browser.pid, clock(ev.time)), ev), ev)
		}
		if file == nil {
			continue // a link that brought nothing is no entry
		}
		if wr := writeIn(got, file); wr.known() {
			c.add(step(b.ref(file), fmt.Sprintf("the browser wrote %s at %s", file.path, clock(wr.time)), fmt.Sprintf("ブラウザーが %s に %s を書いた", clock(wr.time), file.path), wr), wr)
		}
		for _, m := range b.outOf[file] {
			if m.kind != EdgeWroteExec {
				continue
			}
			p, ok := m.to.(*proc)
			if !ok {
				continue
			}
			if f := runOf(p, file); f.known() {
				c.add(step(b.ref(p), fmt.Sprintf("%s ran it at %s", b.en(p), clock(f.time)), fmt.Sprintf("%s に %s として実行された", clock(f.time), b.ja(p)), f), f)
			}
			break
		}
		out = append(out, c)
	}
	return out
}

func (c *candidate) add(s ChainStep, f fact) {
	c.chain = append(c.chain, s)
	c.facts = append(c.facts, f)
}

func writeIn(l *link, f *fileNode) fact {
	for _, x := range l.facts {
		for _, w := range f.writers {
			if w.id == x.id {
				return x
			}
		}
	}
	return fact{}
}

func runOf(p *proc, f *fileNode) fact {
	for r := range p.host.runs(f) {
		if r.by == p {
			return r.fact
		}
	}
	return fact{}
}

// byAttachment finds a file that a mail or chat client wrote and somebody ran.
func (b *builder) byAttachment() []candidate {
	var out []candidate
	for _, l := range b.lines {
		mail, ok := l.from.(*proc)
		if !ok || l.kind != EdgeWroteExec || !isMailer(mail) {
			continue
		}
		f, ok := l.to.(*fileNode)
		if !ok {
			continue
		}
		for _, m := range b.outOf[f] {
			p, ok := m.to.(*proc)
			if !ok || m.kind != EdgeWroteExec {
				continue
			}
			wr, ran := writeIn(l, f), runOf(p, f)
			if !wr.known() || !ran.known() {
				continue
			}
			c := candidate{route: "attachment", confidence: m.confidence, rank: 0, time: wr.time, host: mail.host}
			c.add(step(b.ref(mail), fmt.Sprintf("%s wrote %s at %s", b.en(mail), f.path, clock(wr.time)), fmt.Sprintf("%sが %s に %s を書いた", b.ja(mail), clock(wr.time), f.path), wr), wr)
			c.add(step(b.ref(p), fmt.Sprintf("%s ran it at %s", b.en(p), clock(ran.time)), fmt.Sprintf("%s に %s として実行された", clock(ran.time), b.ja(p)), ran), ran)
			out = append(out, c)
		}
	}
	return out
}

// byService finds a service that took a connection and then started a member: itself, or by forks of its own that
// started nothing else first.
func (b *builder) byService() []candidate {
	var out []candidate
	told := map[*proc]bool{}
	members := b.members()
	for _, k := range members {
		im := k.firstExec()
		if im == nil || im.kind != event.ProcessExec {
			continue
		}
		q, acc := b.tookBefore(k)
		if acc == nil || told[q] || !b.leadsToDetection(k) {
			continue
		}
		told[q] = true
		c := candidate{route: "exploited_service", confidence: high, rank: 2, time: acc.time, facts: []fact{acc.fact, im.fact}, host: q.host, from: acc.remote}
		c.chain = []ChainStep{
			step(b.ref(q), fmt.Sprintf("%s took a connection from %s at %s", b.en(q), b.address(acc.remote), clock(acc.time)),
				fmt.Sprintf("%sが %s に %s からの接続を受けた", b.ja(q), clock(acc.time), b.address(acc.remote)), acc.fact),
			step(b.ref(k), fmt.Sprintf("it then started %s at %s", quote(im.commandLine), clock(im.time)), fmt.Sprintf("その後 %s に%sを起動した", clock(im.time), quoteJa(im.commandLine)), im.fact),
		}
		if len(q.did().accepts) > busyTaker {
			c.confidence = medium // a busy service: the nearest connection may not be the one
		}
		b.fromInside(&c)
		out = append(out, c)
	}
	return out
}

// tookBefore climbs from a program over forks that run their parent's image on, to the connection that one of them took
// before it started the program.
func (b *builder) tookBefore(k *proc) (*proc, *conn) {
	below := k
	for q, n := k.parent, 0; q != nil && n < 16; q, n = q.parent, n+1 {
		if hubKind(q) != notHub || !b.w.role[q].joined() {
			return nil, nil
		}
		if isService(q) && !bringsItself(q) {
			if acc := acceptBefore(q, below.start); acc != nil {
				return q, acc
			}
		}
		if q.firstExec() != nil {
			return nil, nil
		}
		below = q
	}
	return nil, nil
}

// fromInside says that a connection came from a host of ours that is not in the story.
func (b *builder) fromInside(c *candidate) {
	if name := b.hostAt(c.from.Addr()); name != "" && name != b.hostName(c.host) {
		c.route = "another_host"
	}
}

func (b *builder) leadsToDetection(p *proc) bool {
	for s := range b.by {
		for up, n := s, 0; up != nil && n < 64; up, n = up.parent, n+1 {
			if up == p {
				return true
			}
		}
	}
	// or to what it wrote and others ran
	for _, l := range b.lines {
		if q, ok := l.from.(*proc); ok && l.kind == EdgeWroteExec {
			for up, n := q, 0; up != nil && n < 64; up, n = up.parent, n+1 {
				if up == p {
					return true
				}
			}
		}
	}
	return false
}

// byLogon finds the session that a first process belongs to.
func (b *builder) byLogon() []candidate {
	var out []candidate
	for _, l := range b.lines {
		s, ok := l.from.(*sessionNode)
		if !ok || l.kind != EdgeLogon {
			continue
		}
		acc := sshAccept(s.top)
		im := s.top.firstExec()
		if acc == nil || im == nil {
			continue
		}
		began := s.host.logons[s.top.session]
		if s.top.session == "" {
			began = fact{}
		}
		c := candidate{route: "logon", confidence: high, rank: 3, time: acc.time, facts: []fact{acc.fact, im.fact}, host: s.host, from: acc.remote}
		c.chain = []ChainStep{
			step(b.ref(s), fmt.Sprintf("the SSH server%s took a connection from %s at %s", b.onHost(s.host), b.address(acc.remote), clock(acc.time)), fmt.Sprintf("%sSSH サーバーが %s に %s からの接続を受けた", b.atHost(s.host), clock(acc.time), b.address(acc.remote)), acc.fact),
			step(b.ref(s.top), fmt.Sprintf("a session of %s began with %s at %s", userOf(s.top), quote(im.commandLine), clock(im.time)), fmt.Sprintf("%s に %s のセッションが%sで始まった", clock(im.time), userOf(s.top), quoteJa(im.commandLine)), began, im.fact),
		}
		b.fromInside(&c)
		out = append(out, c)
	}
	if len(out) == 0 {
		out = append(out, b.bySession()...)
	}
	return out
}

// bySession finds the beginning of the log-on session that the first process runs in: at a terminal, by su, or under
// a server whose connection was not seen. The kernel hands a session's number down to all that it starts. A scheduler
// opens sessions too, for its jobs; nobody logs on there.
func (b *builder) bySession() []candidate {
	first := b.first()
	if first == nil || first.session == "" {
		return nil
	}
	began, im := first.host.logons[first.session], first.firstExec()
	if !began.known() || im == nil || began.time > im.time {
		return nil
	}
	for up, n := first.parent, 0; up != nil && n < 64; up, n = up.parent, n+1 {
		if hubKind(up) == hubCron {
			return nil
		}
	}
	where, whereJa := "", ""
	if first.tty != "" {
		where, whereJa = " on "+first.tty, "("+first.tty+")"
	}
	return []candidate{{route: "logon", confidence: medium, rank: 3, time: began.time, host: first.host, facts: []fact{began, im.fact}, chain: []ChainStep{
		step(b.ref(first), fmt.Sprintf("%s logged on%s at %s (session %s)", userOf(first), where, clock(began.time), first.session), fmt.Sprintf("%s に %s がログオンした%s（セッション %s）", clock(began.time), userOf(first), whereJa, first.session), began),
		step(b.ref(first), fmt.Sprintf("in that session %s was started at %s", quote(im.commandLine), clock(im.time)), fmt.Sprintf("そのセッションで %s に%sが起動された", clock(im.time), quoteJa(im.commandLine)), im.fact),
	}}}
}

// first gives the earliest member, or the member above it that nothing of the story started.
func (b *builder) first() *proc {
	m := b.members()
	if len(m) == 0 {
		return nil
	}
	first := m[0]
	for _, p := range m { // on the host where the story began
		if p.start != 0 && !b.reachedBy(p.host, p.start) {
			first = p
			break
		}
	}
	for n := 0; first.parent != nil && b.w.role[first.parent].joined() && n < maxGrowth; n++ {
		first = first.parent
	}
	return first
}

// byDownload finds a first process whose own file a program outside the story's first steps brought.
func (b *builder) byDownload() []candidate {
	var out []candidate
	for _, l := range b.lines {
		f, ok := l.to.(*fileNode)
		if !ok || l.kind != EdgeDownloaded {
			continue
		}
		for _, m := range b.outOf[f] {
			if m.kind != EdgeWroteExec {
				continue
			}
			p := m.to.(*proc)
			wr := writeIn(l, f)
			ran := runOf(p, f)
			if !wr.known() || !ran.known() || !b.isFirst(p, f) {
				continue
			}
			c := candidate{route: "download", confidence: l.confidence, rank: 4, time: wr.time, facts: []fact{wr, ran}, host: p.host}
			from := ""
			switch v := l.from.(type) {
			case *urlNode:
				from = v.url
			case *addrNode:
				from = b.address(v.addr)
			}
			c.chain = []ChainStep{
				step(b.ref(l.from), fmt.Sprintf("%s was written from %s at %s", f.path, from, clock(wr.time)), fmt.Sprintf("%s に %s から %s が書かれた", clock(wr.time), from, f.path), l.facts...),
				step(b.ref(p), fmt.Sprintf("it ran as %s at %s", quote(p.last().commandLine), clock(ran.time)), fmt.Sprintf("%s に%sとして実行された", clock(ran.time), quoteJa(p.last().commandLine)), ran),
			}
			out = append(out, c)
		}
	}
	return out
}

// isFirst says that the story's earliest step is this run or the program that wrote its file: a download in the middle of a
// story is a stage that the attacker fetched, and no way in.
func (b *builder) isFirst(p *proc, f *fileNode) bool {
	own := map[*proc]bool{p: true}
	for _, w := range f.writers {
		own[w.by] = true
		if r := browserRoot(w.by); r != nil {
			own[r] = true
		}
	}
	for _, m := range b.members() {
		if own[m] || m.start >= p.start {
			continue
		}
		if under(m, own) {
			continue
		}
		if q := m.parent; q != nil && b.w.role[q].joined() && !own[m] {
			return false
		}
		if len(b.by[m]) > 0 {
			return false
		}
		for _, k := range m.kids {
			if own[k] && k != p {
				return false // what wrote the file was itself started by the story
			}
		}
	}
	return true
}

func under(p *proc, set map[*proc]bool) bool {
	for n := 0; p != nil && n < 64; p, n = p.parent, n+1 {
		if set[p] {
			return true
		}
	}
	return false
}

// byPlace finds programs on removable media, from packages, and from schedules nobody was seen writing.
func (b *builder) byPlace() []candidate {
	var out []candidate
	for _, p := range b.members() {
		im := p.firstExec()
		if im == nil {
			continue
		}
		file := im.path
		if s := scriptOf(im); s != "" {
			file = s
		}
		if im.on().onMedium(file) {
			out = append(out, candidate{route: "removable", confidence: medium, rank: 5, time: im.time, host: p.host, facts: []fact{im.fact}, chain: []ChainStep{
				step(b.ref(p), fmt.Sprintf("%s ran from a mounted medium at %s", file, clock(im.time)), fmt.Sprintf("%s に %s がマウントされたメディアから実行された", clock(im.time), file), im.fact),
			}})
			break
		}
	}
	for _, p := range b.members() {
		im := p.firstExec()
		if p.parent == nil || im == nil || b.w.role[p.parent].joined() {
			continue
		}
		if b.broughtHere(p) {
			continue
		}
		switch hubKind(p.parent) {
		case hubPackages:
			out = append(out, candidate{route: "package", confidence: medium, rank: 6, time: im.time, host: p.host, facts: []fact{im.fact}, chain: []ChainStep{
				step(b.ref(p), fmt.Sprintf("%s started %s at %s", label(p.parent), quote(im.commandLine), clock(im.time)), fmt.Sprintf("%s に %s が%sを起動した", clock(im.time), label(p.parent), quoteJa(im.commandLine)), im.fact),
			}})
		case hubCron:
			out = append(out, candidate{route: "scheduled", confidence: medium, rank: 7, time: im.time, host: p.host, facts: []fact{im.fact}, chain: []ChainStep{
				step(b.ref(p), fmt.Sprintf("%s started %s at %s; nobody was seen writing its table", label(p.parent), quote(im.commandLine), clock(im.time)), fmt.Sprintf("%s に %s が%sを起動した（設定を書いた者は観測されていない）", clock(im.time), label(p.parent), quoteJa(im.commandLine)), im.fact),
			}})
		default: // the others are no route by themselves
		}
	}
	return out
}

// broughtHere says that an edge other than spawn leads to p: its cause is in the story already.
func (b *builder) broughtHere(p *proc) bool { return b.into[p] }
