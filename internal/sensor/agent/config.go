package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
)

// DefaultFile is where the configuration is looked for when no --config names one.
const DefaultFile = "/etc/yagura/sensor.yaml"

// Config holds identity, paths and local vetoes, nothing else: policy comes from the server, signed. Each
// key is also a flag of the same name with dashes.
type Config struct {
	File string `yaml:"-"` // it came from

	Data          string   `yaml:"data" help:"folder for identity, spool and state, private to root" ja:"識別情報、スプール、状態を置くフォルダー(root だけが読めること)"`
	SpoolMaxBytes int64    `yaml:"spool_max_bytes" bound:"1048576 (1 MiB) or more" help:"bytes that the spool may take on disk while the server cannot be reached; beyond them the least important events are dropped and counted" ja:"サーバーに接続できない間にスプールが使えるディスクのバイト数。超えた分は重要度の低いイベントから捨て、件数を数える"`
	Proxy         string   `yaml:"proxy" bound:"http://HOST:PORT" help:"HTTP proxy on the way to the server; empty: none" ja:"サーバーとの間の HTTP プロキシ。空なら使わない"`
	ProxyUser     string   `yaml:"proxy_user" help:"user at the proxy" ja:"プロキシのユーザー名"`
	ProxyPassword string   `yaml:"proxy_password_file" help:"file with the password at the proxy, on one line" ja:"プロキシのパスワードを 1 行で書いたファイル"`
	NoProxy       string   `yaml:"no_proxy" bound:"list with commas" help:"names, .domains, addresses and networks that are reached without the proxy" ja:"プロキシを使わずに接続する名前、.ドメイン、アドレス、ネットワーク"`
	Cgroup        string   `yaml:"cgroup" help:"cgroup2 folder that isolation acts on; empty: the whole host" ja:"ネットワーク隔離の対象とする cgroup2 のフォルダー。空ならホスト全体"`
	Forbid        []string `yaml:"forbid" bound:"verbs, or classes C0 to C4" help:"what this host never obeys, whoever signs it" ja:"誰が署名してもこのホストでは実行しない動作またはクラス"`
	LogLevel      string   `yaml:"log_level" bound:"debug, info, warn, error" help:"least level that is logged" ja:"記録するログの最低レベル"`
}

// Defaults are the values of keys that nobody set.
func Defaults() Config {
	return Config{Data: "/var/lib/yagura-sensor", SpoolMaxBytes: 512 << 20, LogLevel: "info"}
}

// Example is the file that docs/config.md shows; a test loads it.
const Example = `spool_max_bytes: 1073741824
proxy: http://proxy.example.com:3128
proxy_user: sensor
proxy_password_file: /etc/yagura/proxy.password
no_proxy: .example.net, 192.0.2.0/24
forbid:
  - C3
`

// LoadConfig reads a file over c. An unknown key is an error that names the nearest one. A missing file is
// one only when must is set.
func LoadConfig(c Config, file string, must bool) (Config, error) {
	c.File = file
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read configuration: %w", err)
	}
	return c, c.parse(b)
}

const maxConfig = 64 << 10

func (c *Config) parse(b []byte) error {
	if len(b) > maxConfig {
		return fmt.Errorf("configuration %s of %d bytes, at most %d are read", c.File, len(b), maxConfig)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("configuration %s: %w", c.File, err)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return fmt.Errorf("configuration %s: line %d: want key: value lines", c.File, top.Line)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key := top.Content[i]
		if !slices.Contains(Keys(), key.Value) {
			return fmt.Errorf("configuration %s: line %d: unknown key %q, did you mean %q?", c.File, key.Line, key.Value, nearest(key.Value))
		}
		if seen[key.Value] {
			return fmt.Errorf("configuration %s: line %d: key %q stands twice", c.File, key.Line, key.Value)
		}
		seen[key.Value] = true
		field := reflect.ValueOf(c).Elem().Field(slices.Index(Keys(), key.Value) + 1) // File has no key
		if err := top.Content[i+1].Decode(field.Addr().Interface()); err != nil {
			return fmt.Errorf("configuration %s: line %d: %s wants a %s", c.File, key.Line, key.Value, wants(field.Kind()))
		}
	}
	return c.Check()
}

// Check says what a value cannot be.
func (c *Config) Check() error {
	if c.Data == "" {
		return errors.New("data is empty: name the sensor's folder")
	}
	if c.SpoolMaxBytes < 1<<20 {
		return fmt.Errorf("spool_max_bytes is %d: at least 1048576 (1 MiB) are needed", c.SpoolMaxBytes)
	}
	for _, f := range c.Forbid {
		ok := slices.Contains([]string{"C0", "C1", "C2", "C3", "C4"}, f)
		if _, err := command.ClassOf(command.Verb(f), 1, 1); err == nil {
			ok = true
		}
		if !ok {
			return fmt.Errorf("forbid names %q, which is neither a verb nor a class C0 to C4", f)
		}
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		return fmt.Errorf("log_level is %q: want debug, info, warn or error", c.LogLevel)
	}
	return nil
}

func wants(k reflect.Kind) string {
	switch k {
	case reflect.Int64:
		return "whole number"
	case reflect.Slice:
		return "list"
	default:
		return "text"
	}
}

// Key is one key of the file as documents and help describe it.
type Key struct {
	Name, Type, Default, Bound string
	Help, Ja                   string // what it is for
}

// FlagHelp gives what help says of the key, in English or Japanese.
func (k Key) FlagHelp(ja bool) string {
	switch {
	case ja && k.Default != "":
		return k.Ja + "(既定値 " + k.Default + ")"
	case ja:
		return k.Ja
	case k.Default != "":
		return k.Help + " (default " + k.Default + ")"
	}
	return k.Help
}

// Described gives every key of the file in its order.
func Described() []Key {
	var out []Key
	defaults := reflect.ValueOf(Defaults())
	for f := range reflect.TypeFor[Config]().Fields() {
		name := f.Tag.Get("yaml")
		if name == "-" {
			continue
		}
		k := Key{Name: name, Type: wants(f.Type.Kind()), Bound: f.Tag.Get("bound"), Help: f.Tag.Get("help"), Ja: f.Tag.Get("ja")}
		if v := defaults.FieldByIndex(f.Index); !v.IsZero() {
			k.Default = fmt.Sprint(v.Interface())
		}
		out = append(out, k)
	}
	return out
}

// Keys lists the names of the keys.
func Keys() (out []string) {
	for _, k := range Described() {
		out = append(out, k.Name)
	}
	return out
}

// nearest gives the known key with the fewest edits.
func nearest(key string) string {
	best, cost := "", 1<<30
	for _, k := range Keys() {
		if n := edits(key, k); n < cost {
			best, cost = k, n
		}
	}
	return best
}

func edits(a, b string) int {
	if len(a) > 64 {
		a = a[:64]
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left, diagonal := i+1, row[0]
		row[0] = left
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j+1], left)
			}
			diagonal, row[j+1], left = row[j+1], cost, cost
		}
	}
	return row[len(b)]
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
