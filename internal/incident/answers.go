package incident

import (
	"fmt"
	"net/netip"
	"sort"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// clock writes a time of the store for a sentence; screens that know a zone may rewrite it.
func clock(us int64) string {
	return time.UnixMicro(us).UTC().Format("2006-01-02 15:04:05.000000Z")
}

func quoteJa(s string) string { return "「" + short(s, 160) + "」" }

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

func span(d time.Duration, ja bool) string {
	switch {
	case d < time.Second:
		if ja {
			return fmt.Sprintf(" %d ミリ秒", d.Milliseconds())
		}
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		if ja {
			return fmt.Sprintf(" %.1f 秒", d.Seconds())
		}
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		if ja {
			return fmt.Sprintf(" %d 分 %d 秒", int(d.Minutes()), int(d.Seconds())%60)
		}
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	if ja {
		return fmt.Sprintf(" %d 時間 %d 分", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

func kindWords(k event.Kind) Said {
	switch k {
	case event.ProcessExec, event.ProcessRunning:
		return said("a program was started", "プログラムの起動")
	case event.ProcessFork:
		return said("a process was made", "プロセスの生成")
	case event.ProcessExit:
		return said("a process ended", "プロセスの終了")
	case event.NetConnect:
		return said("a connection was opened", "接続の開始")
	case event.NetAccept:
		return said("a connection was taken", "接続の受付")
	case event.NetClose:
		return said("a connection ended", "接続の終了")
	case event.NetStdioSocket:
		return said("a program got a connection as its input", "接続を標準入力とする起動")
	case event.FileReadCredential:
		return said("a credential file was read", "認証情報ファイルの読み取り")
	case event.MemPtrace, event.MemVMWrite:
		return said("a process was taken over", "プロセスの操作")
	case event.MemMemfdCreate:
		return said("a file in memory was made", "メモリー上のファイルの作成")
	case event.FileDelete:
		return said("a file was removed", "ファイルの削除")
	case event.FileCreate, event.FileModify, event.FileRename, event.FileChmod, event.FileLink:
		return said("a file was written", "ファイルの書き込み")
	case event.DNSQuery:
		return said("a name was asked for", "名前の問い合わせ")
	case event.SensorCapability:
		return said("what the sensor can see changed", "センサーが見える範囲の変化")
	}
	return said(k.String(), k.String())
}

func (b *builder) where() []Sentence {
	var out []Sentence
	acts := b.acts()
	for _, a := range b.hosts() {
		n, firstFact := 0, fact{}
		for _, p := range b.members() {
			if p.host == a {
				n++
			}
		}
		for _, x := range acts {
			if x.id.Host == a.id {
				firstFact = x.fact
				break
			}
		}
		if !firstFact.known() {
			continue
		}
		name := b.hostName(a)
		if n == 0 {
			out = append(out, sentence(fmt.Sprintf("Host %s, at %s.", name, clock(firstFact.time)), fmt.Sprintf("ホスト %s（%s）。", name, clock(firstFact.time)), observed, high, firstFact))
			continue
		}
		out = append(out, sentence(fmt.Sprintf("Host %s: %d processes, from %s on.", name, n, clock(firstFact.time)),
			fmt.Sprintf("ホスト %s: プロセス %d 個（%s から）。", name, n, clock(firstFact.time)), observed, high, firstFact))
		if c := b.ownAddress(a); c != nil {
			place := networkPlace(c.local.Addr())
			own, ownJa := "Its", ""
			if b.many {
				own, ownJa = name+"'s", name+" の "
			}
			out = append(out, sentence(fmt.Sprintf("%s side of the connection of %s was %s (%s).", own, clock(c.time), c.local, place.En),
				fmt.Sprintf("%s%s の接続でのホスト側アドレスは %s（%s）。", ownJa, clock(c.time), c.local, place.Ja), observed, high, c.fact))
		}
	}
	seen := map[string]bool{}
	for _, p := range b.members() {
		for _, c := range p.did().conns {
			k := c.remote.String()
			if seen[k] || !c.known() || !c.remote.IsValid() || c.remote.Port() == 53 || c.remote.Port() == 0 || len(seen) >= 12 || !b.acted(p) {
				continue
			}
			seen[k] = true
			to := k
			if c.name != "" {
				to = c.name + " (" + k + ")"
			}
			place := b.place(c.remote.Addr())
			out = append(out, sentence(fmt.Sprintf("%s connected to %s (%s) at %s.", b.en(p), to, place.En, clock(c.time)),
				fmt.Sprintf("%sが %s に %s（%s）へ接続した。", b.ja(p), clock(c.time), to, place.Ja), observed, high, c.fact))
		}
	}
	if len(out) == 0 {
		return []Sentence{unknown("Unknown: no event of the story names a host.", "不明: ホストを示すイベントがありません。")}
	}
	return out
}

func (b *builder) ownAddress(a *activity) *conn {
	for _, p := range b.members() {
		if p.host != a {
			continue
		}
		for _, list := range [][]conn{p.did().conns, p.did().accepts} {
			for i := range list {
				if ad := list[i].local.Addr(); list[i].known() && ad.IsValid() && !ad.IsLoopback() && !ad.IsUnspecified() {
					return &list[i]
				}
			}
		}
	}
	return nil
}

func networkPlace(a netip.Addr) Said {
	a = a.Unmap()
	switch {
	case a.IsLoopback():
		return said("the host itself", "ホスト自身")
	case a.IsPrivate() || a.IsLinkLocalUnicast():
		return said("private network", "プライベートネットワーク")
	}
	return said("public network", "公開ネットワーク")
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
			if k := itemKind(x.path); k != "" && x.kind != event.FileChmod {
				seen[x.file] = true
				w := itemWords[k]
				out = append(out, sentence(fmt.Sprintf("Settings: the %s %s was written by %s at %s.", w.En, x.path, b.en(p), clock(x.time)),
					fmt.Sprintf("設定: %s %s が %s に %sによって書き込まれた。", w.Ja, x.path, clock(x.time), b.ja(p)), observed, high, x.fact))
			} else if x.emptied && interesting(x.path) {
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

func (b *builder) why() []Sentence {
	var out []Sentence
	e := b.out.Entry
	if e.Route == unknownRouteName {
		out = append(out, unknown("Entry route unknown: "+e.Stopped.Why.En+".", "侵入経路は不明: "+e.Stopped.Why.Ja+"。"))
	} else {
		var en, ja []string
		s := Sentence{EventIDs: []string{}, Edges: []string{}, Basis: observed, Confidence: e.Confidence}
		for _, c := range e.Chain {
			en, ja = append(en, c.Text.En), append(ja, c.Text.Ja)
			s.EventIDs = append(s.EventIDs, c.EventIDs...)
		}
		if e.Route == "mail_link" || e.Route == "link" {
			s.Basis = inferred
		}
		s.Text = Said{En: "Entry route: " + e.Label.En + ": " + strings.Join(en, "; ") + ".", Ja: "侵入経路: " + e.Label.Ja + "。" + strings.Join(ja, "。") + "。"}
		out = append(out, s)
		w := s
		w.Text = Said{En: "Weakness used: " + e.Weakness.En + " (seen at " + clock(b.reached.time) + ").", Ja: "突かれた弱点: " + e.Weakness.Ja + "（" + clock(b.reached.time) + "）。"}
		w.EventIDs = []string{b.reached.id.String()}
		w.Basis = inferred
		out = append(out, w)
	}
	aims, told := 0, map[string]bool{}
	for _, p := range b.members() {
		if c := p.did().creds; len(c) > 0 && b.acted(p) && aims == 0 {
			aims++
			told["to take credentials"] = true
			out = append(out, sentence(fmt.Sprintf("Likely aim: to take credentials (%s read at %s by %s).", c[0].text, clock(c[0].time), b.en(p)),
				fmt.Sprintf("推定される目的: 認証情報の窃取（%s に %s が %s によって読み取られた）。", clock(c[0].time), c[0].text, b.ja(p)), inferred, medium, c[0].fact))
		}
	}
	for _, d := range b.dets {
		aim, ok := aimOf(d)
		if !ok || aims >= 3 || told[aim.En] || d.Severity < detection.Medium {
			continue
		}
		told[aim.En] = true
		f := fact{id: d.Event.ID, time: b.g.moment(d.Event)}
		aims++
		out = append(out, sentence(fmt.Sprintf("Likely aim: %s (%s, event of %s).", aim.En, d.Title.En, clock(f.time)), fmt.Sprintf("推定される目的: %s（%s、%s のイベント）。", aim.Ja, d.Title.In("ja"), clock(f.time)), inferred, medium, f))
	}
	if aims == 0 {
		out = append(out, unknown("Aim unknown: nothing seen so far shows what was wanted.", "目的は不明: 狙いを示すものはまだ観測されていません。"))
	}
	return out
}

func aimOf(d detection.Detection) (Said, bool) {
	for _, t := range d.ATTACK {
		switch strings.TrimPrefix(strings.ToLower(t), "tactic:") {
		case "credential-access", "credential_access":
			return said("to take credentials", "認証情報の窃取"), true
		case "impact":
			return said("to use or harm the host's resources", "ホスト資源の悪用または破壊"), true
		case "exfiltration":
			return said("to take data out", "データの持ち出し"), true
		case "collection":
			return said("to gather data", "データの収集"), true
		case "persistence":
			return said("to stay on the host", "ホストへの潜伏"), true
		case "command-and-control", "command_and_control":
			return said("to steer the host from outside", "外部からのホスト操作"), true
		}
	}
	return Said{}, false
}

func (b *builder) who() []Sentence {
	out := []Sentence{unknown("Unknown: nothing recorded identifies the attacker; no attribution.", "不明: 攻撃者を特定できる記録はありません。特定には至っていません。")}
	e := b.out.Entry
	if (e.Route == "exploited_service" || e.Route == "logon" || e.Route == "another_host") && len(e.Chain) > 0 {
		said := Said{En: "The only outside mark: " + e.Chain[0].Text.En + "; an address is not an identity.", Ja: "外部につながる手掛かりは次の 1 件だけです: " + e.Chain[0].Text.Ja + "。アドレスだけでは誰かは分かりません。"}
		if name := b.hostAt(b.from.Addr()); name != "" {
			said = Said{En: "It came from inside: " + e.Chain[0].Text.En + "; look on " + name + " for who it was.", Ja: "内部のホストから来ています: " + e.Chain[0].Text.Ja + "。誰によるものかは " + name + " で調べてください。"}
		}
		cites := append([]string{}, e.Chain[0].EventIDs...)
		if b.from.Addr().Unmap().IsLoopback() {
			by, opened := b.openedHere()
			said = Said{En: "It came from this very host: " + e.Chain[0].Text.En + "; nothing seen says which program opened that connection.", Ja: "同じホストの中から来ています: " + e.Chain[0].Text.Ja + "。その接続を開いたプログラムは観測されていません。"}
			if by != nil {
				said = Said{En: "It came from this very host: " + e.Chain[0].Text.En + "; " + b.en(by) + " had opened that connection.", Ja: "同じホストの中から来ています: " + e.Chain[0].Text.Ja + "。その接続を開いたのは " + b.ja(by) + " です。"}
				cites = append(cites, opened.id.String())
			}
		}
		s := Sentence{
			Text:     said,
			EventIDs: cites, Edges: []string{}, Basis: observed, Confidence: low,
		}
		out = append(out, s)
	}
	return out
}

// openedHere gives the program of the entry's own host that opened the connection which the entry began with: nearest in
// time, for a port is used again.
func (b *builder) openedHere() (by *proc, at fact) {
	if b.entered == nil {
		return nil, fact{}
	}
	for _, p := range b.entered.procs {
		for _, c := range p.did().conns {
			if !c.initiated || bare(c.local) != bare(b.from) {
				continue
			}
			d, best := abs64(c.time-b.reached.time), abs64(at.time-b.reached.time)
			if d <= peerWithin && (by == nil || d < best || d == best && p.ref() < by.ref()) {
				by, at = p, c.fact
			}
		}
	}
	return by, at
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

// severity gives the highest severity of the detections and says why.
func severity(dets []detection.Detection) (detection.Severity, Said, Said) {
	var top *detection.Detection
	for i := range dets {
		if top == nil || dets[i].Severity > top.Severity {
			top = &dets[i]
		}
	}
	if top == nil {
		return 0, Said{}, Said{}
	}
	word := map[detection.Severity]string{1: "情報", 2: "低", 3: "中", 4: "高", 5: "緊急"}[top.Severity]
	return top.Severity, Said{En: fmt.Sprintf("highest of %d detections: %s (%s)", len(dets), top.Title.En, top.Severity), Ja: fmt.Sprintf("検知 %d 件のうち最も高いもの: %s（%s）", len(dets), top.Title.In("ja"), word)}, top.Title
}
