package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
	"github.com/yagura-edr/yagura/internal/settings"
)

// Config holds identity, paths and local vetoes, nothing else: policy comes from the server, signed. Each
// key is also a flag of the same name with dashes. internal/settings reads it by the tags.
type Config struct {
	settings.Origin

	Data          string         `key:"data" value:"DIR" default:"/var/lib/yagura-sensor" form:"folder" help:"folder for identity, spool and state, private to root" ja:"識別情報、スプール、状態を置くフォルダー(root だけが読めること)"`
	SpoolMaxBytes settings.Bytes `key:"spool_max_bytes" value:"SIZE" default:"512MiB" min:"1MiB" help:"bytes that the spool may take on disk while the server cannot be reached; beyond them the least important events are dropped and counted" ja:"サーバーに接続できない間にスプールが使えるディスクのバイト数。超えた分は重要度の低いイベントから捨て、件数を数える"`
	Proxy         string         `key:"proxy" value:"URL" show:"no user" bound:"http://HOST:PORT" help:"HTTP proxy on the way to the server; empty: none" ja:"サーバーとの間の HTTP プロキシ。空なら使わない"`
	ProxyUser     string         `key:"proxy_user" value:"NAME" help:"user at the proxy" ja:"プロキシのユーザー名"`
	ProxyPassword string         `key:"proxy_password_file" value:"FILE" help:"file with the password at the proxy, on one line" ja:"プロキシのパスワードを 1 行で書いたファイル"`
	NoProxy       string         `key:"no_proxy" value:"LIST" bound:"list with commas" help:"names, .domains, addresses and networks that are reached without the proxy" ja:"プロキシを使わずに接続する名前、.ドメイン、アドレス、ネットワーク"`
	Cgroup        string         `key:"cgroup" value:"DIR" help:"cgroup2 folder that isolation acts on; empty: the whole host" ja:"ネットワーク隔離の対象とする cgroup2 のフォルダー。空ならホスト全体"`
	Forbid        []string       `key:"forbid" value:"VERB" form:"veto" flag:"adds" bound:"verbs, or classes C0 to C4" help:"what this host never obeys, whoever signs it" ja:"誰が署名してもこのホストでは実行しない動作またはクラス"`
	LogLevel      string         `key:"log_level" value:"LEVEL" default:"info" enum:"debug,info,warn,error" help:"least level that is logged" ja:"記録するログの最低レベル"`
}

// Defaults are the values of keys that nobody set.
func Defaults() Config {
	c, _ := load(settings.Input{}) // with no file and no flag nothing can be wrong
	return c
}

// Keys gives every key of the file in its order.
func Keys() []settings.Key { return settings.Keys(Config{}) }

// Example is the file that docs/config.md shows; a test loads it.
const Example = `spool_max_bytes: 1073741824
proxy: http://proxy.example.com:3128
proxy_user: sensor
proxy_password_file: /etc/yagura/proxy.password
no_proxy: .example.net, 192.0.2.0/24
forbid:
  - C3
`

// LoadConfig reads a file, and flags over it, over the defaults; every mistake that it finds is in the error,
// one a line: see settings.Explain. A missing file is a mistake only when must is set.
func LoadConfig(file string, must bool, flags map[string][]string) (Config, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && !must {
		file = ""
	}
	return load(settings.Input{File: file, Flags: flags})
}

func load(in settings.Input) (c Config, err error) {
	in.Blanks = true // `forbid:` above lines that are comments now stands in files of hosts
	in.Forms = settings.Forms{"folder": wrongFolder, "veto": wrongVeto}
	c.Origin, err = settings.Load(&c, in)
	return c, err
}

func wrongFolder(text string) *settings.Mistake {
	if text != "" {
		return nil
	}
	return settings.Wrong("is empty: name the sensor's folder", "空です。センサーのフォルダーを指定してください")
}

func wrongVeto(text string) *settings.Mistake {
	if slices.Contains([]string{"C0", "C1", "C2", "C3", "C4"}, text) {
		return nil
	}
	if _, err := command.ClassOf(command.Verb(text), 1, 1); err == nil {
		return nil
	}
	return settings.Wrong("%q is neither a verb nor a class C0 to C4", "%q は、アクションの名前でもクラス C0〜C4 でもありません", text)
}

// Check looks at what LoadConfig cannot: files, folders and what only makes sense together. It changes nothing
// and asks no other machine; `yagura-sensor check` tries the rest.
func (c *Config) Check() (out []settings.Problem) {
	out = []settings.Problem{}
	add := func(key, en, ja string) { out = append(out, c.Problem(key, en, ja)) }
	if _, err := (uplink.Proxy{URL: c.Proxy}).For(&url.URL{Scheme: "https", Host: "localhost"}); err != nil {
		add("proxy", "is not of the form http://HOST:PORT", "http://ホスト:ポート の形ではありません") // it may carry a password: never repeat it
	}
	if f, err := os.Open(c.ProxyPassword); err == nil {
		_ = f.Close()
	} else if c.ProxyPassword != "" {
		add("proxy_password_file", "cannot be read: "+err.Error(), "読み取れません: "+err.Error())
	}
	if c.Proxy == "" && (c.ProxyUser != "" || c.ProxyPassword != "") {
		add("proxy", "is empty although a user of it is configured: name the proxy", "プロキシのユーザーの設定があるのに空です。プロキシを指定してください")
	}
	if st, err := os.Stat(c.Cgroup); c.Cgroup != "" && (err != nil || !st.IsDir()) {
		add("cgroup", c.Cgroup+" is no folder", c.Cgroup+" はフォルダーではありません")
	}
	return out
}

func (c *Config) identityDir() string   { return filepath.Join(c.Data, "identity") }
func (c *Config) spoolDir() string      { return filepath.Join(c.Data, "spool") }
func (c *Config) journalFile() string   { return filepath.Join(c.Data, "commands.journal") }
func (c *Config) isolationFile() string { return filepath.Join(c.Data, "isolation.json") }
func (c *Config) clockFile() string     { return filepath.Join(c.Data, "clock") }
func (c *Config) statusFile() string    { return filepath.Join(c.Data, "status.json") }

// IdentityDir is where Enroll keeps the identity.
func (c *Config) IdentityDir() string { return c.identityDir() }

// forbids says whether the host's own veto stands against a command.
func (c *Config) forbids(cmd *command.Command) bool {
	return slices.ContainsFunc(c.Forbid, func(f string) bool {
		return f == string(cmd.Verb) || f == cmd.Class.String()
	})
}

func (c *Config) proxy() (uplink.Proxy, error) { return c.UplinkProxy() }

// UplinkProxy gives the proxy settings with the password read from its file.
func (c *Config) UplinkProxy() (uplink.Proxy, error) {
	p := uplink.Proxy{URL: c.Proxy, User: c.ProxyUser, Except: c.NoProxy}
	if c.ProxyPassword != "" {
		b, err := os.ReadFile(c.ProxyPassword)
		if err != nil {
			return p, fmt.Errorf("read proxy_password_file: %w", err)
		}
		p.Password = strings.TrimRight(string(b), "\r\n")
	}
	return p, nil
}
