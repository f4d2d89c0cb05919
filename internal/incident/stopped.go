package incident

import "fmt"

// lookedFor names every way in that entry tries, so that "unknown" says what was looked at.
var lookedFor = Said{
	En: "no connection taken, link, attachment, download, log-on, medium, package or schedule that we saw leads to it",
	Ja: "観測した接続の受付・リンク・添付ファイル・ダウンロード・ログオン・メディア・パッケージ・スケジュールのいずれとも結び付かない",
}

// stopped says where the way back ended for the story's first process, and why.
func (b *builder) stopped() Stopped {
	first := b.first()
	if first == nil {
		return Stopped{Why: Said{En: "no process of the story is known any more", Ja: "攻撃ストーリーのプロセスが残っていない"}}
	}
	name, nameJa := b.en(first), b.ja(first)
	st := Stopped{Where: b.ref(first)}
	for _, h := range b.out.Holes {
		if h.Host == first.host.id.String() && h.From <= first.start && (h.To == 0 || h.To >= first.start) && h.State == "blind" {
			st.Why = Said{En: fmt.Sprintf("the host was blind for %s when %s started", h.Class, name), Ja: fmt.Sprintf("%sの起動時、ホストでは%sを監視できなかった", nameJa, classJa(h.Class))}
			return st
		}
	}
	q := first.parent
	switch {
	case first.running.known() && !first.forked.known(), q == nil && first.start == 0:
		st.Why = Said{En: name + " already ran when the sensor started", Ja: "センサーの起動時、" + nameJa + "は既に動いていた"}
	case q == nil:
		st.Why = Said{En: "no event names what started " + name, Ja: nameJa + "を起動したものを示すイベントがない"}
	case hubKind(q) != notHub:
		st.Where = b.ref(q)
		st.Why = Said{
			En: fmt.Sprintf("%s was started by %s (%s), which starts programs for everyone; no event shows who asked it to", name, label(q), hubKind(q)),
			Ja: fmt.Sprintf("%sを起動した %s はあらゆるプログラムを起動するため、誰の要求かを示すイベントがない", nameJa, label(q)),
		}
	case q.running.known():
		st.Where = b.ref(q)
		st.Why = Said{
			En: fmt.Sprintf("%s was started by %s, which already ran when the sensor started", name, b.en(q)),
			Ja: fmt.Sprintf("%sを起動した %sは、センサーの起動時に既に動いていた", nameJa, b.ja(q)),
		}
	default:
		st.Where = b.ref(q)
		st.Why = Said{En: fmt.Sprintf("%s was started by %s on this host", name, b.en(q)), Ja: fmt.Sprintf("%sはこのホストの %sが起動した", nameJa, b.ja(q))}
	}
	if first.session != "" && !first.host.logons[first.session].known() {
		at := ""
		if first.tty != "" {
			at = ", " + first.tty
		}
		st.Why.En += fmt.Sprintf("; it ran in log-on session %s (%s%s), which began before the sensor did", first.session, userOf(first), at)
		st.Why.Ja += fmt.Sprintf("。ログオンセッション %s（%s%s）の中で動いたが、その開始はセンサーの起動前", first.session, userOf(first), at)
	}
	st.Why.En += "; " + lookedFor.En
	st.Why.Ja += "。" + lookedFor.Ja
	if b.many {
		st.Why.En = "entry on " + b.hostName(first.host) + " unknown: " + st.Why.En
		st.Why.Ja = b.hostName(first.host) + " への侵入経路は不明: " + st.Why.Ja
	}
	return st
}
