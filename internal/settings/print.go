package settings

import (
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Print writes a structure of keys as YAML, its heading in a language, each line with the origin of its
// value. It holds no secret: passwords stand in files, and of an address that may carry one only a part is
// shown, as the show tag says.
func (o Origin) Print(w io.Writer, lang string, structure any) error {
	out := &strings.Builder{}
	head := Said{En: "no configuration file", Ja: "設定ファイルはありません"}
	if o.File != "" {
		head = Said{En: "read from " + o.File, Ja: o.File + " から読み込み"}
	}
	fmt.Fprintf(out, "# %s\n", head.In(lang))
	o.print(out, reflect.ValueOf(structure), "", 0)
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return nil
}

func (o Origin) print(w *strings.Builder, v reflect.Value, prefix string, depth int) {
	pad := strings.Repeat("  ", depth)
	for i := range v.NumField() {
		f, tag := v.Field(i), v.Type().Field(i).Tag
		name, ok := tag.Lookup("key")
		if !ok {
			continue
		}
		path := prefix + name
		from := "  # " + o.Sources[path]
		switch {
		case f.Kind() == reflect.Struct:
			fmt.Fprintf(w, "%s%s:\n", pad, name)
			o.print(w, f, path+".", depth+1)
		case f.Kind() == reflect.Slice && f.Len() == 0:
			fmt.Fprintf(w, "%s%s: []%s\n", pad, name, from)
		case f.Kind() == reflect.Slice:
			fmt.Fprintf(w, "%s%s:%s\n", pad, name, from)
			for j := range f.Len() {
				item := f.Index(j)
				if item.Kind() != reflect.Struct {
					fmt.Fprintf(w, "%s  - %s\n", pad, scalar("", item))
					continue
				}
				lead := "- "
				for k := range item.NumField() {
					if sub := item.Field(k); k == 0 || !sub.IsZero() { // the first field, a name, opens the entry
						tag := item.Type().Field(k).Tag
						fmt.Fprintf(w, "%s  %s%s: %s\n", pad, lead, tag.Get("key"), scalar(tag, sub))
						lead = "  "
					}
				}
			}
		default:
			fmt.Fprintf(w, "%s%s: %s%s\n", pad, name, scalar(tag, f), from)
		}
	}
}

// scalar gives a value as YAML.
func scalar(tag reflect.StructTag, v reflect.Value) string {
	value := plain(tag, v)
	if v.Kind() != reflect.String {
		return fmt.Sprint(value)
	}
	b, err := yaml.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%q", value)
	}
	return strings.TrimSpace(string(b))
}

// plain gives a value as it may be shown, in a type that JSON has.
func plain(tag reflect.StructTag, v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Duration:
		return shortDuration(x)
	case Bytes:
		return x.String()
	case string:
		return shown(tag.Get("show"), x)
	case []string:
		return append([]string{}, x...)
	}
	if v.Kind() != reflect.Slice {
		return v.Interface()
	}
	list := []map[string]any{}
	for i := range v.Len() {
		item := map[string]any{}
		for j := range v.Index(i).NumField() {
			tag := v.Index(i).Type().Field(j).Tag
			item[tag.Get("key")] = plain(tag, v.Index(i).Field(j))
		}
		list = append(list, item)
	}
	return list
}

// shown leaves out of an address what can be a secret: all behind its host, or all before it.
func shown(how, text string) string {
	switch how {
	case "host":
		if u, err := url.Parse(text); err == nil {
			return u.Scheme + "://" + u.Host + "/…"
		}
	case "no user":
		if at := strings.LastIndexByte(text, '@'); at >= 0 {
			return "…" + text[at:]
		}
	}
	return text
}

// shortDuration writes 2m instead of 2m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// JSON gives the values and origins of a structure by key, for `config print --json`.
func (o Origin) JSON(structure any) map[string]Value {
	out := map[string]Value{}
	root := reflect.ValueOf(structure)
	for _, k := range Keys(structure) {
		out[k.Path] = Value{Value: plain(k.tag, root.FieldByIndex(k.index)), Source: o.Sources[k.Path]}
	}
	return out
}

// Value is one key of Origin.JSON.
type Value struct {
	Value  any    `json:"value"`
	Source string `json:"source"`
}
