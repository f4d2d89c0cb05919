package main

import "github.com/yagura-edr/yagura/internal/terminal"

// jaStore is what is said of stored events that are not whole, of the clock and of the retention. It is read only.
var jaStore = terminal.Sentences{
	"store": "ストア", "missing": "なし", "altered": "改変", "unreadable": "読み取り不可", "unjudged": "確認待ち", "redundant": "重複", "unfinished": "書きかけ", "kept": "退避中",

	// answers and doctor
	"This answer is not whole: %d stored files cannot be read (%s) that hold up to %d events of %s to %s. `yagura store` names them.": "この回答は完全ではありません。保存済みファイル %d 個を読み取れません(%s)。最大 %d 件、%s から %s までのイベントが含まれます。`yagura store` で一覧を確認できます。",
	"Some of the newest events cannot be read until they are sealed, mostly within a minute (%d files).":                              "最新のイベントの一部は、シールされるまで(通常 1 分以内)読み取れません(ファイル %d 個)。",
	"nothing is stored about %s in what can be read. %s: %w":                                                                          "読み取れる範囲には %s の記録がありません。%s: %s",
	"stored events of this time cannot be read":                                                                                       "この時間帯の保存済みイベントを読み取れない",
	"%d of %d stored files were compared with their sums within a week":                                                               "保存済みファイル %d / %d 個を、この 1 週間にチェックサムと照合しました",
	"all %d stored files were compared with their sums now":                                                                           "保存済みファイル %d 個すべてを、いまチェックサムと照合しました",
	"%d stored files were compared with their sums, then it ended: %v":                                                                "保存済みファイル %d 個をチェックサムと照合したところで終わりました: %s",
	"`yagura store` names the files that are not whole":                                                                               "`yagura store` で、完全でないファイルを確認できます",
	"the list of stored files cannot be read: %v":                                                                                     "保存済みファイルの一覧を読み取れません: %s",
	"it says %s; by the time that has passed it is %s":                                                                                "時計は %s、経過時間による推定は %s です",

	"stories": "ストーリー",
	"the server has just started and reads stored events back (%d so far): incidents are told when that is done": "サーバーは起動直後で、保存済みイベントを読み直しています(現在 %d 件)。完了後にインシデントを通知します",

	"%d records in %d of %d parts": "%d 件の記録、%d / %d 区画",

	// yagura store
	"look at the store":                 "ストアの確認",
	"remove what is past the retention": "保存期間を過ぎたイベントの削除",
	"%d files with %d events, %d bytes; %d compared with their sums within a week; kept for %d days": "ファイル %d 個、イベント %d 件、%d バイト。この 1 週間に %d 個をチェックサムと照合。保存期間 %d 日",
	"%d events of %s to %s":                "イベント %d 件(%s から %s まで)",
	"stored files that cannot be read: %d": "読み取れない保存済みファイル: %d 個",
	"the clock of the server's host says %s; by the time that has passed it is %s, and that is what retention goes by":                                                                                     "サーバーのホストの時計は %s ですが、経過時間による推定は %s です。保存期間の計算には推定を使います",
	"%d files with %d events are past the retention and wait, received from %s to %s":                                                                                                                      "ファイル %d 個(イベント %d 件、%s から %s までに受信)が保存期間を過ぎ、確認を待っています",
	"%d files with %d events were removed; the clock is believed: %s":                                                                                                                                      "ファイル %d 個(イベント %d 件)を削除しました。現在の時計を正しいものとしました: %s",
	"the server's clock says %s; kept for %d days, what was received before %s would be removed with --yes: %d files with %d events":                                                                       "サーバーの時計は %s です。保存期間は %d 日なので、--yes を付けると %s より前に受信した分を削除します: ファイル %d 個、イベント %d 件",
	"Say what is stored and what of it is not whole; confirm what retention waits for.":                                                                                                                    "保存済みイベントの状態を表示し、保留中の削除を確定する。",
	"Say what is stored, and which files are not whole.":                                                                                                                                                   "保存済みの量と、完全でないファイルを表示する。",
	"Show what is past the retention and waits; with --yes remove it and believe the server's clock.":                                                                                                      "保存期間を過ぎて保留中の分を表示する。--yes を付けるとサーバーの時計を正しいものとし、削除する。",
	"Believe the clock of the server's host, and remove all that is past the retention by it.":                                                                                                             "サーバーのホストの時計を正しいものとし、それにより保存期間を過ぎた分をすべて削除する。",
	"Compare every stored file with its sum; on a large store this takes long.":                                                                                                                            "保存済みファイルをすべてチェックサムと照合する(量が多いと時間がかかる)。",
	"Exit code 3 when stored events cannot be read.":                                                                                                                                                       "読み取れない保存済みイベントがあれば、終了コードは 3 です。",
	"Retention never removes more than three days' worth at once, and does not follow a clock that jumped: after a machine was off for weeks, or when retention_days was made shorter, it waits for this.": "保存期間による削除は、一度に 3 日分を超えては行わず、飛んだ時計にも従いません。マシンを何週間も止めた後や retention_days を短くした後は、この確認を待ちます。",
	"after errors of a disk": "ディスクの異常の後に", "let it go": "削除する", "what would go": "削除される分",
}
