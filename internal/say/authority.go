package say

import "github.com/yagura-edr/yagura/internal/terminal"

// Authority holds what is said of the keys that sign, and of folders that are not this user's alone. It is read only.
var Authority = terminal.Sentences{
	// help
	"Who may sign orders: show, move the keys to a safe place, renew.":                       "指示に署名できる人と鍵: 表示、安全な場所への移動、更新。",
	"Say who may sign what, until when, and where the keys are (default).":                   "誰が何にいつまで署名できるか、鍵がどこにあるかを表示する(既定)。",
	"Move the authority key off this server, or the operator key.":                           "権限鍵(または運用者鍵)をこのサーバーの外へ移す。",
	"Sign the operator list for another 30 days.":                                            "運用者の一覧に署名し直す(30 日間有効)。",
	"Folder or file on a disk that you take away, or that the server's machine cannot read.": "移動先のフォルダーまたはファイル。取り外せるディスクなど、サーバーのマシンから読めない場所がよい。",
	"Move the operator key instead: orders are then signed with --operator-key FILE.":        "代わりに運用者鍵を移す。以後の指示には --operator-key ファイル を付けて署名する。",
	"Authority key, where it was moved away.":                                                "移した権限鍵のファイル。",
	"Operator key, where it was moved away from the server.":                                 "サーバーの外へ移した運用者鍵のファイル。",
	"The authority key signs the list of operators, an operator key signs orders. Hosts take only orders that a key of the newest list signed. No secret is printed.":                                                                                                                                                                           "権限鍵は運用者の一覧に、運用者鍵は指示に署名します。ホストは、最新の一覧にある鍵が署名した指示だけを受け付けます。秘密の値は表示しません。",
	"Who has the authority key can make anybody an operator: it is needed once a month, to renew, and nowhere else. The key is copied, read back and tried before the old file is written over and removed; nothing is written over at the new place. Flash disks may keep old bytes: if this server was ever stolen, make a new installation.": "権限鍵を持つ人は誰でも運用者にできます。必要なのは月に一度の更新のときだけです。鍵を写し、読み戻して署名を試してから、元のファイルを上書きして消します。移動先にあるものは上書きしません。フラッシュ型のディスクには古い内容が残ることがあります。このサーバーが盗まれたことがあるなら、新しく構築し直してください。",
	"Every key that ended with the list goes on with it. Home, doctor and notices tell a week before the list ends.":                                                                                                                                                                                                                            "一覧と同時に期限が切れる鍵は、まとめて延長されます。期限の 1 週間前から、ホーム画面、doctor、通知でお知らせします。",
	"the authority key, to a disk that you take away": "権限鍵を、取り外すディスクへ",
	"the operator key, into a folder that is there":   "運用者鍵を、すでにあるフォルダーへ",
	"while the key is beside the server":              "鍵がサーバーと同じ場所にある間",
	"after it was moved away":                         "鍵を移した後",

	// show
	"tenant": "テナント", "authority": "権限", "authority key": "権限鍵", "operator key": "運用者鍵", "operator list": "運用者の一覧",
	"%s: beside the server. Move it before you enrol hosts that matter: `yagura authority move DIR`": "%s(サーバーと同じ場所)。重要なホストを登録する前に移してください: `yagura authority move DIR`",
	"not beside the server; moved to %s": "サーバーの外。移動先は %s",
	"not beside the server":              "サーバーの外",
	"not here: orders are signed with `yagura respond … --operator-key FILE`": "ここにはありません。指示は `yagura respond … --operator-key FILE` で署名します",
	"number %d, until %s": "第 %d 版、%s まで有効",
	"WHO MAY SIGN":        "署名できる人", "KEY": "鍵", "ROLE": "役割", "PERSON": "人", "MAY SIGN": "署名できる種類", "UNTIL": "期限",
	"role %s": "役割 %s", "role cli": "コマンドライン", "role console": "画面", "role automation": "自動化", "role relay": "サーバー",
	"C0 reads; C1 can be undone (kill, suspend, isolate); C2 collects; C3 and C4 (scripts, more than %d hosts at once) need two persons.": "C0 は読み取り、C1 は対処(終了、一時停止、ネットワーク隔離)、C2 は収集。C3 と C4(スクリプト、一度に %d 台を超えるホスト)には 2 人の署名が必要です。",
	"ask the server for the authority":    "サーバーへの権限の問い合わせ",
	"read the server's operator list: %w": "サーバーにある運用者の一覧の読み取り: %s",
	"read %s: %w":                         "%s の読み取り: %s",
	"the operator list ended at %s: renew it with `yagura authority renew`": "運用者の一覧は %s に期限が切れました。`yagura authority renew` で更新してください",

	// move
	"move the authority key: %w": "権限鍵の移動: %s",
	"there is no folder %s: make it, or mount the disk; a file is meant when its name ends in .key": "フォルダー %s がありません。フォルダーを作るか、ディスクをマウントしてください。ファイルを指定するときは名前の末尾を .key にします",
	"move the operator key: %w": "運用者鍵の移動: %s",
	"%s lies in the data folder of the server: name a place outside of it, best on a disk that you take away":                                                                      "%s はサーバーのデータディレクトリーの中です。その外の場所、できれば取り外すディスクを指定してください",
	"the authority key is not here any more: it was moved to %s":                                                                                                                   "権限鍵はもうここにはありません。移動先は %s です",
	"%s is not there: it was moved before, or this is not the server's data folder":                                                                                                "%s がありません。すでに移したか、サーバーのデータディレクトリーではありません",
	"Moved to %s, read back and tried; the old file is written over and removed.":                                                                                                  "%s へ移し、読み戻して署名を試しました。元のファイルは上書きして消しました。",
	"The operator list and the authority's public key are beside it. Orders from now on, HOST replaced:":                                                                           "運用者の一覧と権限の公開鍵もそこへ置きました。以後の指示は次のようにします(HOST は置き換え):",
	"From another machine: take the folder of the key there, and let ssh bring the server's socket (docs/authority.md).":                                                           "ほかのマシンから指示を出すには、鍵のフォルダーをそのマシンへ移し、サーバーのソケットを ssh で届けます(docs/ja/authority.md)。",
	"It is still on a disk of this machine: who takes the machine has it. Carry it away, and remove it here.":                                                                      "まだこのマシンのディスク上にあります。マシンを奪った人の手に渡ります。別の場所へ持ち出し、ここからは消してください。",
	"Keep a second copy in another place: a lost authority key cannot be made again. Orders go on as before. Once within 30 days bring it back for a moment, wherever it then is:": "別の場所にもう一つ写しを保管してください。失った権限鍵は作り直せません。指示はこれまでどおり使えます。30 日以内に一度だけ鍵を持ってきて、そのときの場所を指定して実行します:",

	"look at %s: %w": "%s の確認: %s",

	"it is there already, and nothing is written over it": "すでにあります。上書きはしません",
	"it is not here: %w":                                    "ここにありません: %s",
	"put the operator list beside it: %w":                   "運用者の一覧を隣に置けません: %s",
	"%s is of another authority: choose another folder: %w": "%s は別の権限のものです。別のフォルダーを選んでください: %s",
	"key %s can be read by others (mode %o): chmod 600 it, or choose a disk that keeps modes: %w": "鍵 %s はほかのユーザーからも読めます(モード %s)。chmod 600 するか、モードを保つディスクを選んでください: %s",
	"key %s is not what was written: the disk does not keep what it takes":                        "鍵 %s は書いた内容と違います。ディスクが内容を保っていません",

	// remove
	"Take an operator key off the list before the list ends.":                           "運用者鍵を、一覧の期限より前に一覧から外す。",
	"Id of the operator key, as \"yagura authority show\" prints it under KEY.":         "運用者鍵の ID(`yagura authority show` の「鍵」の列)。",
	"Make a new operator key in its place: a folder that is there, or a file NAME.key.": "代わりの運用者鍵を作る場所。すでにあるフォルダーか、NAME.key の形のファイル。",
	"For an operator key that was stolen or lost, or whose holder has left. The authority key signs the list anew without it, for another 30 days. The server refuses its orders at once, each host as soon as it has met the new list; none takes an older list again. What it ordered before stays in force.": "運用者鍵を盗まれたとき、失ったとき、持ち主が離れたときに使います。権限鍵で、その鍵を除いた一覧に署名し直します(30 日間有効)。サーバーはその鍵の指示を直ちに拒否し、各ホストは新しい一覧が届いた時点から拒否します。古い一覧は二度と受け付けません。それまでの指示の結果はそのままです。",
	"which keys there are": "どの鍵があるか", "the only key: a new one takes its place": "唯一の鍵なら、代わりの鍵を作る",
	"take the key off the operator list":     "運用者の一覧から鍵を外す",
	"take the key off the operator list: %w": "運用者の一覧から鍵を外す: %s",
	"%s: key %.64q: %w":                      "%s: 鍵 %s: %s",
	"key %.64q":                              "鍵 %s",
	"it is not on the operator list: `yagura authority show` prints the keys that are":                                                        "運用者の一覧にありません。一覧にある鍵は `yagura authority show` で確認できます",
	"it is the last key that signs orders, and nobody could order a host without it: --new FILE makes another in its place":                   "指示に署名できる最後の鍵です。外すと誰もホストに指示できなくなります。--new FILE を付けると代わりの鍵を作ります",
	"Key %s is off the list. The server refuses its orders from now on, hosts that are connected within seconds, others when they come back.": "鍵 %s を一覧から外しました。サーバーは以後その鍵の指示を拒否します。接続中のホストは数秒以内に、その他のホストは次の接続時から拒否します。",
	"Its file beside the server was removed.": "サーバーと同じ場所にあったその鍵のファイルは消しました。",
	"The new operator key is %s.":             "新しい運用者鍵は %s です。",

	// renew and sign
	"renew the operator list":     "運用者の一覧の更新",
	"renew the operator list: %w": "運用者の一覧の更新: %s",
	"the authority key was moved to %s: bring it and give its file with --key":                              "権限鍵は %s へ移されています。持ってきて、ファイルを --key で指定してください",
	"the authority key is not beside the server: give its file with --key":                                  "権限鍵はサーバーと同じ場所にありません。ファイルを --key で指定してください",
	"Operator list %d is signed and with the server: it holds until %s.":                                    "運用者の一覧(第 %d 版)に署名し、サーバーへ渡しました。%s まで有効です。",
	"Take the authority key away again.":                                                                    "権限鍵をもう一度持ち去ってください。",
	"The operator list ends at %s: bring the authority key for `yagura authority renew --key FILE` before.": "運用者の一覧は %s に期限が切れます。それまでに権限鍵を持ってきて `yagura authority renew --key FILE` を実行してください。",
	"the operator key is not in %s: give its file with --operator-key":                                      "運用者鍵は %s にありません。ファイルを --operator-key で指定してください",
	"hand over the operator list":                                                                           "運用者の一覧の受け渡し",
	"open the operator key: %w":                                                                             "運用者鍵を開けません: %s",
	"open the operator list: %w":                                                                            "運用者の一覧を開けません: %s",
	"open the operator key %s: %w":                                                                          "運用者鍵 %s を開けません: %s",
	"the server names another authority than the one that is pinned beside the operator key":                "サーバーの示す権限が、運用者鍵の隣に記録された権限と違います",
	"open the operator list: there is none beside %s, and the server has none":                              "運用者の一覧が %s の隣にも、サーバーにもありません",
	"key %q is not in operator list %d":                                                                     "鍵 %s は運用者の一覧(第 %s 版)にありません",

	"no operator list is known yet, so nobody may command: set one with `yagura authority renew`":                  "運用者の一覧がまだないため、誰も指示を出せません。`yagura authority renew` で作ってください",
	"the operator list has generation %d, %d is already known: sign a newer one with `yagura authority renew`: %w": "運用者の一覧は第 %s 版ですが、すでに第 %s 版があります。`yagura authority renew` で新しい版に署名してください: %s",

	// Home and doctor
	"there is no operator list: no host takes an order":                                                                              "運用者の一覧がありません。どのホストも指示を受け付けません",
	"the operator list ended at %s: no host takes an order":                                                                          "運用者の一覧は %s に期限が切れました。どのホストも指示を受け付けません",
	"the operator list ends at %s: from then on no host takes an order":                                                              "運用者の一覧は %s に期限が切れます。以後、どのホストも指示を受け付けません",
	"run `yagura authority renew`, with --key FILE where the authority key was moved away: `yagura authority show` says where to":    "`yagura authority renew` を実行してください。権限鍵を移した場合は --key ファイル を付けます(移動先は `yagura authority show`)",
	"the authority key does not lie beside the server":                                                                               "権限鍵はサーバーと同じ場所にはありません",
	"the authority key lies beside the server, and no other host is enrolled: %s":                                                    "権限鍵はサーバーと同じ場所にあります。ほかのホストは登録されていません: %s",
	"before you enrol hosts that matter: `yagura authority move DIR`":                                                                "重要なホストを登録する前に `yagura authority move DIR` を実行してください",
	"%d other host obeys this server, and the authority key lies beside it (%s): who steals the server can make anybody an operator": "ほかのホスト %d 台がこのサーバーに従っており、権限鍵がサーバーと同じ場所(%s)にあります。サーバーを盗んだ人は、誰でも運用者にできます",
	"%d other hosts obey this server, and the authority key lies beside it (%s): who steals the server can make anybody an operator": "ほかのホスト %d 台がこのサーバーに従っており、権限鍵がサーバーと同じ場所(%s)にあります。サーバーを盗んだ人は、誰でも運用者にできます",
	"move it to a disk that you take away: `yagura authority move DIR`":                                                              "取り外すディスクへ移してください: `yagura authority move DIR`",
	"move the data into a folder of the server's own user, below folders that nobody else can write in":                              "サーバーを動かすユーザー自身のフォルダーで、上位のどこにもほかのユーザーが書き込めない場所へデータを移してください",

	// start
	"The key that makes operators lies here, beside the server: before you enrol hosts that matter, `yagura authority move DIR` puts it on a disk that you take away.": "運用者を作れる鍵(権限鍵)が、サーバーと同じこの場所にあります。重要なホストを登録する前に `yagura authority move DIR` で、取り外すディスクへ移してください。",
	"`yagura sign-in` makes a link, at a terminal of the server's user":                                                                                                "サーバーのユーザーのターミナルで `yagura sign-in` を実行するとリンクができます",

	// a file given by --key that is none
	"read key: %w": "鍵を読めません: %s", "write key: %w": "鍵を書けません: %s", "write key %s: %w": "鍵 %s を書けません: %s",
	"key %s is not PEM":     "%s は鍵のファイル(PEM)ではありません",
	"open authority %s: %w": "権限鍵 %s を開けません: %s",
	"the operator list is not signed by this tenant's authority": "運用者の一覧は、このテナントの権限鍵で署名されたものではありません",

	// folders of others
	"data directory %s is refused: %w": "データディレクトリー %s は使えません: %s",
}
