package incident

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

func sentence(en, ja, basis, conf string, facts ...fact) Sentence {
	s := Sentence{Text: Said{En: en, Ja: ja}, EventIDs: []string{}, Edges: []string{}, Basis: basis, Confidence: conf}
	for _, f := range facts {
		if f.known() {
			s.EventIDs = append(s.EventIDs, f.id.String())
		}
	}
	return s
}

// answers gives the five answers, the accounts and the techniques. Every sentence states something of each
// event it cites, so that without the event it cannot be said.
func (b *builder) answers() []Answer {
	list := []Answer{
		{Answer: "when", Sentences: b.when()},
		{Answer: "where", Sentences: b.where()},
		{Answer: "what", Sentences: b.what()},
		{Answer: "why", Sentences: b.why()},
		{Answer: "who", Sentences: b.who()},
		{Answer: "accounts", Sentences: b.accounts()},
		{Answer: "how", Sentences: b.how()},
	}
	for i := range list {
		for j := range list[i].Sentences {
			s := &list[i].Sentences[j]
			if s.EventIDs == nil {
				s.EventIDs = []string{}
			}
			if s.Edges == nil {
				s.Edges = []string{}
			}
		}
		if len(list[i].Sentences) > maxSentences {
			list[i].Sentences = list[i].Sentences[:maxSentences]
		}
	}
	return list
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

func (b *builder) when() []Sentence {
	acts := b.acts()
	if len(acts) == 0 {
		return []Sentence{unknown("Unknown: no event of the story is stored.", "不明: 攻撃ストーリーのイベントが保存されていません。")}
	}
	first, last := acts[0], acts[len(acts)-1]
	out := []Sentence{sentence(
		fmt.Sprintf("Began %s: %s.", clock(first.time), kindWords(first.kind).En),
		fmt.Sprintf("%s、%sから始まった。", clock(first.time), kindWords(first.kind).Ja), observed, high, first.fact)}
	if last.id != first.id {
		d := time.Duration(last.time-first.time) * time.Microsecond
		out = append(out, sentence(
			fmt.Sprintf("Last so far %s, %s after %s: %s.", clock(last.time), span(d, false), clock(first.time), kindWords(last.kind).En),
			fmt.Sprintf("最新: %s（%s の開始から%s後、%s）。", clock(last.time), clock(first.time), span(d, true), kindWords(last.kind).Ja),
			observed, high, first.fact, last.fact))
	}
	if len(b.dets) > 0 {
		d := b.dets[0]
		f := fact{id: d.Event.ID, time: b.g.moment(d.Event), kind: d.Event.Event.Kind}
		out = append(out, sentence(fmt.Sprintf("First detection: %s, for what happened at %s.", d.Title.En, clock(f.time)),
			fmt.Sprintf("最初の検知: %s（%s の動作）。", d.Title.In("ja"), clock(f.time)), observed, high, f))
	}
	return out
}

func (b *builder) what() []Sentence {
	var out []Sentence
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
			out = append(out, sentence(fmt.Sprintf("Credentials: %s was read by %s at %s.", c.text, b.en(p), clock(c.time)),
				fmt.Sprintf("認証情報: %s が %s に %sによって読み取られた。", c.text, clock(c.time), b.ja(p)), observed, high, c.fact))
		}
		for _, t := range d.inject {
			out = append(out, sentence(fmt.Sprintf("Process %s was taken over by %s at %s.", b.en(t.other), b.en(p), clock(t.time)),
				fmt.Sprintf("プロセス %sが %s に %sによって操作された。", b.ja(t.other), clock(t.time), b.ja(p)), observed, high, t.fact))
		}
		for _, f := range d.deletes {
			out = append(out, sentence(fmt.Sprintf("Traces: %s was removed by %s at %s.", f.text, b.en(p), clock(f.time)),
				fmt.Sprintf("痕跡: %s が %s に %sによって削除された。", f.text, clock(f.time), b.ja(p)), observed, high, f.fact))
		}
		seen := map[*fileNode]bool{}
		for _, x := range d.writes {
			if seen[x.file] {
				continue
			}
			if k := p.last().on().itemKind(x.path); k != "" && x.kind != event.FileChmod {
				seen[x.file] = true
				w := itemWords[k]
				out = append(out, sentence(fmt.Sprintf("Settings: the %s %s was written by %s at %s.", w.En, x.path, b.en(p), clock(x.time)),
					fmt.Sprintf("設定: %s %s が %s に %sによって書き込まれた。", w.Ja, x.path, clock(x.time), b.ja(p)), observed, high, x.fact))
			} else if x.emptied && p.last().on().isTrace(x.path) {
				seen[x.file] = true
				out = append(out, sentence(fmt.Sprintf("Traces: %s was emptied by %s at %s.", x.path, b.en(p), clock(x.time)),
					fmt.Sprintf("痕跡: %s が %s に %sによって空にされた。", x.path, clock(x.time), b.ja(p)), observed, high, x.fact))
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
		return []Sentence{unknown("Unknown: no event shows which data or settings were read or changed.", "不明: どのデータや設定が読まれ、変えられたかを示すイベントがありません。")}
	}
	return dedupe(out)
}

func (b *builder) left(by *proc, read fact, text string) (Sentence, bool) {
	var best *conn
	var who *proc
	look := func(p *proc) {
		list := p.did().conns
		for i := range list {
			c := &list[i]
			if c.time >= read.time && c.remote.IsValid() && c.remote.Port() != 53 && c.remote.Port() != 0 && (best == nil || c.time < best.time) && c.known() && c.kind == event.NetConnect {
				best, who = c, p
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
		return Sentence{}, false
	}
	amount, amountJa := "", ""
	facts := []fact{read, best.fact}
	if best.closed.known() && best.sent > 0 {
		amount, amountJa = fmt.Sprintf(" and sent %d bytes by %s", best.sent, clock(best.closed.time)), fmt.Sprintf("し、%s までに %d バイトを送信", clock(best.closed.time), best.sent)
		facts = append(facts, best.closed)
	}
	return sentence(fmt.Sprintf("Data may have left: after the read of %s at %s, %s connected to %s at %s%s.", text, clock(read.time), b.en(who), b.address(best.remote), clock(best.time), amount),
		fmt.Sprintf("データ流出の可能性: %s に %s が読まれた後、%sが %s に %s へ接続%sした。", clock(read.time), text, b.ja(who), clock(best.time), b.address(best.remote), amountJa),
		inferred, medium, facts...), true
}

func dedupe(l []Sentence) []Sentence {
	seen := map[string]bool{}
	out := l[:0]
	for _, s := range l {
		if !seen[s.Text.En] {
			seen[s.Text.En] = true
			out = append(out, s)
		}
	}
	return out
}

func (b *builder) accounts() []Sentence {
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
	var out []Sentence
	for _, k := range names {
		x := by[k]
		host := x.first.by.host
		out = append(out, sentence(fmt.Sprintf("%s%s: %d processes, the first at %s: %s.", x.user, b.onHost(host), x.n, clock(x.first.time), b.en(x.first.by)),
			fmt.Sprintf("%s%s: プロセス %d 個、最初は %s の %s。", b.atHost(host), x.user, x.n, clock(x.first.time), b.ja(x.first.by)), observed, high, x.first.fact))
	}
	if len(out) == 0 {
		return []Sentence{unknown("Unknown: no event names an account.", "不明: アカウントを示すイベントがありません。")}
	}
	return out
}

// how names each rule once for each host, with how often it found something.
func (b *builder) how() []Sentence {
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
	var out []Sentence
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
		by, byJa := "", ""
		if p := b.g.seed(*d); p != nil {
			// what it was then, which may be another image than now
			a := &d.Event.Event.Actor
			name := program(&image{path: a.Path, commandLine: a.CommandLine, interpreter: a.Interpreter, cwd: a.Cwd})
			by, byJa = fmt.Sprintf(", by %s (pid %d%s)", name, a.PID, b.onHost(p.host)), fmt.Sprintf("、%s（%spid %d）", name, strings.Replace(b.atHost(p.host), " の ", "、", 1), a.PID)
		}
		facts := []fact{f}
		more, moreJa := "", ""
		if x.n > 1 {
			last := fact{id: x.last.Event.ID, time: b.g.moment(x.last.Event)}
			facts = append(facts, last)
			more, moreJa = fmt.Sprintf("; %d times in all, the last at %s", x.n, clock(last.time)), fmt.Sprintf("。計 %d 回、最後は %s", x.n, clock(last.time))
		}
		out = append(out, sentence(fmt.Sprintf("%s: %s%s%s%s.", clock(f.time), d.Title.En, by, t, more), fmt.Sprintf("%s: %s%s%s%s。", clock(f.time), d.Title.In("ja"), byJa, t, moreJa), observed, high, facts...))
	}
	if len(out) == 0 {
		return []Sentence{unknown("Unknown: no detection of this story is stored any more.", "不明: この攻撃ストーリーの検知はもう保存されていません。")}
	}
	return dedupe(out)
}
