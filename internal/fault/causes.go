package fault

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// Cause says what of the server does not work. To add one: a constant here and its words in the table below.
type Cause string

// The causes. In brackets: the subject, where there may be several.
const (
	LogFull         Cause = "log-full"         // the log holds as many bytes as it may
	LogShard        Cause = "log-shard"        // [shard] a shard of the log takes no record
	DiskFull        Cause = "disk-full"        // no bytes left beside the reserve
	InodesFull      Cause = "inodes-full"      // no inodes left beside the reserve
	Workers         Cause = "workers"          // no worker process of the event store works
	WorkerSandbox   Cause = "worker-sandbox"   // workers run with less confinement than they should
	HotWrite        Cause = "hot-write"        // new events do not become searchable
	Seal            Cause = "seal"             // [shard] events of a shard stay in the log
	Purge           Cause = "purge"            // [shard] what is sealed stays in the log
	Merge           Cause = "merge"            // segments are not merged
	Retention       Cause = "retention"        // old events are not removed
	ControlDatabase Cause = "control-database" // what should be written to control.db is not
	Quarantine      Cause = "quarantine"       // accepted events lie in quarantine
	Segments        Cause = "segments"         // segments that the manifest names cannot be read
	HotFile         Cause = "hot-file"         // a hot file cannot be read
	Orphans         Cause = "orphans"          // files of the store that nobody can place
	RetentionWaits  Cause = "retention-waits"  // more is past the retention than goes by at once
	LogLost         Cause = "log-lost"         // the log lost records that it had acknowledged
	ClockJumped     Cause = "clock-jumped"     // the machine's clock is not believed
	SensorDoor      Cause = "sensor-listener"  // strangers crowd the listener of the sensors
	ConsoleDoor     Cause = "console-listener" // strangers crowd the listener of the console
	Enrolments      Cause = "enrolments"       // many attempts to enrol are refused
	AuthorityKey    Cause = "authority-key"    // the authority key is gone
	OperatorKey     Cause = "operator-key"     // the operator key is gone
	AccessKey       Cause = "access-key"       // users cannot sign in: the key of their secrets is another one
)

// words of one cause. {subject} and {detail} stand for what a fault carries.
type words struct {
	severity detection.Severity
	after    time.Duration // how long it must last before it shows
	what     detection.Said
	fix      detection.Said
}

const moment = time.Minute

var causes = map[Cause]words{
	LogFull: {
		detection.High, 0,
		detection.Said{En: "The server's event log is full: sensors keep their events until it takes more.", Ja: "サーバーのイベントログが満杯です。空きができるまで、センサーがイベントを保持します。"},
		detection.Said{En: "See below why it is not sealed; if nothing else is wrong, raise stream_max_bytes.", Ja: "シールが進まない理由をほかの項目で確認してください。ほかに異常がなければ stream_max_bytes を増やしてください。"},
	},
	LogShard: {
		detection.High, 0,
		detection.Said{En: "Part {subject} of the event log takes no events ({detail}). The sensors whose events go there keep them.", Ja: "イベントログの区画 {subject} がイベントを受け付けません({detail})。該当するセンサーがイベントを保持します。"},
		detection.Said{En: "Free space and inodes on the disk of the data folder. The server opens this part again by itself; if it does not within a minute, restart the server.", Ja: "データディレクトリーのディスクの容量と i ノードを空けてください。サーバーはこの区画を自動で開き直します。1 分たっても戻らなければ、サーバーを再起動してください。"},
	},
	DiskFull: {
		detection.High, 0,
		detection.Said{En: "The disk of the server's data folder is full ({detail}): sensors keep their events until there is space.", Ja: "サーバーのデータディレクトリーのディスクが満杯です({detail})。空きができるまで、センサーがイベントを保持します。"},
		detection.Said{En: "Free space on that disk or make it larger. The server goes on by itself; do not delete files of its data folder.", Ja: "そのディスクの空きを増やすか、容量を拡張してください。サーバーは自動的に再開します。データディレクトリー内のファイルは削除しないでください。"},
	},
	InodesFull: {
		detection.High, 0,
		detection.Said{En: "The file system of the server's data folder has no inodes left ({detail}): sensors keep their events until there are some.", Ja: "サーバーのデータディレクトリーのファイルシステムに i ノードの空きがありません({detail})。空きができるまで、センサーがイベントを保持します。"},
		detection.Said{En: "Remove small files of others from that file system (`df -i`, `du --inodes`) or make it larger. The server goes on by itself; do not delete files of its data folder.", Ja: "`df -i` と `du --inodes` で調べて、そのファイルシステムから不要な小さいファイルを減らすか、拡張してください。サーバーは自動的に再開します。データディレクトリー内のファイルは削除しないでください。"},
	},
	Workers: {
		detection.Critical, 0,
		detection.Said{En: "No worker of the event store works: new events are not searchable and wait in the log; nothing is lost. Last error: {detail}", Ja: "イベントストアのワーカーが一つも動きません。新しいイベントは検索できず、ログで待っています(失われてはいません)。最後のエラー: {detail}"},
		detection.Said{En: "See that the server's host has memory and process numbers left (`dmesg`, `ulimit -u`, pids.max) and that the server may run its own program; then, if it was upgraded, restart the server. Events are stored by themselves once a worker runs.", Ja: "サーバーのホストにメモリーとプロセス数の余裕があるか(`dmesg`、`ulimit -u`、pids.max)、サーバーが自身のプログラムを実行できるかを確認してください。更新した後であればサーバーを再起動してください。ワーカーが動けば、イベントは自動的に保存されます。"},
	},
	WorkerSandbox: {
		detection.Low, 0,
		detection.Said{En: "Workers of the event store run with less confinement than they should: {detail}.", Ja: "イベントストアのワーカーの権限の制限が本来より弱くなっています({detail})。"},
		detection.Said{En: "Nothing is broken. A kernel that has what is missing confines them fully.", Ja: "動作に支障はありません。不足している機能を持つカーネルでは、完全に制限されます。"},
	},
	HotWrite: {
		detection.High, moment,
		detection.Said{En: "New events have not become searchable ({detail}). They are safe in the log.", Ja: "新しいイベントが検索できる状態になっていません({detail})。イベントはログに残っています。"},
		detection.Said{En: "See that the data folder's disk has space and inodes and can be written. It is tried again by itself.", Ja: "データディレクトリーのディスクに容量と i ノードの空きがあり、書き込めることを確認してください。自動的に再試行します。"},
	},
	Seal: {
		detection.High, moment,
		detection.Said{En: "Events of part {subject} of the log are not sealed ({detail}). They are safe in the log, and sensors keep them, too.", Ja: "ログの区画 {subject} のイベントがシールされていません({detail})。イベントはログに残り、センサーも保持しています。"},
		detection.Said{En: "See that the data folder's disk has space and inodes and can be written. It is tried again by itself.", Ja: "データディレクトリーのディスクに容量と i ノードの空きがあり、書き込めることを確認してください。自動的に再試行します。"},
	},
	Purge: {
		detection.Medium, moment,
		detection.Said{En: "Part {subject} of the log does not free what is sealed ({detail}): it grows.", Ja: "ログの区画 {subject} で、シール済みの部分を解放できません({detail})。ログが増え続けます。"},
		detection.Said{En: "See that the data folder's disk has inodes and can be written; if it can, restart the server.", Ja: "データディレクトリーのディスクに i ノードの空きがあり、書き込めることを確認してください。問題がなければサーバーを再起動してください。"},
	},
	Merge: {
		detection.Medium, moment,
		detection.Said{En: "Segments are not merged ({detail}): searches become slower.", Ja: "セグメントを統合できません({detail})。検索が遅くなっていきます。"},
		detection.Said{En: "See that the disk has space; if one file is named here, see in `yagura doctor` whether it is damaged.", Ja: "ディスクの空きを確認してください。ここにファイル名がある場合は、破損していないか `yagura doctor` で確認してください。"},
	},
	Retention: {
		detection.Medium, moment,
		detection.Said{En: "Old events are not removed ({detail}): the disk fills.", Ja: "古いイベントを削除できません({detail})。ディスクが埋まっていきます。"},
		detection.Said{En: "See that the data folder can be written and control.db is whole.", Ja: "データディレクトリーに書き込めること、control.db が破損していないことを確認してください。"},
	},
	ControlDatabase: {
		detection.Critical, moment,
		detection.Said{En: "The control database cannot be read or written ({detail}): detections, coverage and positions are not kept.", Ja: "管理データベースの読み書きができません({detail})。検知、カバレッジ、位置が保存されません。"},
		detection.Said{En: "See that the data folder's disk has space and can be written; if it has, stop the server and keep a copy of control.db before anything else.", Ja: "データディレクトリーのディスクに空きがあり、書き込めることを確認してください。問題がなければサーバーを止め、まず control.db の複製を取ってください。"},
	},
	SensorDoor: {
		detection.Medium, 0,
		detection.Said{En: "The sensors' listener is full: {detail}. Enrolled hosts are still let in.", Ja: "センサー用の受け口が混み合っています({detail})。登録済みのホストは引き続き接続できます。"},
		detection.Said{En: "See who connects to the sensors' port without being a sensor (`ss -tn`), and keep that address away with the firewall. If `ulimit -n` is below 20,640, raise it.", Ja: "センサー以外からポートに接続しているアドレスを `ss -tn` で調べ、ファイアウォールで遮断してください。`ulimit -n` が 20,640 未満であれば増やしてください。"},
	},
	ConsoleDoor: {
		detection.Medium, 0,
		detection.Said{En: "The console's listener is full: {detail}. Who is signed in stays so.", Ja: "コンソールの受け口が混み合っています({detail})。サインイン中の利用者には影響しません。"},
		detection.Said{En: "A program on this machine, or on one that tunnels to it, opens connections without signing in: find it with `ss -tnp` and end it.", Ja: "このマシン、またはトンネル経由のマシンで、サインインせずに接続を開き続けるプログラムがあります。`ss -tnp` で探して終了させてください。"},
	},
	Enrolments: {
		detection.Medium, 0,
		detection.Said{En: "Attempts to enrol hosts are refused ({detail}).", Ja: "ホストの登録が拒否されています({detail})。"},
		detection.Said{En: "If you are enrolling hosts, make a new token with `yagura enroll token`. Otherwise somebody guesses: keep that address away from the sensors' port.", Ja: "登録作業中であれば `yagura enroll token` で新しいトークンを作ってください。心当たりがなければ推測による攻撃です。そのアドレスからセンサー用ポートへの接続を遮断してください。"},
	},
	Quarantine: {
		detection.Medium, 0,
		detection.Said{En: "Events that the store could not write lie in quarantine ({detail}). They are kept, but not searchable.", Ja: "イベントストアが書き込めなかったイベントが検査保留にあります({detail})。保存されていますが、検索できません。"},
		detection.Said{En: "`yagura quarantine list` says whose they are and why; `yagura quarantine retry` takes them in again.", Ja: "`yagura quarantine list` で対象と理由を確認できます。`yagura quarantine retry` で取り込み直せます。"},
	},
	Segments: {
		detection.Critical, 0,
		detection.Said{En: "Stored events cannot be read ({detail}). Answers leave them out and say so; nothing was deleted.", Ja: "保存済みイベントの一部を読み取れません({detail})。回答ではその分を除き、その旨を表示します。削除されたものはありません。"},
		detection.Said{En: "Look for errors of the disk (`dmesg`, `smartctl -a`). Put these files of `segments/` back from a backup: they are read again within a minute. `yagura store` lists them; `yagura doctor --deep` compares every file with its sum.", Ja: "ディスクの異常(`dmesg`、`smartctl -a`)を確認してください。`segments/` の該当ファイルをバックアップから戻すと、1 分以内に再び読み取られます。`yagura store` で一覧を、`yagura doctor --deep` で全ファイルの照合結果を確認できます。"},
	},
	HotFile: {
		detection.Medium, 0,
		detection.Said{En: "The newest events cannot all be searched ({detail}). They are safe in the log.", Ja: "最新のイベントの一部を検索できません({detail})。イベントはログに残っています。"},
		detection.Said{En: "They come back when they are sealed, mostly within a minute. If this comes again, look for errors of the disk (`dmesg`).", Ja: "通常は 1 分以内にシールされ、検索できるようになります。繰り返す場合はディスクの異常(`dmesg`)を確認してください。"},
	},
	Orphans: {
		detection.High, 0,
		detection.Said{En: "Files of the store are not named by the control database and were set aside, not deleted ({detail}).", Ja: "管理データベースにないストアのファイルがあり、削除せずに退避しました({detail})。"},
		detection.Said{En: "An older control.db that was put back does this: put back the newest one you have, with the server stopped, and move what is in `segments/.orphans` back to `segments`; the next start looks at each file. What you do not need may be removed by hand. `yagura store` lists them.", Ja: "古い control.db に戻すとこうなります。サーバーを止め、手元の最新の control.db に戻し、`segments/.orphans` の中身を `segments` に移してください。次の起動時に一つずつ確認します。不要なものは手作業で削除して構いません。`yagura store` で一覧を確認できます。"},
	},
	RetentionWaits: {
		detection.High, 0,
		detection.Said{En: "Nothing is removed by retention now: more is due than goes by at once ({detail}).", Ja: "保存期間による削除を保留しています。一度に削除される量を超えています({detail})。"},
		detection.Said{En: "If the server's clock is right and retention_days is what you mean, `yagura store expire` shows what would go and removes it with --yes. If not, correct it: nothing is lost. Meanwhile the disk fills.", Ja: "サーバーの時計と retention_days が正しければ、`yagura store expire` で対象を確認し、--yes を付けて削除してください。正しくなければ修正してください(失われたものはありません)。その間、ディスクの使用量は増え続けます。"},
	},
	LogLost: {
		detection.High, 0,
		detection.Said{En: "The event log lost accepted events that were not sealed yet: {detail}. Sensors that still hold them send them again by themselves; of hosts that are gone they are lost.", Ja: "イベントログから、受け付け済みでシール前のイベントが失われました({detail})。まだ保持しているセンサーは自動的に送り直します。接続のなくなったホストの分は失われています。"},
		detection.Said{En: "Look for errors of the disk (`dmesg`, `smartctl -a`), and whether somebody touched `log/` in the data folder. This is told until the next start of the server.", Ja: "ディスクの異常(`dmesg`、`smartctl -a`)と、データディレクトリーの `log/` に手が加えられていないかを確認してください。この表示はサーバーの次の起動まで続きます。"},
	},
	AuthorityKey: {
		detection.Critical, 0,
		detection.Said{En: "The authority key is gone, and nothing says that it was moved away ({detail}): without it the operator list cannot be renewed, and when the list ends no host takes an order. Watching goes on.", Ja: "権限鍵がありません。移した記録もありません({detail})。この鍵がないと運用者の一覧を更新できず、一覧の期限が切れるとどのホストも指示を受け付けなくなります。監視は続いています。"},
		detection.Said{En: "Put authority.key back from a copy. If it lies elsewhere: `mkdir -p -m 700` the folder named here, then `yagura authority renew --key FILE`. Without a copy enrol the hosts with a new installation before the list ends (`yagura authority show`).", Ja: "authority.key を写しから戻してください。別の場所にあるときは、ここに示すフォルダーを `mkdir -p -m 700` で作り、`yagura authority renew --key FILE` を実行してください。写しがないときは、一覧の期限(`yagura authority show`)までに新しいサーバーを構築し、ホストを登録し直してください。"},
	},
	OperatorKey: {
		detection.High, 0,
		detection.Said{En: "The operator key is gone, and nothing says that it was moved away ({detail}): orders are signed only with --operator-key FILE, and somebody else may have the key. Watching goes on.", Ja: "運用者鍵がありません。移した記録もありません({detail})。指示には --operator-key FILE が必要です。ほかの人が鍵を持っているおそれもあります。監視は続いています。"},
		detection.Said{En: "Put operator.key back from a copy. Without one, or when somebody took it: `yagura authority show` names the key, and `yagura authority remove KEY --new FILE` takes it off the list and makes another.", Ja: "operator.key を写しから戻してください。写しがないとき、または誰かが持ち出したときは、`yagura authority show` で鍵を確認し、`yagura authority remove KEY --new FILE` で一覧から外して新しい鍵を作ってください。"},
	},
	AccessKey: {
		detection.Critical, 0,
		detection.Said{En: "Users cannot sign in, because the key of their one-time codes is gone or another one ({detail}). Watching goes on.", Ja: "ワンタイムコードを保護する鍵がないか、別の鍵になっているため、利用者がサインインできません({detail})。監視は続いています。"},
		detection.Said{En: "Stop the server, put access.key back from a backup and start again. Without one `yagura sign-in` makes a link that sets a new password and code.", Ja: "サーバーを止め、access.key をバックアップから戻して起動し直してください。バックアップがないときは、`yagura sign-in` のリンクで新しいパスワードとコードを設定してください。"},
	},
	ClockJumped: {
		detection.High, 0,
		detection.Said{En: "The clock of the server's host jumped ({detail}). Nothing is deleted or forgotten by it until that is settled; new events are stamped by the wrong clock meanwhile.", Ja: "サーバーのホストの時計が飛びました({detail})。解決するまで、その時計に基づく削除は行いません。その間の新しいイベントには、その時計の時刻が付きます。"},
		detection.Said{En: "Set the clock right (`timedatectl`): this ends by itself. If the clock is right, because the machine was off or its clock was wrong before, `yagura store expire` shows it and believes it with --yes.", Ja: "時計を合わせてください(`timedatectl`)。自動的に解消します。長く停止していた場合や以前の時計が誤っていた場合など、現在の時計が正しければ、`yagura store expire` で確認し、--yes を付けて確定してください。"},
	},
}

// Causes gives all causes, for those who check that each has its words.
func Causes() []Cause {
	out := make([]Cause, 0, len(causes))
	for c := range causes {
		out = append(out, c)
	}
	return out
}

// maxDetail bounds an error's text in a sentence.
const maxDetail = 300

// What says in both languages what does not work, or did not and for how long.
func (f Fault) What() detection.Said {
	say := func(text, detail, none string) string {
		d := strings.Join(strings.Fields(detail), " ")
		if r := []rune(d); len(r) > maxDetail {
			d = string(r[:maxDetail]) + "…"
		}
		if d == "" {
			d = none
		}
		return strings.NewReplacer("{subject}", f.Subject, "{detail}", d).Replace(text)
	}
	out := detection.Said{En: say(causes[f.Cause].what.En, f.Detail, "no reason known"), Ja: say(causes[f.Cause].what.Ja, cmp.Or(f.Ja, f.Detail), "理由は不明")}
	if !f.Healed.IsZero() {
		out.En = fmt.Sprintf("Over since %s (it began %s, %d times): %s", event.Clock(f.Healed.UnixMicro()), event.Clock(f.Since.UnixMicro()), f.Count, out.En)
		out.Ja = fmt.Sprintf("%s に解消しました(%s から %d 回): %s", event.Clock(f.Healed.UnixMicro()), event.Clock(f.Since.UnixMicro()), f.Count, out.Ja)
	}
	return out
}

// Fix says what to do.
func (f Fault) Fix() detection.Said { return causes[f.Cause].fix }
