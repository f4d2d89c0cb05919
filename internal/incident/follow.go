package incident

import (
	"slices"
	"sort"
)

// filesOf gives the files that an exec started, the script before its interpreter: who wrote the script is the answer, who
// installed bash is not. The file with the number of the exec comes before one found by path: a path may have had another
// file by then.
func filesOf(p *proc, im *image) []*fileNode {
	var out []*fileNode
	if s := scriptOf(im); s != "" {
		if f := p.host.at(s, im.time); f != nil {
			out = append(out, f)
		}
	}
	f := p.host.numbered(im.file, im.time)
	if im.file.id == "" {
		f = p.host.at(im.path, im.time)
	}
	if f != nil {
		out = append(out, f)
	}
	return out
}

// writerBefore gives the last write to what an exec started, before it started.
func writerBefore(p *proc, im *image) (*fileNode, *fileWrite) {
	if !im.known() {
		return nil, nil
	}
	for _, f := range filesOf(p, im) {
		if w := lastWrite(f, im.time); w != nil && sameContent(f, im) {
			return f, w
		}
	}
	return nil, nil
}

// sameContent says that nothing speaks against the file being what ran: a number is given again, a digest is not.
func sameContent(f *fileNode, im *image) bool {
	if f.key == im.file && known(f.sha) && known(im.sha) {
		return f.sha == im.sha
	}
	return true
}

func lastWrite(f *fileNode, before int64) *fileWrite {
	var out *fileWrite
	for i := range f.writers {
		if w := &f.writers[i]; w.time <= before && (out == nil || w.time >= out.time) {
			out = w
		}
	}
	return out
}

// wroteBefore follows each image of p back to who wrote it. Three writers are no cause: p itself; a package manager, which
// wrote nearly everything that runs; and a browser, which writes for whoever clicked, so that the way goes on along the
// address that brought this very file (viaBrowser).
func (w *growth) wroteBefore(p *proc) {
	for i := range p.images {
		im := &p.images[i]
		f, wr := writerBefore(p, im)
		if wr == nil || wr.by == p || wr.by.last().named() == hubPackages {
			continue
		}
		if root := browserRoot(wr.by); root != nil {
			w.viaBrowser(p, im, f, wr, root)
			continue
		}
		w.fileRun(p, im.fact, f, wr)
		if hubKind(wr.by) != notHub {
			w.join(wr.by, passage)
		} else {
			w.reached(wr.by)
		}
		w.download(f, wr)
	}
}

// fileRun draws writer → file → process. By volume and number it is observed, by path alone inferred: between the write and
// the run somebody may have put another file there.
func (w *growth) fileRun(p *proc, ran fact, f *fileNode, wr *fileWrite) {
	basis, conf := observed, high
	why := "same-file"
	if !slices.ContainsFunc(f.runs, func(r fileRun) bool { return r.id == ran.id }) {
		basis, conf = inferred, medium
		why = "same-path"
	}
	w.edge(link{
		kind: EdgeWroteExec, from: wr.by, to: f, facts: []fact{wr.fact}, basis: observed, confidence: high,
		reason: "wrote-what-ran",
	})
	w.edge(link{kind: EdgeWroteExec, from: f, to: p, facts: []fact{wr.fact, ran}, basis: basis, confidence: conf, reason: why})
}

// viaBrowser goes on behind a running browser along named events only: this file, this URL, this stub. A browser is a hub,
// nothing follows from it; but a person's click on a link is the way in that mail attacks use, and it is told by three events
// that name the same address: a program was started with it, the browser asked for it, and then wrote the file. When several
// addresses fit, each is one of several and none is certain: medium.
func (w *growth) viaBrowser(p *proc, im *image, f *fileNode, wr *fileWrite, root *proc) {
	hs := broughtBy(w.handoffs(p.host), root, wr.time)
	sort.SliceStable(hs, func(i, j int) bool { return hs[i].start > hs[j].start })
	w.fileRun(p, im.fact, f, wr)
	w.join(wr.by, passage)
	w.join(root, passage)
	strong := 0
	for _, h := range hs {
		if h.confidence != low {
			strong++
		}
	}
	for _, h := range hs {
		if h.confidence == low {
			w.weak = append(w.weak, h)
			continue
		}
		conf := h.confidence
		if strong > 1 {
			conf = medium
		}
		u := w.handoffEdges(h, conf)
		facts := append([]fact{}, h.evidence...)
		w.edge(link{
			kind: EdgeDownloaded, from: u, to: f, facts: append(facts, wr.fact), basis: inferred, confidence: conf,
			reason: "browser-asked-then-wrote",
		})
	}
	if strong == 0 {
		w.download(f, wr)
	}
}

func (w *growth) handoffs(a *activity) []*handoff {
	hs, ok := w.hand[a]
	if !ok {
		hs = handoffs(a)
		w.hand[a] = hs
	}
	return hs
}

func (w *growth) url(a *activity, raw string) *urlNode {
	u := w.urls[raw]
	if u == nil {
		u = &urlNode{url: raw, host: a}
		w.urls[raw] = u
	}
	return u
}

// handoffEdges draws stub → URL → browser and takes the stub and the chain above it up to a mail client.
func (w *growth) handoffEdges(h *handoff, conf string) *urlNode {
	u := w.url(h.stub.host, h.url)
	facts := []fact{h.stub.last().fact}
	if h.stub.ended.known() && h.stub != h.browser {
		facts = append(facts, h.stub.ended)
	}
	h.strength = conf
	w.used[h] = u
	giver, given := h.giver()
	w.edge(link{
		kind: EdgeHandoff, from: giver, to: u, facts: []fact{given}, basis: observed, confidence: high,
		reason: "named-on-command-line",
	})
	why := "handed-over"
	if h.stub == h.browser {
		why = "started-with-address"
	}
	w.edge(link{kind: EdgeHandoff, from: u, to: h.browser, facts: append(facts, h.evidence...), basis: inferred, confidence: conf, reason: why})
	// named steps of a chain: shown, but nothing else of theirs follows
	for _, p := range append([]*proc{h.stub, h.browser, giver}, mailChain(h.stub)...) {
		if p.finding && hubKind(p) == notHub {
			w.reached(p) // a step that a rule found is a part, not only the way
			continue
		}
		w.join(p, passage)
		if len(p.kids) > 1 {
			w.folds[p] = len(p.kids) - 1
		}
	}
	return u
}

// mailChain gives the processes from a stub's parent up to the mail or chat client, empty when none is near.
func mailChain(stub *proc) []*proc {
	var chain []*proc
	for up, n := stub.parent, 0; up != nil && n < 6; up, n = up.parent, n+1 {
		chain = append(chain, up)
		if isMailer(up) {
			return chain
		}
		if hubKind(up) != notHub && !isBrowserImage(up.last()) {
			break
		}
	}
	return nil
}

// carried follows a member that is a stub itself forward into the browser.
func (w *growth) carried(p *proc) {
	if !isBrowserImage(p.last()) && urlIn(p.last().commandLine) == "" {
		return
	}
	for _, h := range w.handoffs(p.host) {
		if h.stub != p || h.stub == h.browser {
			continue
		}
		if h.confidence == low {
			w.weak = append(w.weak, h)
			continue
		}
		w.handoffEdges(h, h.confidence)
	}
}

// download draws address or URL → file, when the writer had a connection open or just had one. The kernel does not say which
// bytes went where. With one open connection there is no other source, so that it counts as observed; with several, or with
// one that was closed shortly before, it is inferred, and the last four are named: more is noise. Port 53 is a question about
// a name, not a source. A second of slack allows for a lane whose estimate came late.
func (w *growth) download(f *fileNode, wr *fileWrite) {
	var open, before []conn
	for _, c := range wr.by.did().conns {
		if c.time > wr.time+1_000_000 || !c.initiated || c.remote.Port() == 53 || !c.remote.IsValid() || c.remote.Port() == 0 {
			continue
		}
		if !c.closed.known() || c.closed.time >= wr.time {
			open = append(open, c)
		} else if wr.time-c.closed.time < downloadWindow {
			before = append(before, c)
		}
	}
	basis, conf := observed, high
	why := "only-connection"
	list := open
	if len(open) > 1 || len(open) == 0 {
		basis, conf = inferred, medium
		why = "had-connection"
	}
	if len(list) == 0 {
		list = before
	}
	if len(list) > 4 {
		list = list[len(list)-4:]
	}
	carried := urlIn(wr.by.last().commandLine)
	for _, c := range list {
		var from thing = w.addr(wr.by.host, c)
		if host, port := hostPort(carried); host != "" && port == c.remote.Port() && (host == c.remote.Addr().Unmap().String() || host == c.name || c.name == "") {
			from = w.url(wr.by.host, carried)
		}
		w.edge(link{kind: EdgeDownloaded, from: from, to: f, facts: []fact{c.fact, wr.fact}, basis: basis, confidence: conf, reason: why})
	}
}

func (w *growth) addr(a *activity, c conn) *addrNode {
	n := w.addrs[c.remote]
	if n == nil {
		n = &addrNode{addr: c.remote, name: c.name, host: a}
		w.addrs[c.remote] = n
	}
	return n
}

// ranLater follows what p wrote to the processes that ran it: only if p was the last to write before the run, for else it ran
// somebody else's bytes. What packages write is run by everybody.
func (w *growth) ranLater(p *proc) {
	if hubKind(p) == hubPackages {
		return
	}
	for _, x := range p.did().writes {
		for r, byPath := range p.host.runs(x.file) {
			if r.by == p || r.by.gone || r.time < x.time {
				continue
			}
			wr := lastWrite(x.file, r.time)
			if wr == nil || wr.by != p {
				continue
			}
			if !byPath && !w.imageMatches(r, x.file) {
				continue
			}
			w.fileRun(r.by, r.fact, x.file, wr)
			w.download(x.file, wr)
			if hubKind(r.by) != notHub {
				w.join(r.by, passage)
			} else {
				w.whole(r.by)
			}
		}
	}
}

func (w *growth) imageMatches(r *fileRun, f *fileNode) bool {
	for i := range r.by.images {
		if r.by.images[i].id == r.id {
			return sameContent(f, &r.by.images[i])
		}
	}
	return true
}

// scheduled draws writer → item → process, in both directions: the finding may be at the table or at what it ran, weeks later.
// A run that nothing but the time ties to the item is only offered (weakRun): cron runs something each minute.
func (w *growth) scheduled(p *proc) {
	started := false
	for _, q := range p.host.byScheduler {
		started = started || q == p
	}
	for _, it := range p.host.items {
		var runs []itemRun
		if started {
			if r, ok := ranBy(it, p); ok {
				runs = append(runs, r)
			}
		}
		if it.write.by == p {
			w.edge(link{
				kind: EdgeScheduled, from: p, to: it, facts: []fact{it.write.fact}, basis: observed, confidence: high,
				reason: "wrote-item", of: it.kind,
			})
			for _, q := range p.host.byScheduler {
				if r, ok := ranBy(it, q); ok && len(runs) < maxRuns {
					runs = append(runs, r)
				}
			}
		}
		for _, r := range runs {
			if r.confidence == low {
				w.weakRun = append(w.weakRun, itemPair{it, r})
				continue
			}
			w.edge(link{kind: EdgeScheduled, from: it, to: r.by, facts: []fact{it.write.fact, r.fact}, basis: observed, confidence: r.confidence, reason: r.why})
			w.whole(r.by)
			w.reached(it.write.by)
		}
	}
}

// injections takes who took control of p, and whom p took control of: what a process does after that is not its own. A hub
// that was taken over is shown and brings nothing; else one injection into a desktop would take the desktop.
func (w *growth) injections(p *proc) {
	draw := func(from, to *proc, t touch) {
		w.edge(link{kind: EdgeInjected, from: from, to: to, facts: []fact{t.fact}, basis: observed, confidence: high, reason: "took-control", of: t.how})
	}
	for _, t := range p.did().inject {
		draw(p, t.other, t)
		if hubKind(t.other) != notHub {
			w.join(t.other, passage)
		} else {
			w.whole(t.other)
		}
	}
	for _, t := range p.did().injected {
		draw(t.other, p, t)
		if hubKind(t.other) == notHub {
			w.whole(t.other)
		}
	}
}

// pipes follows what one program wrote into another's standard input: the parts of a pipeline. A program that feeds what
// it started itself is its parent, and that is said already.
func (w *growth) pipes(p *proc) {
	draw := func(from, to *proc, f fact) {
		w.edge(link{
			kind: EdgePiped, from: from, to: to, facts: []fact{f}, basis: observed, confidence: high,
			reason: "read-as-input",
		})
		other := from
		if other == p {
			other = to
		}
		if hubKind(other) != notHub {
			w.join(other, passage)
		} else {
			w.whole(other)
		}
	}
	for _, t := range p.did().fedBy {
		if !above(t.other, p) {
			draw(t.other, p, t.fact)
		}
	}
	for _, t := range p.did().feeds {
		if !above(p, t.other) {
			draw(p, t.other, t.fact)
		}
	}
}

// above says that p started q, over however many.
func above(p, q *proc) bool {
	for up, n := q.parent, 0; up != nil && n < 64; up, n = up.parent, n+1 {
		if up == p {
			return true
		}
	}
	return false
}
