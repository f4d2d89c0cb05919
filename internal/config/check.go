package config

import (
	"context"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os"
	"time"
	_ "time/tzdata" // notify.timezone works on a machine without the tzdata package too

	"github.com/yagura-edr/yagura/internal/settings"
)

// Check looks at what Load cannot: files, addresses, and values that only make sense together. It
// changes nothing and opens no port.
func (c *Config) Check() []settings.Problem {
	k := &checker{c: c, out: []settings.Problem{}}
	k.listeners()
	for _, dir := range c.Rules {
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			k.add("rules", dir+" is no folder that can be read", dir+" は読み取れるフォルダーではありません")
		}
	}
	k.notify()
	return k.out
}

type checker struct {
	c   *Config
	out []settings.Problem
}

func (k *checker) add(key, en, ja string) { k.out = append(k.out, k.c.Problem(key, en, ja)) }

func (k *checker) listeners() {
	c := k.c
	for key, address := range map[string]string{"listen": c.Listen, "sensor_listen": c.SensorListen} {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			k.add(key, fmt.Sprintf("%q is no HOST:PORT", address), fmt.Sprintf("%q は「ホスト:ポート」の形ではありません", address))
			continue
		}
		if _, err := net.DefaultResolver.LookupPort(context.Background(), "tcp", port); err != nil {
			k.add(key, fmt.Sprintf("%q is no port", port), fmt.Sprintf("%q はポート番号ではありません", port))
		}
		if key == "sensor_listen" && loopback(host) && c.Hostname != "" && !loopback(c.Hostname) {
			k.add(key, fmt.Sprintf("%s takes sensors of this machine only, while hostname %s sends others here: set sensor_listen: 0.0.0.0:%s", address, c.Hostname, port),
				fmt.Sprintf("%s ではこのマシンのセンサーしか接続できませんが、hostname %s はほかのホストをここへ導きます。sensor_listen: 0.0.0.0:%s にしてください", address, c.Hostname, port))
		}
		if key == "listen" && !loopback(host) {
			k.add(key, "the console answers on the loopback only: reach it from elsewhere through ssh -L", "コンソールはループバックでのみ応答します。ほかのマシンからは ssh -L で接続してください")
		}
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// secret refuses a secret that others of the machine can read.
func (k *checker) secret(key, path string) {
	if path == "" {
		return
	}
	st, err := os.Stat(path)
	switch {
	case err != nil:
		k.add(key, "cannot be read: "+err.Error(), "読み取れません: "+err.Error())
	case !st.Mode().IsRegular():
		k.add(key, path+" is no file", path+" はファイルではありません")
	case st.Mode().Perm()&0o077 != 0:
		k.add(key, fmt.Sprintf("%s can be read by other users (%v): chmod 600 %s", path, st.Mode().Perm(), path),
			fmt.Sprintf("%s が他のユーザーから読めます(%v)。chmod 600 %s を実行してください", path, st.Mode().Perm(), path))
	}
}

func (k *checker) notify() {
	n := k.c.Notify
	if u, err := url.Parse(n.PublicURL); n.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		k.add("notify.public_url", "is no URL such as https://yagura.example.com", "https://yagura.example.com のような URL にしてください")
	}
	if _, err := time.LoadLocation(n.Timezone); err != nil {
		k.add("notify.timezone", fmt.Sprintf("%q is no time zone such as Asia/Tokyo", n.Timezone), fmt.Sprintf("%q というタイムゾーンはありません(例: Asia/Tokyo)", n.Timezone))
	}
	k.smtp(n.SMTP)
	names := map[string]bool{}
	for i, w := range n.Webhooks {
		at := func(key string) string { return fmt.Sprintf("notify.webhooks[%d].%s", i, key) }
		if w.Name == "" || names[w.Name] {
			k.add(at("name"), "each webhook needs a name of its own", "webhook ごとに別の名前を付けてください")
		}
		names[w.Name] = true
		u, err := url.Parse(w.URL)
		switch {
		case err != nil || u.Host == "" || u.User != nil:
			k.add(at("url"), "is no https://HOST/… without a user", "ユーザー名を含まない https://… の URL にしてください")
		case u.Scheme != "https" && (u.Scheme != "http" || !w.AllowHTTP):
			k.add(at("url"), "want https (or allow_http: true inside a closed network)", "https にしてください(閉域網では allow_http: true を指定できます)")
		case loopback(u.Hostname()) && !w.AllowLoopback:
			k.add(at("url"), "points to this machine: set allow_loopback: true if that is meant", "このマシンを指しています。意図したものであれば allow_loopback: true を指定してください")
		}
		if w.SecretFile == "" {
			k.add(at("secret_file"), "a webhook needs a key to sign with: head -c 32 /dev/urandom | base64 > FILE", "署名の鍵が必要です: head -c 32 /dev/urandom | base64 > ファイル")
		}
		k.secret(at("secret_file"), w.SecretFile)
		k.readable(at("ca_file"), w.CAFile)
	}
}

func (k *checker) smtp(s SMTP) {
	if s.Host == "" {
		if len(s.To) > 0 || s.From != "" {
			k.add("notify.smtp.host", "is empty although mail is configured: name the mail server", "メールの設定があるのに空です。メールサーバーを指定してください")
		}
		return
	}
	if _, err := mail.ParseAddress(s.From); err != nil {
		k.add("notify.smtp.from", fmt.Sprintf("%q is no mail address", s.From), fmt.Sprintf("%q はメールアドレスではありません", s.From))
	}
	if len(s.To) == 0 {
		k.add("notify.smtp.to", "names nobody", "宛先がありません")
	}
	seen := map[string]bool{}
	for _, to := range s.To {
		a, err := mail.ParseAddress(to)
		if err != nil {
			k.add("notify.smtp.to", fmt.Sprintf("%q is no mail address", to), fmt.Sprintf("%q はメールアドレスではありません", to))
			continue
		}
		if seen[a.Address] {
			k.add("notify.smtp.to", a.Address+" stands twice", a.Address+" が重複しています")
		}
		seen[a.Address] = true
	}
	if s.Auth != "none" {
		if s.Username == "" || s.PasswordFile == "" {
			k.add("notify.smtp.auth", "needs username and password_file", "username と password_file が必要です")
		}
		if s.TLS == "none" && !loopback(s.Host) {
			k.add("notify.smtp.tls", "a password is never sent in the clear: set starttls or tls", "パスワードを平文では送りません。starttls か tls にしてください")
		}
	}
	k.secret("notify.smtp.password_file", s.PasswordFile)
	k.readable("notify.smtp.ca_file", s.CAFile)
}

func (k *checker) readable(key, path string) {
	if path == "" {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		k.add(key, "cannot be read: "+err.Error(), "読み取れません: "+err.Error())
		return
	}
	_ = f.Close()
}
