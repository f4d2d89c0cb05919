package main

import "github.com/yagura-edr/yagura/internal/terminal"

// jaDoctor is what doctor says of the machine under the server. It is read only.
var jaDoctor = terminal.Sentences{
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
	"every worker answers; they run as user %d with %d system calls and Landlock version %d (0: none)": "すべてのワーカーが応答しています。ユーザー %d で動作し、許可されたシステムコールは %d 個、Landlock のバージョンは %d です(0: なし)",
}
