package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"

	"gopkg.in/yaml.v3"
)

const maxFile = 1 << 20 // bytes of a configuration file

// Input is what a configuration is made of. Later ones win: defaults, Defaults, the file, Flags.
type Input struct {
	Path     string              // file; empty: none
	Defaults map[string]string   // by key, for what depends on the machine, such as data
	Flags    map[string][]string // by key, what the command line gave
}

// Config is a configuration with the origin of each value.
type Config struct {
	Server

	Path    string            // of the file that was read; empty: none
	Sources map[string]string // by key: "default", "flag", or FILE:LINE
}

// Find gives the configuration file of a data directory: DIR/server.yaml, else /etc/yagura/server.yaml,
// else none.
func Find(data string) string {
	for _, p := range []string{filepath.Join(data, "server.yaml"), "/etc/yagura/server.yaml"} {
		if _, err := os.Stat(p); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return p // one that cannot be read is named by Load; passing over it would be a silent failure
		}
	}
	return ""
}

// Load reads and merges; every mistake that it finds is in the error, one a line.
func Load(in Input) (*Config, error) {
	c := &Config{Path: in.Path, Sources: map[string]string{}}
	keys := Keys()
	root := reflect.ValueOf(&c.Server).Elem()
	var errs []error
	for _, k := range keys {
		text, given := in.Defaults[k.Path]
		if !given {
			text = k.Default
		}
		if text != "" {
			if m := setScalar(root.FieldByIndex(k.index), tagOf(k), text); m != nil {
				errs = append(errs, m.of("default", k.Path))
			}
		}
		c.Sources[k.Path] = "default"
	}
	if in.Path != "" {
		if err := c.readFile(in.Path, root); err != nil {
			errs = append(errs, err)
		}
	}
	for path, texts := range in.Flags {
		k, ok := find(keys, path)
		if !ok {
			errs = append(errs, unknown("", path, meant(keys)))
			continue
		}
		errs = append(errs, setFlag(root.FieldByIndex(k.index), k, texts)...)
		c.Sources[path] = "flag"
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

func tagOf(k Key) reflect.StructTag { return reflect.TypeFor[Server]().FieldByIndex(k.index).Tag }

func find(keys []Key, path string) (Key, bool) {
	for _, k := range keys {
		if k.Path == path {
			return k, true
		}
	}
	return Key{}, false
}

// setFlag writes what a flag gave. A list of text takes one entry a flag; a list of structures takes
// YAML, such as '[{name: soc, url: https://…}]'.
func setFlag(v reflect.Value, k Key, texts []string) (errs []error) {
	at := "--" + k.Flag
	if !k.List {
		if len(texts) != 1 {
			return []error{wrong("given %d times, want once", "%d 回指定されています。1 回にしてください", len(texts)).of(at, "")}
		}
		if m := setScalar(v, tagOf(k), texts[0]); m != nil {
			return []error{m.of(at, "")}
		}
		return nil
	}
	v.SetZero()
	for _, text := range texts {
		if k.Items == nil {
			one := reflect.New(v.Type().Elem()).Elem()
			if m := setScalar(one, "", text); m != nil {
				errs = append(errs, m.of(at, ""))
			}
			v.Set(reflect.Append(v, one))
			continue
		}
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) != 1 {
			errs = append(errs, wrong("%q is no YAML list", "%q は YAML のリストとして読めません", text).of(at, ""))
			continue
		}
		b := binder{file: at, sources: map[string]string{}}
		b.value(v, "", k.Path, doc.Content[0])
		errs = append(errs, b.errs...)
	}
	return errs
}

func (c *Config) readFile(path string, root reflect.Value) error {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return wrong("there is no configuration %s: correct --config or remove it", "設定ファイル %s がありません。--config を確かめてください", path)
	case errors.Is(err, fs.ErrPermission):
		return wrong("this user may not read the configuration %s", "設定ファイル %s を読む権限がありません", path)
	case errors.Is(err, syscall.ENOTDIR):
		return wrong("there is no configuration %s: something in that path is no folder; correct --config or --data", "設定ファイル %s がありません。途中にフォルダーでないものがあります。--config と --data を確かめてください", path)
	case err != nil:
		return wrong("read configuration: %v: correct --config or remove it", "設定ファイルを読み取れません: %v。--config を確かめてください", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return wrong("read configuration: %v", "設定ファイルを読み取れません: %v", err).of(path, "")
	}
	if len(b) > maxFile {
		return wrong("over %d bytes: this is no configuration file", "%d バイトを超えています。設定ファイルではないようです", maxFile).of(path, "")
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil // empty, or comments only
	} else if err != nil {
		return wrong("%s", "YAML として読めません: %s", strings.TrimPrefix(err.Error(), "yaml: ")).of(path, "")
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return wrong("more than one YAML document: keep one", "YAML 文書が二つ以上あります。一つにしてください").of(path, "")
	}
	bind := binder{file: path, sources: c.Sources}
	if top := doc.Content[0]; top.Kind != yaml.ScalarNode || top.Tag != "!!null" {
		bind.structure(root, "", top)
	}
	return errors.Join(bind.errs...)
}

// binder writes YAML nodes into the structure, strictly: every key known and given once, no aliases, no
// guessing of types.
type binder struct {
	file    string
	sources map[string]string
	errs    []error
}

func (b *binder) fail(n *yaml.Node, m *Mistake) {
	at := b.file
	if !strings.HasPrefix(at, "--") { // the YAML of a flag is one line
		at += ":" + strconv.Itoa(n.Line)
	}
	b.errs = append(b.errs, m.of(at, ""))
}

func (b *binder) structure(v reflect.Value, prefix string, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		b.fail(n, wrong("%s wants keys with values", "%s には「キー: 値」を書いてください", strings.TrimSpace("configuration "+strings.TrimSuffix(prefix, "."))))
		return
	}
	fields := map[string]int{}
	var names []string
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("key")
		fields[name] = i
		names = append(names, name)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at, ok := fields[key.Value]
		if !ok || key.Kind != yaml.ScalarNode {
			b.fail(key, unknown(prefix, key.Value, names))
			continue
		}
		if seen[key.Value] {
			b.fail(key, wrong("%s stands twice", "%s が重複しています", prefix+key.Value))
			continue
		}
		seen[key.Value] = true
		b.value(v.Field(at), v.Type().Field(at).Tag, prefix+key.Value, value)
	}
}

func (b *binder) value(v reflect.Value, tag reflect.StructTag, path string, n *yaml.Node) {
	b.sources[path] = b.file + ":" + strconv.Itoa(n.Line)
	switch {
	case n.Kind == yaml.AliasNode:
		b.fail(n, wrong("%s: aliases are not taken: write the value", "%s: エイリアスは使えません。値を書いてください", path))
	case v.Kind() == reflect.Struct:
		delete(b.sources, path)
		b.structure(v, path+".", n)
	case v.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			b.fail(n, wrong("%s wants a list", "%s にはリストを書いてください", path))
			return
		}
		for i, item := range n.Content {
			one := reflect.New(v.Type().Elem()).Elem()
			b.value(one, "", fmt.Sprintf("%s[%d]", path, i), item)
			v.Set(reflect.Append(v, one))
		}
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		b.fail(n, wrong("%s wants a value", "%s に値がありません", path))
	default:
		if m := setScalar(v, tag, n.Value); m != nil {
			b.fail(n, m.of("", path))
		}
	}
}
