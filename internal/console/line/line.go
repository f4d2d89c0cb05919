// Package line says what an event is in one sentence, in English and Japanese. The console's API and the
// CLI call it, so that a screen and a terminal read alike. Names and command lines stand in it as they are
// in the store (event.Text): who draws the sentence must draw it escaped (event.Show, or the page's own).
package line

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// maxQuote bounds a quoted value; the fields of the row have all of it.
const maxQuote = 240

// Of gives the sentence of e.
func Of(e *event.Event) detection.Said {
	switch {
	case e.Kind >= event.ProcessExec && e.Kind <= event.MemProcWrite:
		return process(e)
	case e.Kind >= event.FileCreate && e.Kind <= event.FileLink:
		return file(e)
	case e.Kind >= event.NetConnect && e.Kind <= event.AuthLogon:
		return network(e)
	case e.Kind >= event.Dropped && e.Kind <= event.SensorSignal:
		return sensor(e)
	}
	if e.Kind == event.LogRecord {
		return log(e)
	}
	return detection.Said{En: who(&e.Actor) + ": " + e.Kind.String(), Ja: who(&e.Actor) + ": " + e.Kind.String()}
}

func said(en, ja string) detection.Said { return detection.Said{En: en, Ja: ja} }

func process(e *event.Event) detection.Said {
	a, t := who(&e.Actor), who(&e.Target)
	switch e.Kind {
	case event.ProcessExec:
		by := ""
		byJa := ""
		if e.Parent.Path != "" {
			by, byJa = ", from "+who(&e.Parent), "（親: "+who(&e.Parent)+"）"
		}
		return said(a+" started: "+quote(commandLine(&e.Actor))+by, a+" が起動: "+quote(commandLine(&e.Actor))+byJa)
	case event.ProcessFork:
		return said(a+" made the child process "+pid(&e.Target), a+" が子プロセス "+pid(&e.Target)+" を作成")
	case event.ProcessExit:
		if e.ExitSignal != 0 {
			n := strconv.FormatUint(e.ExitSignal, 10)
			return said(a+" was ended by signal "+n, a+" がシグナル "+n+" で終了")
		}
		n := strconv.FormatInt(e.ExitCode, 10)
		return said(a+" ended with code "+n, a+" が終了（コード "+n+"）")
	case event.ProcessImageHashed:
		return said("the hash of "+a+" is known: "+hash(e), a+" のハッシュが判明: "+hash(e))
	case event.ProcessRunning:
		return said(a+" was already running: "+quote(commandLine(&e.Actor)), a+" はすでに動作中: "+quote(commandLine(&e.Actor)))
	case event.ProcessPipe:
		return said(a+" reads what "+t+" writes: "+quote(commandLine(&e.Target))+" | "+quote(commandLine(&e.Actor)),
			a+" が "+t+" の出力を読み取り: "+quote(commandLine(&e.Target))+" | "+quote(commandLine(&e.Actor)))
	case event.MemPtrace:
		return said(a+" took control of "+t+" (ptrace)", a+" が "+t+" を制御（ptrace）")
	case event.MemProcWrite:
		return said(a+" opened the memory of "+t+" for writing ("+quote(e.File.Path)+")", a+" が "+t+" のメモリーを書き込み用に開いた（"+quote(e.File.Path)+"）")
	case event.MemMemfdCreate:
		return said(a+" made a file that exists in memory only: "+quote(e.File.Path), a+" がメモリー上だけのファイルを作成: "+quote(e.File.Path))
	}
	return said(a+" wrote into the memory of "+t, a+" が "+t+" のメモリーに書き込み")
}

func file(e *event.Event) detection.Said {
	a, f := who(&e.Actor), quote(e.File.Path)
	switch e.Kind {
	case event.FileCreate:
		return said(a+" created "+f, a+" が "+f+" を作成")
	case event.FileModify:
		if e.Flags&event.FlagEmptied != 0 {
			return said(a+" emptied "+f, a+" が "+f+" の中身を消去")
		}
		return said(a+" wrote to "+f, a+" が "+f+" に書き込み")
	case event.FileRename:
		return said(a+" renamed "+quote(e.OldFile.Path)+" to "+f, a+" が "+quote(e.OldFile.Path)+" を "+f+" に改名")
	case event.FileDelete:
		return said(a+" deleted "+f, a+" が "+f+" を削除")
	case event.FileChmod:
		m := "0" + strconv.FormatUint(e.File.Mode&0o7777, 8)
		return said(a+" set the permissions of "+f+" to "+m, a+" が "+f+" の権限を "+m+" に変更")
	case event.FileReadCredential:
		return said(a+" opened "+f+", which holds credentials", a+" が認証情報を持つ "+f+" を読み取り用に開いた")
	}
	return said(a+" made the link "+f+" to "+quote(e.OldFile.Path), a+" がリンク "+f+" を作成（リンク先 "+quote(e.OldFile.Path)+"）")
}

func network(e *event.Event) detection.Said {
	a := who(&e.Actor)
	local, remote := address(e.LocalAddr, e.LocalPort, ""), address(e.RemoteAddr, e.RemotePort, e.RemoteName)
	switch e.Kind {
	case event.NetConnect:
		return said(a+" connected to "+remote, a+" が "+remote+" へ接続")
	case event.NetAccept:
		return said(a+" took a connection from "+remote+" on "+local, a+" が "+remote+" からの接続を受け付け（"+local+"）")
	case event.NetListen:
		return said(a+" listens on "+local, a+" が "+local+" で待ち受け")
	case event.NetClose:
		s, r := strconv.FormatUint(e.BytesSent, 10), strconv.FormatUint(e.BytesReceived, 10)
		return said(a+" ended its connection with "+remote+": sent "+s+", received "+r+" bytes", a+" と "+remote+" の接続が終了: 送信 "+s+"、受信 "+r+" バイト")
	case event.NetScan:
		n := strconv.FormatUint(e.Count, 10)
		return said(a+" tried "+n+" different destinations, the last one "+remote, a+" が "+n+" 個の異なる宛先へ接続を試行（最後は "+remote+"）")
	case event.NetStdioSocket:
		return said(a+" was started with a network connection as its standard input ("+remote+")", a+" が標準入力をネットワーク接続として起動（"+remote+"）")
	case event.DNSQuery, event.DNSAnswer:
		to, toJa := "", ""
		if len(e.Answers) > 0 {
			list := quote(strings.Join(e.Answers, " "))
			to, toJa = ", answered "+list, "（応答 "+list+"）"
		}
		if e.Kind == event.DNSAnswer {
			return said(a+" got a late answer to the name "+quote(e.Query)+to, a+" が名前 "+quote(e.Query)+" への遅れた応答を受信"+toJa)
		}
		return said(a+" asked for the name "+quote(e.Query)+to, a+" が名前 "+quote(e.Query)+" を問い合わせ"+toJa)
	}
	return said("a login session began: "+user(&e.Actor)+", "+a, "ログオンセッションが開始: "+user(&e.Actor)+"、"+a)
}

func sensor(e *event.Event) detection.Said {
	n, subject := strconv.FormatUint(e.Count, 10), quote(e.Subject)
	switch e.Kind {
	case event.Dropped:
		d := strconv.FormatUint(e.Last-e.First+1, 10)
		return said("the sensor dropped "+d+" events: "+quote(e.Reason), "センサーが "+d+" 件のイベントを破棄: "+quote(e.Reason))
	case event.Closed:
		return said("an older stream of the sensor is complete", "センサーの以前のストリームが完結")
	case event.SensorStart:
		return said("the sensor started, version "+quote(e.Version), "センサーが起動（バージョン "+quote(e.Version)+"）")
	case event.SensorStop:
		return said("the sensor ended"+reason(e), "センサーが終了"+reason(e))
	case event.SensorSignal:
		n := strconv.FormatUint(e.Request, 10)
		return said(who(&e.Actor)+" sent the sensor signal "+n, who(&e.Actor)+" がセンサーにシグナル "+n+" を送信")
	case event.SensorCapability:
		return said("sight of "+subject+" is "+quote(e.State)+reason(e), word(e.Subject)+"の監視範囲: "+word(e.State)+reason(e))
	case event.SensorLoss:
		return said(n+" events of "+subject+" were lost"+reason(e), word(e.Subject)+"のイベント "+n+" 件が欠損"+reason(e))
	case event.SensorThrottle:
		return said("events of "+subject+" are held back ("+quote(e.State)+")"+reason(e), word(e.Subject)+"のイベントを件数のみ記録（"+word(e.State)+"）"+reason(e))
	case event.SensorTamper:
		return said("the sensor was tampered with ("+subject+")"+reason(e), "センサーへの干渉（"+word(e.Subject)+"）"+reason(e))
	}
	return said("the sensor answered the canary", "センサーがカナリアに応答")
}

// words are the classes and states that sensors name, as the screens call them.
var words = map[string]string{
	"process": "プロセス", "file": "ファイル", "network": "ネットワーク", "dns": "DNS", "memory": "メモリー",
	"full": "完全", "partial": "一部", "blind": "監視不可", "unprotected": "保護なし", "start": "開始", "stop": "終了",
	"isolation": "ネットワーク隔離", "packet socket": "パケットソケット", event.TamperFrozen: "一時停止",
}

func word(s string) string {
	if ja, ok := words[s]; ok {
		return ja
	}
	return quote(s)
}

// reason gives the reason of e behind a colon.
func reason(e *event.Event) string {
	if e.Reason == "" {
		return ""
	}
	return ": " + quote(e.Reason)
}

// who names a process: its image's name and its pid.
func who(p *event.Process) string {
	name := p.Comm
	if p.Path != "" {
		name = event.Base(event.Linux, p.Path)
		if strings.Contains(p.Path, `\`) {
			name = event.Base(event.Windows, p.Path)
		}
	}
	if name == "" {
		return "pid " + strconv.FormatUint(p.PID, 10)
	}
	return event.Clip(name, maxQuote) + " (" + strconv.FormatUint(p.PID, 10) + ")"
}

func pid(p *event.Process) string { return strconv.FormatUint(p.PID, 10) }

func user(p *event.Process) string {
	if p.UserName != "" {
		return event.Clip(p.UserName, maxQuote)
	}
	return "uid " + event.Clip(p.UserID, maxQuote)
}

func commandLine(p *event.Process) string {
	if p.CommandLine != "" {
		return p.CommandLine
	}
	return p.Path
}

// maxTold bounds the attributes that a sentence tells of.
const maxTold = 4

// log tells of a record whose meaning only its log knows: where it stood, what it is called there, and its first texts.
func log(e *event.Event) detection.Said {
	from := strings.Join(slices.DeleteFunc([]string{e.LogProduct, e.LogService, e.LogCategory, e.LogChannel}, func(s string) bool { return s == "" }), "/")
	if e.LogProvider != "" {
		from += " (" + e.LogProvider + ")"
	}
	what := e.LogEventID
	if what == "" {
		what = "-"
	}
	var told []string
	for _, a := range e.Attributes {
		if text := a.String(); text != "" && len(told) < maxTold {
			told = append(told, a.Name+"="+event.Clip(text, 80))
		}
	}
	from, what = event.Clip(from, maxQuote), event.Clip(what, maxQuote)
	en, ja := "log record "+what+" of "+from, from+" のログ記録 "+what
	if len(told) > 0 {
		list := event.Clip(strings.Join(told, ", "), maxQuote)
		en, ja = en+": "+list, ja+": "+list
	}
	return said(en, ja)
}

func hash(e *event.Event) string {
	if v := e.Value(event.NActorSHA256); v.Set {
		return v.String()
	}
	return "-"
}

func address(a netip.Addr, port uint64, name string) string {
	s := "?"
	if a.IsValid() {
		s = netip.AddrPortFrom(a, uint16(port)).String()
	}
	if name != "" {
		return event.Clip(name, maxQuote) + " [" + s + "]"
	}
	return s
}

func quote(s string) string { return "“" + event.Clip(s, maxQuote) + "”" }
