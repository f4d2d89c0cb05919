package say

import "github.com/yagura-edr/yagura/internal/terminal"

// Start is what a start says of a data folder that is not as it was left. It is read only.
var Start = terminal.Sentences{
	"%s is no folder: move it aside, `mv %s %s.aside`, put the folder back from a backup, and start again; without a backup the next start makes an empty one: %s": "%s がフォルダーではありません。`mv %s %s.aside` で別名にし、フォルダーをバックアップから戻してから、もう一度起動してください。バックアップがなければ次回の起動で空のフォルダーを作りますが、%s",
	"%s is no file: move it aside, `mv %s %s.aside`, put the file back from a backup, and start again; without a backup the next start says what that costs":       "%s がファイルではありません。`mv %s %s.aside` で別名にし、ファイルをバックアップから戻してから、もう一度起動してください。バックアップがなければ、失われるものは次回の起動時に表示します",
	"the folder %s cannot be read: give it back to the server's user, `chmod 700 %s` where that user owns it, look at `dmesg`, and start again: %w":                "フォルダー %s を読み取れません。所有者をサーバーのユーザーに戻し、`chmod 700 %s` を実行し、`dmesg` も確認してから、もう一度起動してください: %s",
	"%s cannot be read: give it back to the server's user, `chmod 600 %s` where that user owns it, look at `dmesg`, and start again: %w":                           "%s を読み取れません。所有者をサーバーのユーザーに戻し、`chmod 600 %s` を実行し、`dmesg` も確認してから、もう一度起動してください: %s",
	"nothing is lost":            "失われるものはありません",
	"the stored events are lost": "保存済みのイベントは失われます",
	"events that were taken and not stored yet are lost, unless their sensors still hold them": "受け付け済みで未保存のイベントは、センサーに残っていなければ失われます",
	"the events in quarantine are lost":                "検査保留のイベントは失われます",
	"every host must enrol again":                      "すべてのホストの再登録が必要になります",
	"orders need the keys from where their copies are": "指示には別の場所にある鍵の写しが必要になります",
	"%s is damaged, it holds %d bytes instead of %d: put it back from a backup; without one move it aside, start again, and let every user sign in anew with `yagura sign-in`": "%s が壊れています(%s バイト。正しくは %s バイト)。バックアップから戻してください。バックアップがないときは別名にしてから起動し直し、利用者ごとに `yagura sign-in` で設定し直してください",
	"%s is damaged, it holds no key with its certificate: put it back from a backup; without one move it aside and start again, which then says what that costs":               "%s が壊れており、鍵と証明書を読み取れません。バックアップから戻してください。バックアップがないときは別名にしてから起動し直すと、失われるものを表示します",
	"open sensor authority %s: %w":             "センサーの認証局 %s を開けません: %s",
	"make folder: %w":                          "フォルダーの作成: %s",
	"keep key: %w":                             "鍵の保存: %s",
	"read key file: %w":                        "鍵ファイルの読み取り: %s",
	"make key file: %w":                        "鍵ファイルの作成: %s",
	"write key file %s: %w":                    "鍵ファイル %s への書き込み: %s",
	"keep key file: %w":                        "鍵ファイルの保存: %s",
	"open canary secret: %w":                   "カナリアの鍵を開けません: %s",
	"the time that was believed last":          "最後に確認した時刻",
	"read the time that was believed last: %w": "最後に確認した時刻の読み取り: %s",
	"lock %s: %w":                              "%s のロック: %s",
	"make the tenant's authority: %w":          "テナントの権限鍵の作成: %s",
	"create authority: %w":                     "権限鍵の作成: %s",
}
