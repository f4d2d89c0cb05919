package coverage

import (
	"fmt"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// Silent-failure classes (mdr.md §12.1).
const (
	ClassNeverReported   = "enrolled but never reported"
	ClassStale           = "stale"
	ClassNoTelemetry     = "online but no telemetry"
	ClassEventMissing    = "event class missing"
	ClassSensorDegraded  = "sensor degraded"
	ClassDrops           = "drops"
	ClassHeldBack        = "held back" // not in mdr.md: counted there by design, and no failure
	ClassClockSkew       = "clock skew"
	ClassTamper          = "tamper signal"
	ClassResponseChannel = "response channel dead"
	ClassServer          = "server-side"
	ClassRecording       = "recording" // not in mdr.md: an operator fed it, and no failure
)

var impostorDetection = detection.Detection{
	RuleID: "yagura-canary-impostor", RuleVersion: "1", Severity: detection.High,
	Title: detection.Said{En: "A process plays the sensor's canary", Ja: "センサーのカナリアを装うプロセス"},
	Why: detection.Said{
		En: "The canary proves that events arrive, and what it does is kept out of the queue. A process that looks like it and is not the one the sensor started may be hiding there.",
		Ja: "カナリアはイベントが届くことを証明するもので、その動作は検知一覧に出ません。センサーが起動したものではない類似のプロセスは、そこに隠れようとしている可能性があります。",
	},
	Todo: detection.Said{
		En: "Look at the process and its parent. Compare the sensor's program file on the host with the installed package, and see who started it.",
		Ja: "プロセスとその親を調べてください。ホスト上のセンサーの実行ファイルを導入済みパッケージと比べ、誰が起動したかを確認してください。",
	},
	ATTACK: []string{"T1036", "T1562.001", "tactic:defense-evasion"}, Author: "Yagura", Licence: "Apache-2.0",
}

var classWords = map[string]detection.Said{
	"process": {En: "process events", Ja: "プロセスのイベント"},
	"file":    {En: "file events", Ja: "ファイルのイベント"},
	"network": {En: "network events", Ja: "ネットワークのイベント"},
	"dns":     {En: "DNS events", Ja: "DNS のイベント"},
	"memory":  {En: "memory events", Ja: "メモリーのイベント"},
}

func classWord(class string) detection.Said {
	if s, ok := classWords[class]; ok {
		return s
	}
	return detection.Said{En: class + " events", Ja: class + " のイベント"}
}

func saidNever(name string, enrolled int64) (what, fix detection.Said) {
	what = detection.Said{
		En: fmt.Sprintf("%s was enrolled at %s and never reported.", name, event.Clock(enrolled)),
		Ja: fmt.Sprintf("%s は %s に登録されましたが、一度も報告していません。", name, event.Clock(enrolled)),
	}
	fix = detection.Said{
		En: "Start yagura-sensor on the host; `yagura-sensor check` says what stands in its way.",
		Ja: "ホストで yagura-sensor を起動してください。妨げているものは `yagura-sensor check` で分かります。",
	}
	return what, fix
}

func saidReplayed(name string, enrolled int64) (what, fix detection.Said) {
	what = detection.Said{
		En: fmt.Sprintf("%s is a recording that was replayed at %s: nothing is watched there.", name, event.Clock(enrolled)),
		Ja: fmt.Sprintf("%s は %s に再生された記録です。監視対象ではありません。", name, event.Clock(enrolled)),
	}
	fix = detection.Said{
		En: "`yagura enroll revoke HOST` takes it off the list of hosts; its events stay.",
		Ja: "`yagura enroll revoke HOST` でホスト一覧から外せます。イベントは残ります。",
	}
	return what, fix
}

func saidNoTelemetry(name string, r Row) (what, fix detection.Said) {
	what = detection.Said{
		En: fmt.Sprintf("%s sends heartbeats but no part of its canary came through since %s: it is online and sees nothing.", name, event.Clock(r.From)),
		Ja: fmt.Sprintf("%s はハートビートを送っていますが、%s 以降カナリアが一つも届いていません。接続中でも何も見えていません。", name, event.Clock(r.From)),
	}
	fix = detection.Said{
		En: "Restart the sensor; if it stays, run `yagura-sensor check` and look for other programs that use eBPF.",
		Ja: "センサーを再起動してください。続く場合は `yagura-sensor check` を実行し、eBPF を使う他のプログラムを調べてください。",
	}
	return what, fix
}

func saidDegraded(name string, r Row, ja func(string) string) (what, fix detection.Said) {
	w := classWord(r.Class)
	what = detection.Said{
		En: fmt.Sprintf("%s: %s are %s since %s: %s.", name, w.En, r.State, event.Clock(r.From), or(r.Text(), "no reason given")),
		Ja: fmt.Sprintf("%s: %s は %s から%sです(%s)。", name, w.Ja, event.Clock(r.From), stateJa[r.State], or(ja(r.Text()), "理由の記載なし")),
	}
	fix = detection.Said{
		En: "Run `yagura-sensor check` on the host: it names the hook and what the kernel lacks. Until then an empty answer about this class means unknown.",
		Ja: "ホストで `yagura-sensor check` を実行すると、フックと不足している機能が分かります。それまでこの種類の「該当なし」は「不明」を意味します。",
	}
	switch r.Reason {
	case event.ReasonStalled:
		fix = detection.Said{
			En: "Every hook works and nobody takes what it tells: restart the sensor (`systemctl restart yagura-sensor`). If it comes back, `cat /proc/$(pidof yagura-sensor)/task/*/stack` says what it waits for. Until then an empty answer means unknown.",
			Ja: "フックは正常ですが、イベントが受け取られていません。センサーを再起動してください(`systemctl restart yagura-sensor`)。再発する場合は `cat /proc/$(pidof yagura-sensor)/task/*/stack` で何を待っているかが分かります。それまで「該当なし」は「不明」を意味します。",
		}
	case event.ReasonHungFiles:
		fix = detection.Said{
			En: "Everything is seen but hashes of programs on that file system. `for m in $(cut -d' ' -f2 /proc/mounts); do timeout -s KILL 2 stat -t $m >/dev/null || echo $m; done` finds it; bring its server back, or unmount it with `umount -f`. The sensor then goes on by itself.",
			Ja: "そのファイルシステム上のプログラムのハッシュ以外は見えています。`for m in $(cut -d' ' -f2 /proc/mounts); do timeout -s KILL 2 stat -t $m >/dev/null || echo $m; done` で応答しないマウントを探し、サーバーを復旧するか `umount -f` で外してください。その後センサーは自動で元に戻ります。",
		}
	}
	return what, fix
}

func saidDrops(name string, class string, lost uint64, since int64) (what, fix detection.Said) {
	w := classWord(class)
	what = detection.Said{
		En: fmt.Sprintf("%s lost %d %s since %s.", name, lost, w.En, event.Clock(since)),
		Ja: fmt.Sprintf("%s で %s 以降、%sが %d 件欠損しました。", name, event.Clock(since), w.Ja, lost),
	}
	fix = detection.Said{
		En: "The host's coverage names each span and its reason; look for a flood of events there, and give the sensor's spool more room if it was full.",
		Ja: "ホストのカバレッジに各区間と理由があります。その時間のイベントの急増を調べ、スプールが一杯だった場合は容量を増やしてください。",
	}
	return what, fix
}

func saidDetained(name, class string, n uint64, since int64) (what, fix detection.Said) {
	w := classWord(class)
	what = detection.Said{
		En: fmt.Sprintf("%s: %d %s were taken in since %s and could not be stored; they lie in the server's quarantine. The host is not the cause.", name, n, w.En, event.Clock(since)),
		Ja: fmt.Sprintf("%s: %s 以降に受け付けた%s %d 件を保存できず、サーバーの検査保留にあります。ホストが原因ではありません。", name, event.Clock(since), w.Ja, n),
	}
	fix = detection.Said{
		En: "`yagura quarantine list` says why; `yagura quarantine retry` stores them, once that is mended or the server was upgraded.",
		Ja: "`yagura quarantine list` で理由を確認できます。原因を取り除くかサーバーを更新した後、`yagura quarantine retry` で保存できます。",
	}
	return what, fix
}

func saidHeld(name, class string, n uint64, since int64, who string) (what, fix detection.Said) {
	w := classWord(class)
	what = detection.Said{
		En: fmt.Sprintf("%s: %d %s of loud processes were counted and not sent since %s; most of %s.", name, n, w.En, event.Clock(since), who),
		Ja: fmt.Sprintf("%s: %s 以降、大量に発生させるプロセスの%s %d 件は件数のみ記録し、送信していません。最多は %s です。", name, event.Clock(since), w.Ja, n, who),
	}
	fix = detection.Said{
		En: "Nothing if that is a build or a backup: reads of secrets, execs and connections are never held back for it. Otherwise look at that process.",
		Ja: "ビルドやバックアップであれば対応は不要です。秘密情報の読み取り、実行、接続はこの理由で止められません。心当たりがなければそのプロセスを調べてください。",
	}
	return what, fix
}

var stateJa = map[State]string{Full: "正常", Partial: "一部のみ", Blind: "監視不可", Unprotected: "無防備", Silent: "報告途絶", Unknown: "不明"}
