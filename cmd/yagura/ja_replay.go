package main

import "github.com/yagura-edr/yagura/internal/terminal"

// jaReplay is what replay says of files that it was given. It is read only.
var jaReplay = terminal.Sentences{
	"Recordings: JSON as yagura-sensor watch prints it (lines or an array, also gzip or zstd), or batches of a sensor; - for standard input.": "記録。yagura-sensor watch が出力する JSON(1 行 1 イベントまたは配列、gzip や zstd も可)か、センサーのバッチ。- は標準入力。",
	"Move the whole recording so that its last event is now; otherwise it keeps its own times.":                                               "最後のイベントが現在になるように、記録全体の時刻をずらす。指定しなければ元の時刻を保つ。",
	"A recording goes the whole way of a live event: a host is enrolled for it, its batches are uploaded, judged and stored. " +
		"Event logs of other programs (EVTX, Sysmon, auditd, ECS, pcap) are not read; docs/recordings.md tells how to convert.": "記録は、実際のイベントと同じ経路をすべて通ります。記録のためのホストが登録され、バッチが送信され、判定され、保存されます。ほかのプログラムのイベントログ(EVTX、Sysmon、auditd、ECS、pcap)は読めません。変換の方法は docs/recordings.md にあります。",

	"%s is not taken: replay takes what `yagura-sensor watch` prints, as lines or as an array of JSON, plain, gzip or zstd; docs/recordings.md tells how to convert":          "%sは取り込めません。取り込めるのは `yagura-sensor watch` が出力する JSON(1 行 1 イベントまたは配列。gzip、zstd も可)です。変換の方法は docs/recordings.md にあります",
	"line %d: %s is not taken: replay takes what `yagura-sensor watch` prints, as lines or as an array of JSON, plain, gzip or zstd; docs/recordings.md tells how to convert": "%d 行目: %sは取り込めません。取り込めるのは `yagura-sensor watch` が出力する JSON(1 行 1 イベントまたは配列。gzip、zstd も可)です。変換の方法は docs/recordings.md にあります",

	"the recording holds no event":                                   "記録にイベントがありません",
	"expand the %s: %w":                                              "%s を展開できません: %s",
	"replay %s: this is a folder: name the recordings in it":         "%s の再生: これはフォルダーです。中の記録を指定してください",
	"line %d: the recording was cut off: this event has no end":      "%d 行目: 記録が途中で切れています。このイベントに終わりがありません",
	"line %d: the recording was cut off: its array has no end":       "%d 行目: 記録が途中で切れています。配列に終わりがありません",
	"line %d: something follows the end of the array":                "%d 行目: 配列の終わりの後に何かが続いています",
	"line %d: the line ends inside a text: it was cut off or edited": "%d 行目: 文字列の途中で行が終わっています。途中で切れたか、編集されています",

	// what stands before another error
	"event %d: %w": "%d 件目のイベント: %s",
	"replay -: %w": "標準入力の再生: %s",
	"line %d: %w":  "%d 行目: %s",

	"line %d is longer than %d bytes":             "%d 行目が %d バイトを超えています",
	"more than %d events: split the recording":    "イベントが %d 件を超えています。記録を分けてください",
	"expand the batch: %w":                        "バッチを展開できません: %s",
	"the batch expands to more than %d bytes: %w": "バッチの展開後の大きさが %d バイトを超えます: %s",
	"it expands to more than %d bytes: %w":        "展開後の大きさが %d バイトを超えます: %s",

	"replay: the recording ends at %s, which is yet to come by this clock: --now moves it": "再生: 記録の終わり(%s)がこのマシンの時計ではまだ来ていません。--now で記録全体をずらせます",

	"%s: %d events have no time (host_time in µs, or boot_ns): they were put behind the one before them": "%s: %d 件のイベントに時刻(µs の host_time、または boot_ns)がありません。直前のイベントの後に置きました",

	`it has no kind: say what happened, as in "kind":"process.exec"; docs/events.md lists the kinds`: `kind がありません。"kind":"process.exec" のように種類を書いてください。種類の一覧は docs/events.md にあります`,
	`it has no os: say "os":"linux", "windows" or "macos"`:                                           `os がありません。"os":"linux"、"windows"、"macos" のいずれかを書いてください`,
	"unknown kind %d: docs/events.md lists the kinds":                                                "kind %d は未知です。種類の一覧は docs/events.md にあります",
	"unknown kind %q: docs/events.md lists the kinds":                                                "kind %s は未知です。種類の一覧は docs/events.md にあります",
	"unknown os %d: linux, windows or macos":                                                         "os %d は未知です。linux、windows、macos のいずれかです",
	"unknown os %q: linux, windows or macos":                                                         "os %s は未知です。linux、windows、macos のいずれかです",
	"unknown field %q: docs/events.md lists the names":                                               "項目 %s は未知です。項目名の一覧は docs/events.md にあります",
	"%s is no whole number":                                                                          "%s は整数ではありません",
	"%s is no whole number (%s)":                                                                     "%s は整数ではありません(単位: %s)",
	"%s is neither true nor false":                                                                   "%s は true でも false でもありません",

	"a Windows event log (EVTX)":                            "Windows のイベントログ(EVTX)",
	"UTF-16 text, as PowerShell writes it,":                 "UTF-16 のテキスト(PowerShell の出力など)",
	"UTF-16 text":                                           "UTF-16 のテキスト",
	"a packet capture (pcap)":                               "パケットキャプチャー(pcap)",
	"a packet capture (pcapng)":                             "パケットキャプチャー(pcapng)",
	"a zip archive":                                         "zip アーカイブ",
	"a tar archive":                                         "tar アーカイブ",
	"gzip in gzip in gzip":                                  "三重の gzip",
	"zstd in zstd in zstd":                                  "三重の zstd",
	"a Parquet file":                                        "Parquet ファイル",
	"an SQLite database":                                    "SQLite データベース",
	"a journal of systemd":                                  "systemd のジャーナル",
	"an export of systemd's journal":                        "systemd のジャーナルの出力",
	"an entry of systemd's journal":                         "systemd のジャーナルの JSON",
	"a program":                                             "プログラム",
	"a Windows program":                                     "Windows のプログラム",
	"a binary file":                                         "バイナリファイル",
	"a log of auditd":                                       "auditd のログ",
	"XML, as Windows and Sysmon write events,":              "XML(Windows や Sysmon のイベントなど)",
	"XML or a syslog stream":                                "XML または syslog",
	"CEF or LEEF":                                           "CEF または LEEF",
	"JSON that holds no events":                             "イベントでない JSON",
	"text that is no JSON":                                  "JSON でないテキスト",
	"zstd of %s":                                            "zstd で圧縮された%s",
	"a Windows event of Elastic's agents":                   "Elastic のエージェントによる Windows イベント",
	"a Windows event as JSON":                               "JSON の Windows イベント",
	"an event in Elastic's schema (ECS)":                    "Elastic のスキーマ(ECS)のイベント",
	"a hit of an Elasticsearch search":                      "Elasticsearch の検索結果の 1 件",
	"the answer of an Elasticsearch search":                 "Elasticsearch の検索結果",
	"an alert of Falco":                                     "Falco の検知",
	"an event of Tetragon":                                  "Tetragon のイベント",
	"an event of Tracee":                                    "Tracee のイベント",
	"a result of Splunk":                                    "Splunk の検索結果",
	"an event in OCSF":                                      "OCSF のイベント",
	"a detection, as `yagura detections --json` prints it,": "`yagura detections --json` が出力する検知",
	"what `yagura events list --json` prints":               "`yagura events list --json` の出力",
}
