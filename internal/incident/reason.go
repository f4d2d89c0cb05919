package incident

var itemWords = map[string]Said{
	"cron":    {En: "cron table", Ja: "cron 設定"},
	"at":      {En: "at job", Ja: "at ジョブ"},
	"unit":    {En: "systemd service", Ja: "systemd サービス"},
	"timer":   {En: "systemd timer", Ja: "systemd タイマー"},
	"startup": {En: "start-up script", Ja: "起動時スクリプト"},
	"preload": {En: "library preload list", Ja: "ライブラリのプリロード設定"},
	"key":     {En: "SSH key list", Ja: "SSH 公開鍵リスト"},
}

// reasonWords say why a link was drawn.
var reasonWords = map[string]Said{
	"same-connection":          {En: "the connection one host opened is the connection the other took", Ja: "一方のホストが開いた接続と他方が受けた接続が一致"},
	"server-took":              {En: "the SSH server took this connection and started the session", Ja: "SSH サーバーがこの接続を受けてセッションを開始した"},
	"first-of-session":         {En: "first process of the session", Ja: "セッションの最初のプロセス"},
	"same-file":                {En: "the file that was written is the file that was run: same volume and file number", Ja: "書かれたファイルと実行されたファイルが同一（ボリュームとファイル番号が一致）"},
	"same-path":                {En: "the path that was written is the path that was run; a script's identity is not in the exec", Ja: "書かれたパスと実行されたパスが一致（スクリプトのため同一性は推定）"},
	"wrote-what-ran":           {En: "wrote the file that was run later", Ja: "後に実行されたファイルを書いた"},
	"browser-asked-then-wrote": {En: "the browser asked for this address and then wrote the file", Ja: "ブラウザーがこの URL の相手に接続した後、ファイルを書いた"},
	"named-on-command-line":    {En: "the program was started with this address on its command line", Ja: "この URL を引数に起動された"},
	"handed-over":              {En: "it ended at once, and the browser that already ran asked for this very host within 10 s", Ja: "起動したプログラムはすぐ終了し、既に動いていたブラウザーが 10 秒以内に同じ相手へ接続した"},
	"started-with-address":     {En: "the browser was started with the address and asked for this very host within 10 s", Ja: "ブラウザーがこの URL で起動され、10 秒以内に同じ相手へ接続した"},
	"only-connection":          {En: "the program wrote the file while this was its only open connection", Ja: "唯一の接続を開いている間にファイルを書いた"},
	"had-connection":           {En: "the program had a connection to this address shortly before it wrote the file", Ja: "ファイルを書く直前にこの宛先へ接続していた"},
	"read-as-input":            {En: "what it wrote was read as input", Ja: "出力が標準入力として読み取られた"},
	"unit-group":               {En: "it runs in the control group of that unit", Ja: "そのユニットの cgroup で動いている"},
	"ran-writers-file":         {En: "the scheduler ran a file that the writer of the table had made", Ja: "設定を書いた側が作ったファイルをスケジューラーが実行した"},
	"ran-named-command":        {En: "the scheduler ran the very command that the writer of the table named", Ja: "設定を書いたプロセスが指定したコマンドそのものをスケジューラーが実行した"},
	"ran-after":                {En: "the scheduler ran it after the table was written; nothing else ties them", Ja: "設定が書かれた後にスケジューラーが実行した（ほかに結び付ける証拠はない）"},
	"started":                  {En: "started it", Ja: "起動した"},
}

// reasonOf puts the reason of a link into words.
func reasonOf(l *link) Said {
	switch l.reason {
	case "wrote-item":
		what := itemWords[l.of]
		return said("wrote the "+what.En, what.Ja+"を書いた")
	case "took-control":
		return said("took control of it ("+l.of+")", "そのプロセスを操作した（"+l.of+")")
	}
	return reasonWords[l.reason]
}
