package main

import (
	"github.com/yagura-edr/yagura/internal/config"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// jaElsewhere is what other packages say and this program hands on: words of the API, and the errors that a
// user of the command line can bring about. It is read only.
var jaElsewhere = terminal.Sentences{
	// states, classes, severities
	"critical": "緊急 Critical", "high": "高 High", "medium": "中 Medium", "low": "低 Low", "informational": "情報 Informational",
	"new": "新規", "triaging": "トリアージ中", "closed": "完了",
	"reporting": "報告中", "degraded": "機能低下", "silent": "報告途絶", "never": "報告なし", "revoked": "失効",
	"full": "完全", "blind": "監視不可", "unprotected": "保護なし", "missed": "欠落",
	"queued": "送信待ち", "delivered": "送信済み", "running": "実行中", "done": "完了", "failed": "失敗", "refused": "拒否", "expired": "期限切れ",
	"kill": "終了", "suspend": "一時停止", "resume": "再開", "isolate": "ネットワーク隔離", "release": "ネットワーク隔離の解除",
	"process": "プロセス", "file": "ファイル", "network": "ネットワーク", "dns": "DNS", "memory": "メモリー", "sensor": "センサー",
	"data": "データ", "kernel": "カーネル", "server": "サーバー", "hosts": "ホスト", "rules": "ルール", "latency": "検知の遅れ",
	"enrolled but never reported": "登録後に報告なし", "stale": "報告途絶", "online but no telemetry": "イベントなし", "event class missing": "種別の欠落",
	"sensor degraded": "センサーの低下", "drops": "欠損", "clock skew": "時計のずれ", "tamper signal": "改ざんの兆候", "response channel dead": "対応の経路なし", "server-side": "サーバー側",
	"confidence high": "確度 高", "confidence medium": "確度 中", "confidence low": "確度 低",
	"when": "いつ", "where": "どこで", "what": "何が", "why": "なぜ", "who": "誰が(攻撃者)", "accounts": "関与したアカウント", "how": "手口",

	"another process": "別のプロセス", config.FlagGroup: "設定(server.yaml のキー):",

	"ok": "正常", "warn": "注意", "fail": "異常", "notify %s": "通知 %s",

	// the console API
	"read incident %s: %w": "インシデント %s の読み取り: %s",
	"no such incident":     "そのインシデントはありません", "not found": "ありません", "not valid": "正しくありません", "not available now": "いまは使えません",
	"state %q is none of new, triaging, closed":            "状態 %q は new、triaging、closed のいずれでもありません",
	"verdict %q is none of %s: say what it was":            "判定 %q は次のいずれでもありません: %s",
	"closing an incident needs a reason: say how you know": "インシデントを完了にするには理由が必要です。判断の根拠を書いてください",
	"only a closed incident has a verdict":                 "判定を付けられるのは完了にするときだけです",
	"a note needs a text":                                  "メモの本文がありません",
	"%s has %d characters, at most %d are kept":            "%s が %d 文字あります。%d 文字までです",
	"the reason":          "理由",
	"the note":            "メモ",
	"set state of %s: %w": "%s の状態の変更: %s",
	"reopened: a detection was added after it was closed": "再開: 完了にした後で検知が追加されました",
	"no session: sign in":                           "セッションがありません。サインインしてください",
	"the answer took too long: narrow the question": "時間内に答えが出ませんでした。条件を絞ってください",
	"the call was ended":                            "呼び出しが中断されました",
	"the server could not do this; its log has the reason under error_id %s":                                                          "サーバーで処理できませんでした。理由はサーバーのログの error_id %s にあります",
	"this server runs without the part that answers this":                                                                             "このサーバーでは、これに答える部分が動いていません",
	"too many open pages and tails: close some":                                                                                       "開いている画面や追跡が多すぎます。いくつか閉じてください",
	"a token may be used 1 to %d times within %s: %w":                                                                                 "トークンは %[2]s 以内に 1 から %[1]d 回まで使えます: %[3]s",
	"%d event ids are more than %d: ask in parts":                                                                                     "イベント ID が %d 個あります。%d 個までに分けてください",
	"kind %.40q is none of the registry: docs/events.md lists them":                                                                   "%q というイベントの種類はありません。一覧は docs/events.md にあります",
	"only the machine of the server makes sign-in links: run `yagura sign-in` there: %w":                                              "サインイン用リンクはサーバーのマシンだけで作れます。そこで `yagura sign-in` を実行してください: %s",
	"this sign-in link is used, expired or unknown: `yagura sign-in` makes a new one":                                                 "このサインイン用リンクは使用済み、期限切れ、または無効です。`yagura sign-in` で作り直してください",
	"console address %s: %w: give ADDRESS:PORT, such as 127.0.0.1:8443":                                                               "コンソールのアドレス %s: %s。127.0.0.1:8443 のように アドレス:ポート で指定してください",
	"console address %s is not on the loopback: without a certificate the console answers on 127.0.0.1 only; reach it through ssh -L": "コンソールのアドレス %s はループバックではありません。コンソールは 127.0.0.1 だけで応答します。離れた場所からは ssh -L で接続してください",
	"listen on %s: %w: another program has the port, choose one with --listen":                                                        "%s で待ち受けられません: %s。ほかのプログラムが使っています。--listen で別のポートを指定してください",
	"listen on [%s]:%d: %w: another program has the port, choose one with --listen":                                                   "[%s]:%d で待ち受けられません: %s。ほかのプログラムが使っています。--listen で別のポートを指定してください",
	"others may enter the directory (mode %o): run chmod 700 on it":                                                                   "ディレクトリーに他のユーザーが入れます(モード %s)。chmod 700 を実行してください",

	// hosts, tokens, commands
	"no such host in this tenant":                                            "このテナントにそのホストはありません",
	"%w (%s): see `yagura hosts`":                                            "%s(%s)。`yagura hosts` を確かめてください",
	"this command was submitted before: sign a new one":                      "この指示は提出済みです。新しく署名してください",
	"too many commands are waiting: wait until some are answered or expired": "待機中の指示が多すぎます。応答か期限切れを待ってください",

	"the host was revoked: retire the sensor or enrol the host again with a new token":                          "このホストは失効しています。センサーを廃止するか、新しいトークンで登録し直してください",
	"no connection of the host took it before it expired":                                                       "期限までにホストのどの接続も受け取りませんでした",
	"it was sent and the sensor never said how it ended; it is not run again":                                   "送信されましたが、センサーから結果の報告がありません。再実行はしません",
	"the sensor went down after it took this command; whether it acted is not known, and it does not act again": "センサーはこの指示を受け取った後に停止しました。実行したかどうかは不明で、再実行はしません",
	"pid %d is %s (%d reached) after %.1f ms":                                                                   "pid %s は %s(対象 %s 件)、%s ms 後",
	"isolated by %s until %s, proven after %.0f ms":                                                             "%s により %s までネットワーク隔離、%s ms 後に確認",
	"released, proven after %.0f ms":                                                                            "ネットワーク隔離を解除、%s ms 後に確認",
	"this host's configuration forbids %s (class %s): see forbid in %s":                                         "このホストの設定が %s(クラス %s)を禁じています。%s の forbid を確かめてください",
	"nothing was killed: %w":                                                                                    "何も終了させていません: %s",
	"the process is gone":                                                                                       "プロセスはもうありません",
	"the process is protected":                                                                                  "保護されたプロセスです",
	"process %s: %w":                                                                                            "プロセス %s: %s",
	"pid %d is init, the kernel or the sensor itself: %w":                                                       "pid %s は init、カーネル、またはセンサー自身です: %s",
	"no address of the server is known: the host would be lost, so it is not isolated":                          "サーバーのアドレスが分からないため、ネットワーク隔離しません(ホストに戻れなくなります)",
	"open authority: %w":                                                                                        "権限鍵を開けません: %s",
	"key %s can be read by others (mode %o): chmod 600 it: %w":                                                  "鍵 %s が他のユーザーから読めます(モード %s)。chmod 600 を実行してください: %s",

	// events, rules, the store
	"process %q is not HOST/p-…":                                         "%q は HOST/p-… の形ではありません",
	"incident id %q is not i-UUID: `yagura incidents` lists them":        "インシデント ID %q が i-UUID の形ではありません:`yagura incidents` で一覧を確認してください",
	"host id %q does not start with h-":                                  "ホスト ID %q が h- で始まっていません",
	"open event log %s: %w":                                              "イベントログ %s を開けません: %s",
	"open event store %s: %w":                                            "イベントストア %s を開けません: %s",
	"open control database %s: %w":                                       "管理データベース %s を開けません: %s",
	"the query is too wide":                                              "条件が広すぎます",
	"the tree is deeper or wider: ask for more with --depth and --limit": "ツリーはさらに続きます。--depth と --limit で広げてください",
	"not yaml": "YAML ではない", "too big": "大きすぎる", "bad document": "文書の誤り", "bad condition": "condition の誤り", "bad modifier": "知らない修飾子", "bad value": "値の誤り",
	"bad regex": "正規表現の誤り", "needs pipeline": "パイプラインが必要", "obsolete": "廃止された書き方", "correlation": "相関ルール(未対応)", "duplicate id": "ID の重複", "no author": "作者の記載なし",
	"filter without rule": "対象ルールのないフィルター",
	"other taxonomy":      "別の語彙(taxonomy)", "filter hides what it does not name": "名指ししていないものまで隠すフィルター", "filter on every rule": "全ルールに掛かるフィルター",
	"filter on a health rule": "センサー自身を見張るルールへのフィルター", "filter silences a rule": "ルールを黙らせるフィルター",
	"no sensor for the product": "その製品のセンサーがない", "log source not collected": "収集していないログ", "field not there": "どのホストも出さないフィールド", "hash not computed": "計算していないハッシュ",
	"filter %q names %d rules that watch the sensor itself; no filter narrows those":                               "フィルター %q はセンサー自身を見張るルール %d 件を指していますが、これらはどのフィルターでも絞り込まれません",
	"filter %q on every rule hides all that it does not name and would switch off %d rules; it is not applied: %s": "全ルールに掛かるフィルター %q は名指ししていないものをすべて隠し、ルール %d 件を止めてしまうため、適用していません:%s",
	"filter %q keeps only what it names and hides every other match of %d rules: %s":                               "フィルター %q は名指ししたものだけを残し、ルール %[2]d 件のほかの一致をすべて隠します:%[3]s",
	"filter %q narrows all %d rules of its log source; name the rules it is for":                                   "フィルター %q はログソースの全ルール %d 件を絞り込みます。対象のルールを名指ししてください",
	"put not before the selection in its condition to leave out what it names":                                     "selection に当たるものを除くには、condition で selection の前に not を付けてください",
	"rule %q of %s fires on none of its %d samples any more":                                                       "ルール %q(%s)は、自身の見本 %d 件のどれにも反応しなくなりました",
	"the file holds no document": "ファイルに YAML 文書がありません",
	"this server does not know the enrolment token: it is of another server, or was made long ago; make a new one with `yagura enroll token`": "この登録トークンをサーバーが知りません。別のサーバーのものか、かなり前に作られたものです。`yagura enroll token` で作り直してください",
	"the enrolment token is expired: make a new one with `yagura enroll token`":                                                               "登録トークンの期限が切れています。`yagura enroll token` で作り直してください",
	"the enrolment token is used up: make a new one with `yagura enroll token`, for several hosts with --uses":                                "登録トークンは使用済みです。`yagura enroll token` で作り直してください(複数のホスト用なら --uses)",
}
