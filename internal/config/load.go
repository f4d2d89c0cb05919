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
			if err := setScalar(root.FieldByIndex(k.index), tagOf(k), text); err != nil {
				errs = append(errs, fmt.Errorf("default of %s: %w", k.Path, err))
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
			errs = append(errs, fmt.Errorf("no key is called %s: %s", path, meant(path, keys)))
			continue
		}
		if err := setFlag(root.FieldByIndex(k.index), k, texts); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", k.Flag, err))
		}
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
func setFlag(v reflect.Value, k Key, texts []string) error {
	if !k.List {
		if len(texts) != 1 {
			return fmt.Errorf("given %d times, want once", len(texts))
		}
		return setScalar(v, tagOf(k), texts[0])
	}
	v.SetZero()
	for _, text := range texts {
		if k.Items == nil {
			one := reflect.New(v.Type().Elem()).Elem()
			if err := setScalar(one, "", text); err != nil {
				return err
			}
			v.Set(reflect.Append(v, one))
			continue
		}
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) != 1 {
			return fmt.Errorf("%q is no YAML list", text)
		}
		b := binder{file: "flag", sources: map[string]string{}}
		b.value(v, "", k.Path, doc.Content[0])
		if err := errors.Join(b.errs...); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) readFile(path string, root reflect.Value) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w: correct --config or remove it", err)
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return fmt.Errorf("read configuration %s: %w", path, err)
	}
	if len(b) > maxFile {
		return fmt.Errorf("read configuration %s: over %d bytes: this is no configuration file", path, maxFile)
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil // empty, or comments only
	} else if err != nil {
		return fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: more than one YAML document: keep one", path)
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

func (b *binder) fail(n *yaml.Node, format string, a ...any) {
	b.errs = append(b.errs, fmt.Errorf("%s:%d: %s", b.file, n.Line, fmt.Sprintf(format, a...)))
}

func (b *binder) structure(v reflect.Value, prefix string, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		b.fail(n, "%s wants keys with values", strings.TrimSpace("configuration "+strings.TrimSuffix(prefix, ".")))
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
			b.fail(key, "no key is called %s%s: %s", prefix, key.Value, nearest(prefix, key.Value, names))
			continue
		}
		if seen[key.Value] {
			b.fail(key, "%s%s stands twice", prefix, key.Value)
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
		b.fail(n, "%s: aliases are not taken: write the value", path)
	case v.Kind() == reflect.Struct:
		delete(b.sources, path)
		b.structure(v, path+".", n)
	case v.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			b.fail(n, "%s wants a list", path)
			return
		}
		for i, item := range n.Content {
			one := reflect.New(v.Type().Elem()).Elem()
			b.value(one, "", fmt.Sprintf("%s[%d]", path, i), item)
			v.Set(reflect.Append(v, one))
		}
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		b.fail(n, "%s wants a value", path)
	default:
		if err := setScalar(v, tag, n.Value); err != nil {
			b.fail(n, "%s: %v", path, err)
		}
	}
}
