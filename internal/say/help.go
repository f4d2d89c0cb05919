package say

import (
	"github.com/yagura-edr/yagura/internal/terminal"
)

// Help is what help says: verbs, flags, arguments, notes in examples. It is read only.
var Help = terminal.Sentences{
	"Yagura watches hosts, judges what happens within a second, tells the attack as one story, and acts.": "Yagura はホストを見張り、起きたことを 1 秒以内に判定し、攻撃を一つのストーリーとして示し、対応します。",

	"Data directory of the server.":                                                    "サーバーのデータディレクトリー。",
	"Print JSON for programs; its keys never change with the language.":                "プログラム向けに JSON で出力する(言語によって変わらない)。",
	"Run the server, its console and a sensor on this host.":                           "サーバー、コンソール、このホストのセンサーを起動する。",
	"Run the server without a local sensor.":                                           "このホストのセンサーなしでサーバーを起動する。",
	"Say what is wrong with this installation and how to mend it.":                     "不具合の箇所と直し方を表示する。",
	"List hosts with what is seen of each.":                                            "ホストと、それぞれの監視範囲を一覧表示する。",
	"Enrolment tokens: make, list; revoke a host.":                                     "登録トークンの作成と一覧、ホストの失効。",
	"Follow or list events.":                                                           "イベントを順に表示、または一覧表示する。",
	"Show the process tree around a process.":                                          "プロセスの前後のツリーを表示する。",
	"List detections.":                                                                 "検知を一覧表示する。",
	"List incidents, or show one with its story.":                                      "インシデントを一覧表示、または一件を攻撃ストーリーとともに表示する。",
	"Act on a host: signed here with the operator key, done and proven by the sensor.": "ホストに対応する。運用者の鍵でここで署名し、センサーが実行して結果を証明する。",
	"List actions with their outcomes.":                                                "アクションと結果を一覧表示する。",
	"List, check and test detection rules.":                                            "検知ルールの一覧、点検、試験。",
	"Feed recorded events (NDJSON or batches) through the whole path.":                 "記録したイベント(NDJSON またはバッチ)を、全経路に流し直す。",
	"Make a one-time link that signs in before guessers, or resets what is lost.":      "一度だけ使えるリンクを作る。推測を試みる相手より先にサインインでき、なくしたパスワードやコードも再設定できる。",
	"Print or check the server's configuration.":                                       "サーバーの設定を表示、または点検する。",
	"Print the version.":                                                               "バージョンを表示する。",

	"server, console and a sensor here":          "サーバー、コンソール、このホストのセンサー",
	"what happened":                              "何が起きたか",
	"the newest one: five answers and its story": "最新の一件: 五つの答えと攻撃ストーリー",
	"cut a host off, for an hour":                "ホストを 1 時間ネットワーク隔離",

	"Written when events can be taken: url, sign_in, sensor_url, pid, sensor_pid.": "イベントを受け取れる状態になったら書くファイル: url、sign_in、sensor_url、pid、sensor_pid。",
	"Do not start a sensor on this host.":                                          "このホストのセンサーを起動しない。",
	"Configuration file of the local sensor (sensor.yaml).":                        "このホストのセンサーの設定ファイル(sensor.yaml)。",
	"Configuration file (server.yaml); flags win over it.":                         "設定ファイル(server.yaml)。フラグが優先する。",
	"Ctrl+C ends it, with the sensor's last events taken.":                         "Ctrl+C で終わります。センサーの手元にある最後のイベントまで受け取ってから終了します。",

	"Send a test message through every channel of notify.": "notify のすべての送信先にテスト通知を送る。",

	"Make an enrolment token and print the command to run on the host.": "登録トークンを作り、ホストで実行するコマンドを表示する。",
	"List tokens that can still be used.":                               "まだ使えるトークンを一覧表示する。",
	"Revoke a host's certificate at once.":                              "ホストの証明書を直ちに失効させる。",
	"How many hosts may use it.":                                        "使えるホストの台数。",
	"How long it may be used (at most 24h).":                            "使える期間(最長 24h)。",
	"Host, by id (h-…) or name.":                                        "ホストの ID(h-…)または名前。",
	"The host's sensor is refused from now on; enrolling it again with a new token makes a new host of it.": "以後、そのホストのセンサーからの接続を拒否します。新しいトークンで登録し直すと、新しいホストになります。",

	"Print events as they arrive.":                                                     "届いたイベントを順に表示する。",
	"Print stored events, by id, process or time.":                                     "保存済みのイベントを ID、プロセス、時刻で表示する。",
	"Only this host, by id (h-…) or name.":                                             "このホストだけ(ID h-… または名前)。",
	"Only these kinds, such as process.exec (docs/events.md).":                         "この種類だけ(例: process.exec。一覧は docs/events.md)。",
	"Stop after this many; 0 follows until interrupted.":                               "この件数で終わる。0 は中断するまで続ける。",
	"ten events as lines of JSON, then stop":                                           "10 件を 1 行ずつの JSON で表示して終わる",
	"Event ids.":                                                                       "イベントの ID。",
	"Events of this process (HOST/p-…).":                                               "このプロセスのイベント(HOST/p-…)。",
	"Events of this host, by id (h-…) or name.":                                        "このホストのイベント(ID h-… または名前)。",
	"From this time on: 15m ago is 15m; or 10:30, 2026-11-22 10:30, RFC 3339, µs UTC.": "この時刻から。15m は 15 分前。10:30、2026-11-22 10:30、RFC 3339、µs UTC でもよい。",
	"Before this time.":                                                                "この時刻より前。",
	"At most this many, newest first.":                                                 "最大の件数(新しい順)。",
	"of the newest detection":                                                          "最新の検知のもの",

	"Process (HOST/p-…), as detections and stories name it; last: that of the newest detection.": "プロセス(HOST/p-…)。検知や攻撃ストーリーに表示される。last は最新の検知のもの。",
	"How many generations below.":  "下にたどる世代数。",
	"At most this many processes.": "最大のプロセス数。",

	"Only this severity.": "この重大度だけ。",
	"Only those of one incident (i-…); last: the newest one.": "一つのインシデントのものだけ (i-…)。last は最新のもの。",
	"Canaries too: they prove that the sensors see.":          "カナリアも含める。センサーに見えていることの証明になる。",

	"List incidents (default).": "インシデントを一覧表示する(既定)。",
	"Show one incident: the five answers, its story, how it got in, what to do.": "インシデントを一件表示する。五つの答え、攻撃ストーリー、侵入経路、次にすること。",
	"Only this state; open is all but closed.":                                   "この状態だけ。open は closed 以外のすべて。",

	"End a process, named by its key: never a reused pid.":                  "プロセスを終了させる。キーで指定するため、使い回された PID を誤って終了させない。",
	"Stop a process without ending it.":                                     "プロセスを一時停止する。",
	"Let a suspended process go on.":                                        "一時停止したプロセスを再開する。",
	"Cut a host off the network, except from this server; ends by itself.":  "このサーバーとの通信だけを残して、ホストをネットワーク隔離する。期限が来ると自動で解除される。",
	"Say that a host's sensor may be stopped for a while without an alarm.": "ホストのセンサーをしばらく止めても警報を出さないと告げる。",
	"For so long from now (at most 24h).":                                   "今からの長さ(最長 24 時間)。",
	"A sensor that stops without such an order is told as an alarm. The host must be there to take the order; the newest one counts.": "この予告なしにセンサーが止まると警報になる。ホストが指示を受け取れるときに出すこと。最も新しい予告が有効。",
	"before the work": "作業の前に", "the work is done": "作業が終わったとき",
	"End an isolation.":    "ネットワーク隔離を解除する。",
	"Why, for the record.": "記録に残す理由。",

	"How long to wait for the outcome; 0 returns at once.": "結果を待つ時間。0 は待たない。",

	"All that it started too, also what outlived those in between.": "起動したものすべてを含める(途中の親が終了していても)。",
	"Ends by itself after this long (at most 7 days).":              "自動で解除されるまでの時間(最長 7 日)。",
	"Further addresses or networks that stay reachable.":            "ほかに通信を残すアドレスやネットワーク。",

	"with all that it started": "起動したものもすべて",

	"still reachable: 192.0.2.10": "192.0.2.10 との通信は残す",

	"List actions (default).":                "アクションを一覧表示する(既定)。",
	"Show one action with its proof.":        "アクションを一件、証明とともに表示する。",
	"Action id (a-…); last: the newest one.": "アクションの ID(a-…)。last は最新の一件。",
	"the newest one":                         "最新の一件",

	"List the rules of the running server, or with --local those that this program would load.":     "動いているサーバーのルールを一覧表示する。--local ではこのプログラムが読み込むもの。",
	"Say which rules load, which do not, and why; our own must also be complete in both languages.": "読み込めるルール、読み込めないルールとその理由を表示する。標準ルールは日英がそろっているかも確かめる。",
	"Run every rule over its samples.":               "すべてのルールをサンプルで試験する。",
	"Do not ask a server.":                           "サーバーに問い合わせない。",
	"Further folders of Sigma rules (with --local).": "追加の Sigma ルールのフォルダー(--local とともに)。",
	"Further folders of Sigma rules.":                "追加の Sigma ルールのフォルダー。",
	"what this program brings, without a server":     "サーバーなしで、このプログラムの標準ルール",
	"Exit code 1: a rule of ours is wrong; 3: rules of the folder were not loaded, or a filter hides more than it names.": "終了コード 1 は標準ルールに誤りがあること、3 はフォルダーに読み込めないルールがあること、またはフィルターが名指ししていないものまで隠すことを表します。",
	"Systems of the fleet, to count the rules that can fire there.":                                                       "ホストの OS。そこで検知しうるルールを数える。",
	"Folder of rules with their .test.yml; our own when left out.":                                                        "ルールと .test.yml のフォルダー。省くと標準ルール。",
	"a folder, while you write a rule":                                                                                    "書いている途中のルールのフォルダー",

	"Name of the host that the recording shall belong to.": "記録の持ち主とするホストの名前。",
	"record a minute":            "1 分間記録する",
	"as if it happened just now": "いま起きたことにする",

	"The link works once. It shows the sign-in form and puts who holds it before everybody who guesses: name, password and code stay as they are. Only when password or code are lost, and the button there is pressed, are new ones set; then the earlier ones and every open session are void. Making and using it are in the audit. Run it as the server's user on the server's machine.": "リンクは一度だけ使えます。開くとサインイン画面が出て、推測を試みる相手より先に処理されます。名前、パスワード、コードは変わりません。パスワードやコードをなくして画面のボタンを押したときだけ新しく決め、以前のものと、開いているすべてのセッションが無効になります。作成と使用は監査記録に残ります。サーバーのマシンで、サーバーのユーザーとして実行してください。",

	"Print every key with its value and where it comes from.": "すべてのキーの値と出どころを表示する。",
	"Say what would not work.":                                "動かない設定を指摘する。",
	"What the worker is for.":                                 "ワーカーの役割。",
	"A killed process does not come back; a suspended one does, with resume. Exit code 3: the host has not answered within --wait.": "終了したプロセスは元に戻せません。一時停止は再開で戻せます。終了コード 3 は、--wait の間にホストから応答がなかったことを表します。",
	"Incident it belongs to (i-…) or last.":                                "関係するインシデント(i-…)。last は最新の一件。",
	"List hosts (default).":                                                "ホストを一覧表示する(既定)。",
	"Show one host: who it is, what is seen of it, and why not more.":      "ホストを一件表示する。識別情報、監視範囲、見えていないものとその理由。",
	"Revoked hosts too.":                                                   "失効したホストも含める。",
	"revoked ones too":                                                     "失効したものも含む",
	"Of the worst detection of this incident (i-…); last: the newest one.": "このインシデント(i-…)で最も重大な検知のもの。last は最新の一件。",
	"where the newest incident is worst":                                   "最新のインシデントで最も重大な箇所",
	"Process (HOST/p-…), the host by id or name.":                          "プロセス(ホスト/p-…)。ホストは ID でも名前でもよい。",
	"as `yagura actions` names it":                                         "`yagura actions` に表示されるもの",
	"as `yagura detections` names it":                                      "`yagura detections` に表示されるもの",
	"for two minutes":                                                      "2 分間",
	"Take incidents: you work on them.":                                    "インシデントを担当する。",
	"Give incidents back.":                                                 "インシデントの担当をやめる。",
	"Write down what you found out.":                                       "分かったことをメモに残す。",
	"Close incidents: say what it was and how you know.":                   "インシデントを完了にする(判定と理由を付ける)。",
	"Open closed incidents again.":                                         "完了したインシデントを再開する。",
	"Incidents: id (i-…), a part of it that only one has, or last.":        "インシデント。ID(i-…)、ほかと重ならない ID の一部、または last。",
	"Incident: id (i-…), a part of it that only one has, or last.":         "インシデント。ID(i-…)、ほかと重ならない ID の一部、または last。",
	"Others see who works on it.":                                          "担当者がほかの人にも表示されます。",
	"It is new again, and nobody's.":                                       "状態は新規に戻り、担当者はなくなります。",
	"What it was, one of the words above.":                                 "判定。上の語のいずれか。",
	"How you know, for the record.":                                        "判断の根拠(記録に残る)。",
	"Its verdict is taken back and it is yours; the history keeps both.":   "判定を取り消し、あなたの担当になります。どちらも履歴に残ります。",
	"What you found out; - reads it from standard input.":                  "分かったこと。- は標準入力から読む。",

	"Closed again, an incident takes the later verdict. It opens by itself when a detection is added to it. What it can have been:%s": "完了したものをもう一度完了にすると、後の判定になります。検知が追加されると自動で再開します。判定は次のいずれかです。%s",

	"For the host of the server itself, whatever others can reach.": "ほかのホストから届くかどうかにかかわらず、サーバー自身のホスト用に作る。",

	"Write the token into this file (0600) instead of showing it.": "トークンを表示せず、このファイルに書く(0600)。",

	"Other hosts reach this server where sensor_listen and hostname of server.yaml say. Whoever has the token can enrol a host: it is not put on a command line, where every user of the machine could read it.": "ほかのホストは、server.yaml の sensor_listen と hostname が示す場所でこのサーバーに接続します。トークンを持つ人は誰でもホストを登録できます。コマンドラインには書きません。マシンのどのユーザーからも読めるためです。",
}
