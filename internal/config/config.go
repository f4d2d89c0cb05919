// Package config is what the server can be told: the structure of server.yaml, and what its values mean
// together. It is also the only place that reads the environment.
//
// internal/settings does the reading, by the tags of the Server struct. Secrets stand in files of their own,
// named by path. cmd/yagura calls it; no other package knows it.
package config

import (
	"time"

	"github.com/yagura-edr/yagura/internal/settings"
)

// Server is the configuration of `yagura up` and `yagura server`.
type Server struct {
	Data          string         `key:"data" help:"data directory of the server, private to its user" ja:"サーバーのデータディレクトリー(所有者だけが読めること)"`
	Listen        string         `key:"listen" default:"127.0.0.1:8443" help:"address of the console, on the loopback: reach it from elsewhere through ssh -L with the same port on both sides" ja:"コンソールのアドレス(ループバックのみ。ほかのマシンからは ssh -L で、両側とも同じポートを使って接続する)"`
	SensorListen  string         `key:"sensor_listen" default:"127.0.0.1:8444" help:"address for sensors, always mutual TLS; for hosts other than this one 0.0.0.0:8444, with hostname" ja:"センサー用のアドレス(常に相互 TLS)。ほかのホストを登録するには 0.0.0.0:8444 とし、hostname も指定する"`
	Hostname      string         `key:"hostname" form:"host" help:"name or address under which sensors of other hosts reach this server; their tokens and the certificate carry it" ja:"ほかのホストのセンサーがこのサーバーに接続するときの名前またはアドレス。登録トークンと証明書に入る"`
	Rules         []string       `key:"rules" help:"folders of further Sigma rules, beside our own" ja:"追加の Sigma ルールのフォルダー(標準ルールに加えて使う)"`
	LogLevel      string         `key:"log_level" default:"info" enum:"debug,info,warn,error" help:"least level that is logged" ja:"記録するログの最低レベル"`
	RetentionDays int            `key:"retention_days" default:"30" min:"1" max:"3650" help:"days that events are kept, counted from when they were received" ja:"イベントの保存日数(受信時刻から数える)"`
	SealInterval  time.Duration  `key:"seal_interval" default:"60s" min:"1s" max:"1h" help:"how often events are moved from the log into sealed files" ja:"イベントをログから確定ファイルへ移す間隔"`
	StreamMax     settings.Bytes `key:"stream_max_bytes" default:"4GiB" min:"64MiB" help:"size of the log; when it is full, sensors keep their events until there is room" ja:"ログの上限。いっぱいになると、空きができるまでセンサーがイベントを手元に保持する"`
	Notify        Notify         `key:"notify"`
}

// Notify says who is told of incidents and silent failures, and how.
type Notify struct {
	PublicURL   string    `key:"public_url" help:"address of the console as people reach it, such as http://localhost:8443 through ssh -L; put before links in messages" ja:"ユーザーから見たコンソールの URL(ssh -L 経由なら http://localhost:8443)。通知内のリンクの先頭に付く"`
	Language    string    `key:"language" default:"en" enum:"en,ja,both" help:"language of messages, unless a channel has its own; both: each message in both" ja:"通知の言語(送信先ごとの指定があればそちらを使う)。both は両方の言語で書く"`
	Timezone    string    `key:"timezone" default:"UTC" help:"time zone of times in messages, such as Asia/Tokyo" ja:"通知に書く時刻のタイムゾーン(例: Asia/Tokyo)"`
	MinSeverity string    `key:"min_severity" default:"high" enum:"low,medium,high,critical" help:"least severity of an incident that is told; silent failures are told from medium" ja:"通知するインシデントの最低の重大度。サイレント障害は中以上を通知する"`
	SMTP        SMTP      `key:"smtp"`
	Webhooks    []Webhook `key:"webhooks" help:"receivers of signed HTTP calls" ja:"署名付き HTTP 通知の送信先"`
}

// SMTP is the mail server that takes our mail. Without a host no mail is sent.
type SMTP struct {
	Host         string   `key:"host" help:"mail server; empty: no mail" ja:"メールサーバー。空ならメールを送らない"`
	Port         int      `key:"port" default:"587" min:"1" max:"65535" help:"its port: 587 for starttls, 465 for tls, 25 for none" ja:"ポート(starttls は 587、tls は 465、none は 25)"`
	TLS          string   `key:"tls" default:"starttls" enum:"none,starttls,tls" help:"how the connection is protected; starttls never falls back to plain text" ja:"接続の保護。starttls が使えないときに平文へ切り替えることはない"`
	CAFile       string   `key:"ca_file" help:"PEM file of the authority that signed its certificate; empty: the system's" ja:"証明書を発行した認証局の PEM ファイル。空ならシステムの設定に従う"`
	Auth         string   `key:"auth" default:"none" enum:"none,plain,login" help:"how to sign in; refused without TLS except to this machine" ja:"認証方式。TLS なしでは、このマシン宛て以外は拒否する"`
	Username     string   `key:"username" help:"user name for auth" ja:"認証のユーザー名"`
	PasswordFile string   `key:"password_file" help:"file with the password on one line, readable by the server's user only" ja:"パスワードを 1 行で書いたファイル(サーバーのユーザーだけが読めること)"`
	From         string   `key:"from" help:"sender, such as Yagura <yagura@example.com>" ja:"送信者(例: Yagura <yagura@example.com>)"`
	To           []string `key:"to" help:"recipients; each gets a message of its own" ja:"宛先。宛先ごとに 1 通ずつ送る"`
	Language     string   `key:"language" enum:",en,ja,both" help:"language of mails; empty: notify.language" ja:"メールの言語。空なら notify.language に従う"`
}

// Webhook is a receiver of signed HTTP calls (docs/format/webhook.md).
type Webhook struct {
	Name          string `key:"name" help:"name shown to operators" ja:"運用者に表示する名前"`
	URL           string `key:"url" show:"host" help:"https address that takes a POST" ja:"POST を受け取る https の URL"`
	SecretFile    string `key:"secret_file" help:"file with the key of the signature on one line" ja:"署名の鍵を 1 行で書いたファイル"`
	CAFile        string `key:"ca_file" help:"PEM file of the authority that signed its certificate; empty: the system's" ja:"証明書を発行した認証局の PEM ファイル。空ならシステムの設定に従う"`
	Language      string `key:"language" enum:",en,ja,both" help:"language of its text; empty: notify.language" ja:"本文の言語。空なら notify.language に従う"`
	HideHosts     bool   `key:"hide_hosts" help:"leave out hosts and what ran on them, for receivers outside the organisation" ja:"ホスト名とプロセスを書かない(組織外のサービス向け)"`
	AllowLoopback bool   `key:"allow_loopback" help:"the receiver runs on this machine" ja:"送信先がこのマシン上にある"`
	AllowHTTP     bool   `key:"allow_http" help:"allow http without TLS, inside a closed network" ja:"TLS のない http を許す(閉域網向け)"`
}
