package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strconv"
	"strings"
	"syscall"

	"gopkg.in/yaml.v3"
)

const maxFile = 1 << 20 // bytes of a configuration file

// binder writes YAML nodes into the structure, strictly: every key known and given once, no aliases, no
// guessing of types.
type binder struct {
	file    string
	sources map[string]string
	forms   Forms
	blanks  bool
	errs    []error
}

// read takes in the file, which is one YAML document of keys or nothing.
func (b *binder) read(root reflect.Value) error {
	text, err := readFile(b.file)
	if err != nil {
		return err
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil // empty, or comments only
	} else if err != nil {
		return Wrong("%s", "YAML として読めません: %s", strings.TrimPrefix(err.Error(), "yaml: ")).At(b.file, "")
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Wrong("more than one YAML document: keep one", "YAML 文書が二つ以上あります。一つにしてください").At(b.file, "")
	}
	if top := doc.Content[0]; !isBlank(top) {
		b.structure(root, "", top)
	}
	return errors.Join(b.errs...)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, Wrong("there is no configuration %s: correct --config or remove it", "設定ファイル %s がありません。--config を確かめてください", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, Wrong("this user may not read the configuration %s", "設定ファイル %s を読む権限がありません", path)
	case errors.Is(err, syscall.ENOTDIR):
		return nil, Wrong("there is no configuration %s: something in that path is no folder; correct --config or --data", "設定ファイル %s がありません。途中にフォルダーでないものがあります。--config と --data を確かめてください", path)
	case err != nil:
		return nil, Wrong("read configuration: %v: correct --config or remove it", "設定ファイルを読み取れません: %v。--config を確かめてください", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, Wrong("read configuration: %v", "設定ファイルを読み取れません: %v", err).At(path, "")
	}
	if len(text) > maxFile {
		return nil, Wrong("over %d bytes: this is no configuration file", "%d バイトを超えています。設定ファイルではないようです", maxFile).At(path, "")
	}
	return text, nil
}

func isBlank(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func (b *binder) fail(n *yaml.Node, m *Mistake) {
	at := b.file
	if !strings.HasPrefix(at, "--") { // the YAML of a flag is one line
		at += ":" + strconv.Itoa(n.Line)
	}
	b.errs = append(b.errs, m.At(at, ""))
}

func (b *binder) structure(v reflect.Value, prefix string, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		b.fail(n, Wrong("%s wants keys with values", "%s には「キー: 値」を書いてください", strings.TrimSpace("configuration "+strings.TrimSuffix(prefix, "."))))
		return
	}
	fields := map[string]int{}
	var names []string
	for i := range v.NumField() {
		if name, ok := v.Type().Field(i).Tag.Lookup("key"); ok {
			fields[name] = i
			names = append(names, name)
		}
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
			b.fail(key, Wrong("%s stands twice", "%s が重複しています", prefix+key.Value))
			continue
		}
		seen[key.Value] = true
		b.value(v.Field(at), v.Type().Field(at).Tag, prefix+key.Value, value)
	}
}

func (b *binder) value(v reflect.Value, tag reflect.StructTag, path string, n *yaml.Node) {
	if b.blanks && isBlank(n) {
		return
	}
	b.sources[path] = b.file + ":" + strconv.Itoa(n.Line)
	switch {
	case n.Kind == yaml.AliasNode:
		b.fail(n, Wrong("%s: aliases are not taken: write the value", "%s: エイリアスは使えません。値を書いてください", path))
	case v.Kind() == reflect.Struct:
		delete(b.sources, path)
		b.structure(v, path+".", n)
	case v.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			b.fail(n, Wrong("%s wants a list", "%s にはリストを書いてください", path))
			return
		}
		for i, item := range n.Content {
			one := reflect.New(v.Type().Elem()).Elem()
			b.value(one, tag, fmt.Sprintf("%s[%d]", path, i), item)
			v.Set(reflect.Append(v, one))
		}
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		b.fail(n, Wrong("%s wants a value", "%s に値がありません", path))
	default:
		if m := b.forms.scalar(v, tag, n.Value); m != nil {
			b.fail(n, m.At("", path))
		}
	}
}
