package incident

import (
	"fmt"
	"strings"

	"github.com/yagura-edr/yagura/internal/detection"
)

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
				said = Said{En: "It came from this very host: " + e.Chain[0].Text.En + "; " + b.en(by) + " had opened that connection.", Ja: "同じホストの中から来ています: " + e.Chain[0].Text.Ja + "。その接続を開いたのは " + b.ja(by) + "です。"}
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
