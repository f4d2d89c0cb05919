package say

import "github.com/yagura-edr/yagura/internal/terminal"

// Doctor is what doctor says of the machine under the server, and what is said of the quarantine. It is read only.
var Doctor = terminal.Sentences{
	"disk": "ディスク", "inodes": "i ノード", "seals": "シール", "workers": "ワーカー",

	"%s of %s free; below %s nothing is taken from sensors":                                                         "空き %s / %s。%s を下回るとセンサーからの受け付けを止めます",
	"free space on the disk of the data folder, or make it larger; do not delete files of the data folder":          "データディレクトリーのディスクの空きを増やすか、拡張してください。データディレクトリー内のファイルは削除しないでください",
	"%d of %d inodes free; below %d nothing is taken from sensors":                                                  "i ノードの空き %d / %d。%d を下回るとセンサーからの受け付けを止めます",
	"remove small files of others from this file system (`df -i`, `du --inodes`), or make it larger":                "`df -i` と `du --inodes` で調べて、このファイルシステムから不要な小さいファイルを減らすか、拡張してください",
	"parts of the log wait for their seal (part: records, since): %s":                                               "ログの区画がシールを待っています(区画: レコード数、開始時刻): %s",
	"see the other lines for the reason; events are safe in the log until then":                                     "理由はほかの項目を確認してください。それまでイベントはログに残っています",
	"nothing was sealed since the start; %d records wait, which is usual within a minute":                           "起動後のシールはまだありません。シール待ちは %d レコードです(1 分以内なら正常です)",
	"%d of %d parts of the log were sealed since the start, the last at %s, the longest ago at %s; %d records wait": "起動後にログの %[2]d 区画中 %[1]d 区画をシールしました。最新は %[3]s、最も古いものは %[4]s、シール待ちは %[5]d レコードです",
	"these workers do not answer now: %s":                                                                           "次のワーカーが応答していません: %s",
	"see the other lines for the reason; they are tried again every few seconds":                                    "理由はほかの項目を確認してください。数秒ごとに再試行しています",
	"no worker was needed yet": "ワーカーはまだ使われていません",
	"stored events cannot be read now: no worker of the event store works; `yagura doctor` says why": "保存済みのイベントをいまは読み取れません。イベントストアのワーカーが動いていません。理由は `yagura doctor` で確認してください",

	// quarantine
	"the quarantine is empty: every accepted event could be stored":                      "検査保留は空です。受け付けたイベントはすべて保存できています",
	"Use it after an upgrade, or when what the list names as the reason is mended.":      "更新の後や、一覧に出る理由を取り除いた後に使います。",
	"damaged: nothing can read it":                                                       "破損しており、読み取れません",
	"%d events of %s":                                                                    "%[2]s のイベント %[1]d 件",
	"%d events were taken out of quarantine and can be searched now":                     "検査保留から %d 件のイベントを保存しました。検索できます",
	"things that still cannot be stored: %d":                                             "まだ保存できないもの: %d 件",
	"list the quarantine":                                                                "検査保留の一覧の取得",
	"store what is in quarantine":                                                        "検査保留の保存",
	"there is no such thing in quarantine: `yagura quarantine list` shows what is there": "検査保留にその ID はありません。`yagura quarantine list` で確かめてください",
	"it was in quarantine and is stored now":                                             "検査保留にあったが、保存済み",
	"List accepted events that could not be stored; try to store them again.":            "受け付けたが保存できなかったイベントを一覧し、保存し直す。",
	"List accepted events that the store could not write, and why.":                      "イベントストアが書き込めなかった受付済みイベントと理由を一覧する。",
	"Try to store them now; what is stored already is not stored twice.":                 "いま保存し直す。すでに保存済みのイベントは重複しない。",
	"One of \"yagura quarantine list\"; without it all that can be read.":                "`yagura quarantine list` の ID。省略すると、読み取れるものすべて。",

	"every worker answers; they run as user %d with %d system calls and Landlock version %d (0: none)": "すべてのワーカーが応答しています。ユーザー %d で動作し、許可されたシステムコールは %d 個、Landlock のバージョンは %d です(0: なし)",
}
