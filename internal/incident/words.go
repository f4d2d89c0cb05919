package incident

import (
	"fmt"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

func said(en, ja string) Said { return Said{En: en, Ja: ja} }

// nodeWords names a thing with its kind.
func nodeWords(c card, label string) Said {
	switch c.kind {
	case NodeFile:
		return said("file "+label, "ファイル "+label)
	case NodeURL:
		return said("URL "+label, "URL "+label)
	case NodeAddress:
		return said("address "+label, "アドレス "+label)
	case NodeSession:
		return said("log-on session of "+label, label+" のログオンセッション")
	case NodeScheduled:
		w := itemWords[c.what]
		return said(w.En+" "+label, w.Ja+" "+label)
	}
	return said(label, label)
}

func short(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// clock writes a time of the store for a sentence; screens that know a zone may rewrite it.
func clock(us int64) string {
	return time.UnixMicro(us).UTC().Format("2006-01-02 15:04:05.000000Z")
}

func quoteJa(s string) string { return "「" + short(s, 160) + "」" }

func span(d time.Duration, ja bool) string {
	switch {
	case d < time.Second:
		if ja {
			return fmt.Sprintf(" %d ミリ秒", d.Milliseconds())
		}
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		if ja {
			return fmt.Sprintf(" %.1f 秒", d.Seconds())
		}
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		if ja {
			return fmt.Sprintf(" %d 分 %d 秒", int(d.Minutes()), int(d.Seconds())%60)
		}
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	if ja {
		return fmt.Sprintf(" %d 時間 %d 分", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

func kindWords(k event.Kind) Said {
	switch k {
	case event.ProcessExec, event.ProcessRunning:
		return said("a program was started", "プログラムの起動")
	case event.ProcessFork:
		return said("a process was made", "プロセスの生成")
	case event.ProcessExit:
		return said("a process ended", "プロセスの終了")
	case event.NetConnect:
		return said("a connection was opened", "接続の開始")
	case event.NetAccept:
		return said("a connection was taken", "接続の受付")
	case event.NetClose:
		return said("a connection ended", "接続の終了")
	case event.NetStdioSocket:
		return said("a program got a connection as its input", "接続を標準入力とする起動")
	case event.FileReadCredential:
		return said("a credential file was read", "認証情報ファイルの読み取り")
	case event.MemPtrace, event.MemVMWrite:
		return said("a process was taken over", "プロセスの操作")
	case event.MemMemfdCreate:
		return said("a file in memory was made", "メモリー上のファイルの作成")
	case event.FileDelete:
		return said("a file was removed", "ファイルの削除")
	case event.FileCreate, event.FileModify, event.FileRename, event.FileChmod, event.FileLink:
		return said("a file was written", "ファイルの書き込み")
	case event.DNSQuery:
		return said("a name was asked for", "名前の問い合わせ")
	case event.SensorTamper:
		return said("somebody tampered with the sensor", "センサーへの干渉")
	case event.DNSAnswer:
		return said("a late answer to a name", "名前への遅れた応答")
	case event.SensorCapability:
		return said("what the sensor can see changed", "センサーが見える範囲の変化")
	case event.ProcessPipe:
		return said("a program read what another one writes", "別のプログラムの出力の読み取り")
	case event.MemProcWrite:
		return said("the memory of a process was opened for writing", "プロセスのメモリーの書き込み用オープン")
	case event.NetListen:
		return said("a program began to wait for connections", "接続の待ち受け開始")
	case event.NetScan:
		return said("many destinations were tried", "多数の宛先への接続の試行")
	case event.AuthLogon:
		return said("a login session began", "ログオンの開始")
	case event.LogRecord:
		return said("a record of a log", "ログの記録")
	case event.ProcessImageHashed:
		return said("the hash of a program became known", "プログラムのハッシュの判明")
	case event.SensorStart:
		return said("the sensor started", "センサーの開始")
	case event.SensorStop:
		return said("the sensor ended", "センサーの終了")
	case event.SensorSignal:
		return said("the sensor got a signal", "センサーへのシグナル")
	case event.SensorCanary, event.SensorLoss, event.SensorThrottle, event.Dropped, event.Closed:
		return said("the sensor's word on itself", "センサー自身に関する報告")
	}
	return said(k.String(), k.String())
}

var routeWords = map[string]Said{
	"mail_link":         {En: "link in a mail or chat message", Ja: "メールまたはチャットのリンク"},
	"attachment":        {En: "attachment of a mail or chat message", Ja: "メールまたはチャットの添付ファイル"},
	"link":              {En: "link opened by a program", Ja: "プログラムが開いたリンク"},
	"download":          {En: "download", Ja: "ダウンロード"},
	"exploited_service": {En: "service that takes connections", Ja: "接続を受け付けるサービス"},
	"logon":             {En: "log-on with an account", Ja: "アカウントによるログオン"},
	"scheduled":         {En: "scheduled item", Ja: "スケジュール実行"},
	"removable":         {En: "removable medium", Ja: "リムーバブルメディア"},
	"package":           {En: "package or update", Ja: "パッケージまたは更新"},
	"another_host":      {En: "another host", Ja: "別のホスト"},
	unknownRouteName:    {En: "unknown", Ja: "不明"},
}

func routeLabel(r string) Said { return routeWords[r] }

var weaknessWords = map[string]Said{
	"mail_link":         {En: "a person opened a link, and what it brought was allowed to run", Ja: "利用者がリンクを開き、そこから届いたファイルを実行できた"},
	"attachment":        {En: "a person opened an attachment, and it was allowed to run", Ja: "利用者が添付ファイルを開き、実行できた"},
	"link":              {En: "a downloaded file was allowed to run", Ja: "ダウンロードしたファイルを実行できた"},
	"download":          {En: "a downloaded file was allowed to run", Ja: "ダウンロードしたファイルを実行できた"},
	"exploited_service": {En: "a service that takes connections could be made to start programs", Ja: "接続を受け付けるサービスにプログラムを起動させることができた"},
	"logon":             {En: "an account was open to whoever had its password or key", Ja: "パスワードまたは鍵を持つ者がアカウントでログオンできた"},
	"removable":         {En: "a program on a removable medium was allowed to run", Ja: "リムーバブルメディア上のプログラムを実行できた"},
	"package":           {En: "a package brought it", Ja: "パッケージに含まれていた"},
	"another_host":      {En: "it came from a host that was already reached", Ja: "既に侵入されたホストから到達した"},
	"scheduled":         {En: "an item that was written before we looked ran it", Ja: "観測開始前に書かれた項目が実行した"},
	unknownRouteName:    {En: "unknown", Ja: "不明"},
}

// classJa names a class of events as the coverage of a host does.
func classJa(class string) string {
	if ja, ok := classWords[class]; ok {
		return ja
	}
	return " " + class + " "
}

var classWords = map[string]string{"process": "プロセス", "file": "ファイル", "network": "ネットワーク", "dns": " DNS ", "memory": "メモリー"}

func quote(s string) string { return "“" + short(s, 160) + "”" }
