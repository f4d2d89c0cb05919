package say

import "github.com/yagura-edr/yagura/internal/terminal"

// Store is what is said of stored events that are not whole, of the clock and of the retention. It is read only.
var Store = terminal.Sentences{
	"store": "ストア", "missing": "ファイルなし", "altered": "改変", "unreadable": "読み取り不可", "unjudged": "確認待ち", "redundant": "重複", "unfinished": "書きかけ", "kept": "退避中",

	// answers and doctor
	// a damaged data folder
	"the disk of the server's data folder is full: free space there or make it larger; `yagura doctor` shows it":                                                                                                                                                          "サーバーのデータディレクトリーのディスクが満杯です。空きを増やすか、拡張してください。状況は `yagura doctor` で確認できます",
	"%s is gone, and %d hosts are enrolled with it: put the folder %s back from a backup; without one `mkdir -p -m 700 %s && touch %s` lets the next start make a new one, and every host must enrol again":                                                               "%s がありません。ホスト %d 台がこの鍵で登録されています。フォルダー %s をバックアップから戻してください。バックアップがないときは `mkdir -p -m 700 %s && touch %s` を実行すると次回の起動で作り直しますが、すべてのホストの再登録が必要です",
	"the control database %s is new or empty, and this data folder is not: put the newest backup of control.db back, an older one will do; without one begin with a new folder, `mv %s %s.old`, and enrol the hosts again: nothing was changed in segments, log and keys": "管理データベース %s が新規または空ですが、データディレクトリーには以前のデータがあります。control.db の最新のバックアップを戻してください(古いものでもかまいません)。バックアップがないときは `mv %s %s.old` で新しいフォルダーから始め、ホストを再登録してください。セグメント、ログ、鍵には何も変更を加えていません",
	"control database %s: %w": "管理データベース %s: %s",
	"its disk is full or does not answer, free space there, look at `dmesg`, and start again; delete no file of the data folder": "ディスクが満杯か、応答していません。空きを増やし、`dmesg` を確認してから、もう一度起動してください。データディレクトリー内のファイルは削除しないでください",
	"it is no file that this user can open and write, look at `ls -la` of the folder, and start again":                           "このユーザーが開いて書き込めるファイルではありません。フォルダーの `ls -la` を確認してから、もう一度起動してください",
	"another program holds it, end that one, and start again":                                                                    "別のプログラムが使用中です。終了させてから、もう一度起動してください",
	"it is damaged, move it and its -wal and -shm aside, put the newest backup of it in its place, and start again; an older one will do, stored events that it does not name are taken back, and hosts that were enrolled since then enrol again": "壊れています。-wal と -shm とともに別の場所へ移し、最新のバックアップを戻してから、もう一度起動してください。古いバックアップでもかまいません。そこに記録のない保存済みイベントは取り込み直され、その後に登録したホストは再登録が必要です",
	"the disk of the data folder is full, free space there or make it larger, and start again; delete no file of the data folder: %w":                                                                                                              "データディレクトリーのディスクが満杯です。空きを増やすか拡張してから、もう一度起動してください。データディレクトリー内のファイルは削除しないでください: %s",

	"This answer is not whole: %d stored files cannot be read (%s) that hold up to %d events of %s to %s. `yagura store` names them.": "この回答は完全ではありません。保存済みファイル %d 個を読み取れません(%s)。最大 %d 件、%s から %s までのイベントが含まれます。`yagura store` で一覧を確認できます。",
	"Some of the newest events cannot be read until they are sealed, mostly within a minute (%d files).":                              "最新のイベントの一部は、シールされるまで(通常 1 分以内)読み取れません(ファイル %d 個)。",
	"nothing is stored about %s in what can be read. %s: %w":                                                                          "読み取れる範囲には %s の記録がありません。%s: %s",
	"stored events of this time cannot be read":                                                                                       "この時間帯の保存済みイベントを読み取れない",
	"%d of %d stored files were compared with their sums within a week":                                                               "保存済みファイル %d / %d 個を、この 1 週間にチェックサムと照合しました",
	"all %d stored files were compared with their sums now":                                                                           "保存済みファイル %d 個すべてを、いまチェックサムと照合しました",
	"%d stored files were compared with their sums, then it ended: %v":                                                                "保存済みファイル %d 個をチェックサムと照合したところで終わりました: %s",
	"%d stored files cannot be read; all %d were compared with their sums now":                                                        "読み取れない保存済みファイルが %d 個あります。%d 個すべてを、いまチェックサムと照合しました",
	"%d of %d stored files cannot be read; %d were compared with their sums within a week":                                            "保存済みファイル %[2]d 個のうち %[1]d 個を読み取れません。この 1 週間に %[3]d 個をチェックサムと照合しました",
	"`yagura store` names the files that are not whole":                                                                               "`yagura store` で、完全でないファイルを確認できます",
	"the list of stored files cannot be read: %v":                                                                                     "保存済みファイルの一覧を読み取れません: %s",
	"it says %s; by the time that has passed it is %s":                                                                                "時計は %s、経過時間による推定は %s です",

	"stories": "ストーリー",
	"the server has just started and reads stored events back (%d so far): incidents are told when that is done": "サーバーは起動直後で、保存済みイベントを読み直しています(現在 %d 件)。完了後にインシデントを通知します",

	"%d records in %d of %d parts": "%d 件の記録、%d / %d 区画",

	// why something lies in quarantine or was set aside
	"%s worker crashed (%s)": "%s ワーカーがクラッシュしました(%s)", "%s worker crashed": "%s ワーカーがクラッシュしました",
	"%s worker passed its memory (%s)": "%s ワーカーがメモリーの上限を超えました(%s)", "%s worker passed its memory": "%s ワーカーがメモリーの上限を超えました",
	"%s worker did not answer in its time (%s)": "%s ワーカーが時間内に応答しませんでした(%s)", "%s worker did not answer in its time": "%s ワーカーが時間内に応答しませんでした",
	"%s worker was killed from outside (%s)": "%s ワーカーが外部から強制終了されました(%s)", "%s worker lacked memory or threads (%s)": "%s ワーカーにメモリーまたはスレッドが足りません(%s)",
	"%d of %d batches of %s: it cannot be stored yet":                                                           "%[3]s のイベントのまとまり %[2]d 個のうち %[1]d 個は、まだ保存できません",
	"stored files cannot be read that may hold it: `yagura store` names them":                                   "すでに入っているかもしれない、読み取れない保存済みファイルがあります。`yagura store` で確認できます",
	"look what is stored of it":                                                                                 "保存済みの分の確認",
	"%s: its bytes are damaged: nothing can read them: sensors that still held its events have sent them again": "%s は壊れていて、読み取れません。まだ保持していたセンサーは、イベントを送り直しています",
	"it is a hot file whose events were not found in the log":                                                   "ログに見つからないイベントを含む、シール前のファイルです",
	"it holds one event more than once":                                                                         "同じイベントを重複して含んでいます",
	"a segment of the same time cannot be read, so nothing can be proven":                                       "同じ時間帯のセグメントを読み取れないため、判断できません",
	"inspect %s":   "%s の検査",
	"take %s back": "%s の取り込み",
	"log record of %d bytes, its header says %d":    "ログの記録は %d バイトですが、ヘッダーには %d とあります",
	"log record with a wrong checksum":              "ログの記録のチェックサムが一致しません",
	"log record has no magic":                       "ログの記録の形式ではありません",
	"%d bytes after the last batch of a log record": "ログの記録の末尾に余分なデータが %d バイトあります",

	"nothing could be taken out of quarantine":                     "検査保留から保存できたものはありません",
	"%d event was taken out of quarantine and can be searched now": "検査保留から %d 件のイベントを保存しました。検索できます",

	// yagura store
	"look at the store":                 "ストアの確認",
	"remove what is past the retention": "保存期間を過ぎたイベントの削除",
	"%d files with %d events, %d bytes; %d compared with their sums within a week; kept for %d days": "ファイル %d 個、イベント %d 件、%d バイト。この 1 週間に %d 個をチェックサムと照合。保存期間 %d 日",
	"%d day of events, from %s to %s": "イベント %d 日分(%s から %s まで)", "%d event of %s to %s": "イベント %d 件(%s から %s まで)",
	"%d days of events, from %s to %s": "イベント %d 日分(%s から %s まで)",
	"hosts that may be affected: %s":   "影響しうるホスト: %s", "hosts that may be affected: %s and %d more": "影響しうるホスト: %s、ほか %d 台", "found %s": "%s に確認",
	"in the console: %s":                   "コンソール: %s",
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
	"the file is gone: put it back from a backup, and it is read again within a minute":                                                                                                                    "ファイルがありません。バックアップから戻すと 1 分以内に再び読み取られます",
	"its bytes are not those that were written: put it back from a backup, and look for errors of the disk":                                                                                                "内容が書き込んだときと違います。バックアップから戻し、ディスクの異常を確認してください",
	"it cannot be opened or decoded: it is tried again at the next start; put it back from a backup if it stays so":                                                                                        "開けないか、解読できません。次回の起動時に再試行します。直らなければバックアップから戻してください",
	"the control database does not name it, and nobody can say whether its events are stored elsewhere: it stays until you put it back or remove it":                                                       "管理データベースに記録がなく、ほかに保存済みかどうかも判断できません。元に戻すか削除するまで残します",
	"the control database does not name it: whether its events are stored elsewhere is looked at when the log has been read; nothing is to be done":                                                        "管理データベースに記録がありません。ログを読み終えた後、ほかに保存済みかどうかを自動的に確認します。対応は不要です",
	"every event of it is stored elsewhere, too: it goes by itself after seven days":                                                                                                                       "すべてのイベントがほかにも保存されています。7 日後に自動的に削除します",
	"a write that never ended: its events are in the log or stored elsewhere; it goes by itself after seven days":                                                                                          "完了しなかった書き込みです。イベントはログかほかのファイルにあります。7 日後に自動的に削除します",
	"Exit code 3 when stored events cannot be read. Beside the files of the store it lists files in its folder that the control database does not name; what each word means stands below the list.":       "読み取れない保存済みイベントがあれば、終了コードは 3 です。管理データベースに記録のないファイルも一覧に出します。状態の意味は一覧の下に表示します。",
	"Retention never removes more than three days' worth at once, and does not follow a clock that jumped: after a machine was off for weeks, or when retention_days was made shorter, it waits for this.": "保存期間による削除は、一度に 3 日分を超えては行わず、飛んだ時計にも従いません。マシンを何週間も止めた後や retention_days を短くした後は、この確認を待ちます。",
	"after errors of a disk": "ディスクの異常の後に", "let it go": "削除する", "what would go": "削除される分",
}
