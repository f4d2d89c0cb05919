package config

import (
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/yagura-edr/yagura/internal/detection"
)

// Print writes the configuration in force as YAML, its heading in a language, each line with the origin of its value. It holds no
// secret: passwords stand in files, and of a webhook's URL only the host is shown, because many carry a
// secret in their path.
func (c *Config) Print(w io.Writer, lang string) error {
	out := &strings.Builder{}
	head := detection.Said{En: "no configuration file", Ja: "設定ファイルはありません"}
	if c.Path != "" {
		head = detection.Said{En: "read from " + c.Path, Ja: c.Path + " から読み込み"}
	}
	fmt.Fprintf(out, "# %s\n", head.In(lang))
	c.print(out, reflect.ValueOf(c.Server), "", 0)
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return nil
}

func (c *Config) print(w *strings.Builder, v reflect.Value, prefix string, depth int) {
	pad := strings.Repeat("  ", depth)
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Tag.Get("key")
		path := prefix + name
		from := "  # " + c.Sources[path]
		switch {
		case f.Kind() == reflect.Struct:
			fmt.Fprintf(w, "%s%s:\n", pad, name)
			c.print(w, f, path+".", depth+1)
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
						key := item.Type().Field(k).Tag.Get("key")
						fmt.Fprintf(w, "%s  %s%s: %s\n", pad, lead, key, scalar(key, sub))
						lead = "  "
					}
				}
			}
		default:
			fmt.Fprintf(w, "%s%s: %s%s\n", pad, name, scalar(name, f), from)
		}
	}
}

func scalar(key string, v reflect.Value) string {
	text := fmt.Sprint(v.Interface())
	switch x := v.Interface().(type) {
	case time.Duration:
		text = shortDuration(x)
	case string:
		if u, err := url.Parse(x); key == "url" && err == nil {
			text = u.Scheme + "://" + u.Host + "/…"
		}
		b, err := yaml.Marshal(text)
		if err != nil {
			return fmt.Sprintf("%q", text)
		}
		text = strings.TrimSpace(string(b))
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

// JSON gives the values and origins by key, for `config print --json`.
func (c *Config) JSON() map[string]Value {
	out := map[string]Value{}
	root := reflect.ValueOf(c.Server)
	for _, k := range Keys() {
		v := root.FieldByIndex(k.index)
		value := v.Interface()
		switch x := value.(type) {
		case time.Duration:
			value = shortDuration(x)
		case Bytes:
			value = x.String()
		case []Webhook:
			list := []map[string]any{}
			for i := range x {
				item := map[string]any{}
				for j := range v.Index(i).NumField() {
					key := v.Index(i).Type().Field(j).Tag.Get("key")
					if item[key] = v.Index(i).Field(j).Interface(); key == "url" {
						item[key] = scalar(key, v.Index(i).Field(j))
					}
				}
				list = append(list, item)
			}
			value = list
		case []string:
			value = append([]string{}, x...)
		}
		out[k.Path] = Value{Value: value, Source: c.Sources[k.Path]}
	}
	return out
}

// Value is one key of Config.JSON.
type Value struct {
	Value  any    `json:"value"`
	Source string `json:"source"`
}
