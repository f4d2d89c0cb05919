package incident

import (
	"strings"

	"github.com/yagura-edr/yagura/internal/detection"
)

func (b *builder) why() []finding {
	var out []finding
	e := b.out.Entry
	if e.Route == unknownRouteName {
		f := unknown("why.entry-unknown")
		f.about = about{"why": words(e.Stopped.Why)}
		out = append(out, f)
	} else {
		var en, ja []string
		f := finding{id: "why.entry", basis: observed, confidence: e.Confidence}
		for _, c := range e.Chain {
			en, ja = append(en, c.Text.En), append(ja, c.Text.Ja)
			f.cites = append(f.cites, c.EventIDs...)
		}
		if e.Route == "mail_link" || e.Route == "link" {
			f.basis = inferred
		}
		f.about = about{"route": words(e.Label), "chain": words{En: strings.Join(en, "; "), Ja: strings.Join(ja, "。")}}
		out = append(out, f, finding{
			id: "why.weakness", about: about{"weakness": words(e.Weakness), "at": at(b.reached.time)}, cites: []string{b.reached.id.String()}, basis: inferred, confidence: e.Confidence,
		})
	}
	aims, told := 0, map[string]bool{}
	for _, p := range b.members() {
		if c := p.did().creds; len(c) > 0 && b.acted(p) && aims == 0 {
			aims++
			told["to take credentials"] = true
			out = append(out, guess("why.aim-credentials", about{"file": text(c[0].text), "at": at(c[0].time), "who": who{p}}, c[0].fact))
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
		out = append(out, guess("why.aim", about{"aim": words(aim), "title": titleOf(&d), "at": at(f.time)}, f))
	}
	if aims == 0 {
		out = append(out, unknown("why.aim-unknown"))
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

func (b *builder) who() []finding {
	out := []finding{unknown("who.unknown")}
	e := b.out.Entry
	if e.Route != "exploited_service" && e.Route != "logon" && e.Route != "another_host" || len(e.Chain) == 0 {
		return out
	}
	first := e.Chain[0]
	f := finding{id: "who.outside-mark", about: about{"step": words(first.Text)}, cites: append([]string{}, first.EventIDs...), basis: observed, confidence: low}
	if name := b.hostAt(b.from.Addr()); name != "" {
		f.id, f.about["host"] = "who.inside", text(name)
	}
	if b.from.Addr().Unmap().IsLoopback() {
		f.id = "who.this-host"
		if by, opened := b.openedHere(); by != nil {
			f.id, f.about["who"] = "who.this-host-by", who{by}
			f.cites = append(f.cites, opened.id.String())
		}
	}
	return append(out, f)
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
