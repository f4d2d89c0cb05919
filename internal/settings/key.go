package settings

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
)

// Said is a sentence in both languages.
type Said = detection.Said

// Key is one row of the configuration.
type Key struct {
	Path    string // notify.smtp.host
	Flag    string // notify-smtp-host, without the dashes
	Type    string // text, number, size, duration, true or false, list of text, list
	Value   string // what help calls its value, such as DIR; empty: Type
	Default string
	Bound   string // what else it must be, as a person writes it; empty: nothing
	Enum    []string
	Help    Said
	List    bool // a flag may be repeated
	Items   []Key

	index []int // of the field in the structure
	tag   reflect.StructTag
}

// Keys gives every key of a structure in its order.
func Keys(structure any) []Key { return keysOf(reflect.TypeOf(structure), "", nil) }

func keysOf(t reflect.Type, prefix string, index []int) []Key {
	var out []Key
	for i := range t.NumField() {
		f := t.Field(i)
		name, ok := f.Tag.Lookup("key")
		if !ok {
			continue
		}
		at := append(slices.Clone(index), i)
		path := prefix + name
		if f.Type.Kind() == reflect.Struct {
			out = append(out, keysOf(f.Type, path+".", at)...)
			continue
		}
		k := Key{
			Path: path, Flag: strings.NewReplacer(".", "-", "_", "-").Replace(path), Type: typeName(f.Type), Value: f.Tag.Get("value"),
			Default: f.Tag.Get("default"), Bound: bound(f.Tag), Enum: words(f.Tag.Get("enum")),
			Help: Said{En: f.Tag.Get("help"), Ja: f.Tag.Get("ja")}, List: f.Type.Kind() == reflect.Slice, index: at, tag: f.Tag,
		}
		if k.List && f.Type.Elem().Kind() == reflect.Struct {
			k.Items = keysOf(f.Type.Elem(), path+"[].", nil)
		}
		out = append(out, k)
	}
	return out
}

func paths(keys []Key) []string {
	var out []string
	for _, k := range keys {
		out = append(out, k.Path)
	}
	return out
}

func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[Bytes]():
		return "size"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "number"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			return "list"
		}
		return "list of " + typeName(t.Elem())
	}
	return "text"
}

// bound gives the least and greatest value as a person writes them, or what the tag says of a text.
func bound(tag reflect.StructTag) string {
	low, high := tag.Get("min"), tag.Get("max")
	switch {
	case low != "" && high != "":
		return low + " to " + high
	case low != "":
		return low + " or more"
	}
	return tag.Get("bound")
}

// adds says whether entries of a flag come behind those of the file; else they stand in their place.
func (k Key) adds() bool { return k.tag.Get("flag") == "adds" }

// FlagHelp gives what help says of a key, in a language.
func (k Key) FlagHelp(lang string) string {
	help := k.Help.In(lang)
	switch {
	case k.Default == "":
	case lang == "ja":
		help += "(既定値 " + k.Default + ")"
	default:
		help += " (default " + k.Default + ")"
	}
	return help
}

// Table gives the keys as a table of docs/config.md.
func Table(keys []Key) string {
	var b strings.Builder
	row := func(k Key, flag string) {
		value := k.Type
		if len(k.Enum) > 0 {
			value = strings.Join(k.Enum, ", ")
		}
		def := ""
		if k.Default != "" {
			def = "`" + k.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", k.Path, flag, value, def, k.Bound, k.Help.En, k.Help.Ja)
	}
	b.WriteString("| key | flag | value | default | bounds | what | 説明 |\n|---|---|---|---|---|---|---|\n")
	for _, k := range keys {
		row(k, "`--"+k.Flag+"`")
		for _, item := range k.Items {
			row(item, "")
		}
	}
	return b.String()
}
