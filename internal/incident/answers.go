package incident

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// answers gives the five answers, the accounts and the techniques. Every sentence states something of each
// event it cites, so that without the event it cannot be said.
func (b *builder) answers() []Answer {
	list := []struct {
		answer   string
		findings []finding
	}{
		{"when", b.when()},
		{"where", b.where()},
		{"what", b.what()},
		{"why", b.why()},
		{"who", b.who()},
		{"accounts", b.accounts()},
		{"how", b.how()},
	}
	out := make([]Answer, 0, len(list))
	for _, l := range list {
		a, told := Answer{Answer: l.answer}, map[string]bool{}
		for i := range l.findings {
			// two that read the same are one to a reader: a file that a program read twice in one instant
			s := b.say(&l.findings[i])
			if once := l.answer == "what" || l.answer == "how"; once && told[s.Text.En] || len(a.Sentences) >= maxSentences {
				continue
			}
			told[s.Text.En] = true
			a.Sentences = append(a.Sentences, s)
		}
		out = append(out, a)
	}
	return out
}

// acts are the events of the members that sentences may cite, by time.
type act struct {
	fact
	by *proc
}

func (b *builder) acts() []act {
	var out []act
	add := func(p *proc, f fact) {
		if f.known() {
			out = append(out, act{f, p})
		}
	}
	for _, p := range b.members() {
		if !b.acted(p) {
			continue // of a service or a runner, only what entry and edges name
		}
		for _, im := range p.images {
			if im.kind == event.ProcessExec {
				add(p, im.fact)
			}
		}
		if p.forked.known() {
			add(p, p.forked)
		}
		d := p.did()
		for _, x := range d.conns {
			add(p, x.fact)
			add(p, x.closed)
		}
		for _, x := range d.creds {
			add(p, x.fact)
		}
		for _, x := range d.writes {
			add(p, x.fact)
		}
		for _, x := range d.deletes {
			add(p, x.fact)
		}
		for _, x := range d.memfds {
			add(p, x)
		}
		for _, x := range d.inject {
			add(p, x.fact)
		}
		add(p, p.ended)
	}
	for _, f := range b.ofNobody() {
		out = append(out, act{f, nil})
	}
	for _, c := range b.out.Entry.Chain {
		for _, id := range c.EventIDs {
			if f, ok := b.cited(id); ok {
				out = append(out, act{f, nil})
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].time != out[j].time {
			return out[i].time < out[j].time
		}
		return out[i].id.Seq < out[j].id.Seq
	})
	return out
}

// cited finds an event that an edge stands on.
func (b *builder) cited(id string) (fact, bool) {
	for _, l := range b.lines {
		for _, f := range l.facts {
			if f.id.String() == id {
				return f, true
			}
		}
	}
	for _, p := range b.w.order {
		for _, c := range p.did().accepts {
			if c.id.String() == id {
				return c.fact, true
			}
		}
	}
	return fact{}, false
}

// acted says that what p did is told: the program beside the story that started a part of it did much else.
func (b *builder) acted(p *proc) bool { return b.w.role[p] == full || len(b.by[p]) > 0 }

func (b *builder) when() []finding {
	acts := b.acts()
	if len(acts) == 0 {
		return []finding{unknown("when.unknown")}
	}
	first, last := acts[0], acts[len(acts)-1]
	out := []finding{observation("when.began", about{"at": at(first.time), "kind": words(kindWords(first.kind))}, first.fact)}
	if last.id != first.id {
		d := time.Duration(last.time-first.time) * time.Microsecond
		out = append(out, observation("when.last", about{"at": at(last.time), "after": lasting(d), "began": at(first.time), "kind": words(kindWords(last.kind))}, first.fact, last.fact))
	}
	if len(b.dets) > 0 {
		d := &b.dets[0]
		f := fact{id: d.Event.ID, time: b.g.moment(d.Event), kind: d.Event.Event.Kind}
		out = append(out, observation("when.first-detection", about{"title": titleOf(d), "at": at(f.time)}, f))
	}
	return out
}

func titleOf(d *detection.Detection) words { return words{En: d.Title.En, Ja: d.Title.In("ja")} }

func (b *builder) what() []finding {
	var out []finding
	type read struct {
		named
		by *proc
	}
	var reads []read
	for _, p := range b.members() {
		if !b.acted(p) {
			continue
		}
		d := p.did()
		for _, c := range d.creds {
			reads = append(reads, read{c, p})
			out = append(out, observation("what.credentials-read", about{"file": text(c.text), "who": who{p}, "at": at(c.time)}, c.fact))
		}
		for _, t := range d.inject {
			out = append(out, observation("what.process-taken-over", about{"other": who{t.other}, "who": who{p}, "at": at(t.time)}, t.fact))
		}
		for _, f := range d.deletes {
			out = append(out, observation("what.trace-removed", about{"file": text(f.text), "who": who{p}, "at": at(f.time)}, f.fact))
		}
		seen := map[*fileNode]bool{}
		for _, x := range d.writes {
			if seen[x.file] {
				continue
			}
			if k := p.last().on().itemKind(x.path); k != "" && x.kind != event.FileChmod {
				seen[x.file] = true
				out = append(out, observation("what.setting-written", about{"kind": words(itemWords[k]), "file": text(x.path), "who": who{p}, "at": at(x.time)}, x.fact))
			} else if x.emptied && p.last().on().isTrace(x.path) {
				seen[x.file] = true
				out = append(out, observation("what.trace-emptied", about{"file": text(x.path), "who": who{p}, "at": at(x.time)}, x.fact))
			}
		}
	}
	// data that left: a connection of the reader, or of its own descendants, after the read
	for _, r := range reads {
		if s, ok := b.left(r.by, r.fact, r.text); ok {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return []finding{unknown("what.unknown")}
	}
	return out
}

func (b *builder) left(by *proc, read fact, file string) (finding, bool) {
	var best *conn
	var sender *proc
	look := func(p *proc) {
		list := p.did().conns
		for i := range list {
			c := &list[i]
			if c.time >= read.time && c.remote.IsValid() && c.remote.Port() != 53 && c.remote.Port() != 0 && (best == nil || c.time < best.time) && c.known() && c.kind == event.NetConnect {
				best, sender = c, p
			}
		}
	}
	look(by)
	if best == nil && by.parent != nil && b.w.role[by.parent].joined() {
		for _, k := range by.parent.kids {
			if b.w.role[k] == full {
				look(k)
			}
		}
		look(by.parent)
	}
	if best == nil {
		return finding{}, false
	}
	f := guess("what.data-may-have-left", about{"file": text(file), "read": at(read.time), "who": who{sender}, "to": text(b.address(best.remote)), "at": at(best.time)}, read, best.fact)
	if best.closed.known() && best.sent > 0 {
		f.id = "what.data-may-have-left-sent"
		f.about["n"], f.about["until"] = count(best.sent), at(best.closed.time)
		f.facts = append(f.facts, best.closed)
	}
	return f, true
}

func (b *builder) accounts() []finding {
	type use struct {
		user  string
		n     int
		first act
	}
	by := map[string]*use{}
	var names []string
	for _, p := range b.members() {
		u := userOf(p)
		im := p.firstExec()
		if u == "" || im == nil || im.kind != event.ProcessExec || !b.acted(p) {
			continue
		}
		k := u + "/" + p.host.id.String()
		x := by[k]
		if x == nil {
			x = &use{user: u, first: act{im.fact, p}}
			by[k] = x
			names = append(names, k)
		}
		x.n++
	}
	var out []finding
	for _, k := range names {
		x := by[k]
		out = append(out, observation("accounts.used", about{"user": text(x.user), "on": onHost{x.first.by.host}, "n": count(x.n), "at": at(x.first.time), "who": who{x.first.by}}, x.first.fact))
	}
	if len(out) == 0 {
		return []finding{unknown("accounts.unknown")}
	}
	return out
}

// how names each rule once for each host, with how often it found something.
func (b *builder) how() []finding {
	type group struct {
		first, last *detection.Detection
		n           int
	}
	by := map[string]*group{}
	var order []*group
	for i := range b.dets {
		d := &b.dets[i]
		k := d.RuleID + "/" + d.Event.ID.Host.String()
		x := by[k]
		if x == nil {
			x = &group{first: d}
			by[k] = x
			order = append(order, x)
		}
		x.last = d
		x.n++
	}
	var out []finding
	for _, x := range order {
		d := x.first
		f := fact{id: d.Event.ID, time: b.g.moment(d.Event)}
		var tech []string
		for _, t := range d.ATTACK {
			if !strings.HasPrefix(t, "tactic:") {
				tech = append(tech, strings.ToUpper(t))
			}
		}
		t := ""
		if len(tech) > 0 {
			t = " [" + strings.Join(tech, ", ") + "]"
		}
		told := observation("how.rule", about{"at": at(f.time), "title": titleOf(d), "techniques": text(t)}, f)
		if p := b.g.seed(*d); p != nil {
			// what it was then, which may be another image than now
			a := &d.Event.Event.Actor
			name := program(&image{path: a.Path, commandLine: a.CommandLine, interpreter: a.Interpreter, cwd: a.Cwd})
			told.about["by"] = words{En: fmt.Sprintf(", by %s (pid %d%s)", name, a.PID, b.onHost(p.host)), Ja: fmt.Sprintf("、%s（%spid %d）", name, strings.Replace(b.atHost(p.host), " の ", "、", 1), a.PID)}
		}
		if x.n > 1 {
			last := fact{id: x.last.Event.ID, time: b.g.moment(x.last.Event)}
			told.id, told.facts = "how.rule-many", append(told.facts, last)
			told.about["n"], told.about["last"] = count(x.n), at(last.time)
		}
		out = append(out, told)
	}
	if len(out) == 0 {
		return []finding{unknown("how.unknown")}
	}
	return out
}
