package config

import (
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
)

// Key is one row of the configuration.
type Key struct {
	Path    string // notify.smtp.host
	Flag    string // notify-smtp-host, without the dashes
	Type    string // text, number, size, duration, yes/no, list of text, list of …
	Default string
	Low     string // least and greatest value; empty: none
	High    string
	Enum    []string
	Help    detection.Said
	List    bool // a flag may be repeated
	Items   []Key
	index   []int // of the field in Server
}

// Keys gives every key of Server in its order.
func Keys() []Key { return keysOf(reflect.TypeFor[Server](), "", nil) }

func keysOf(t reflect.Type, prefix string, index []int) []Key {
	var out []Key
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(slices.Clone(index), i)
		path := prefix + f.Tag.Get("key")
		if f.Type.Kind() == reflect.Struct {
			out = append(out, keysOf(f.Type, path+".", at)...)
			continue
		}
		k := Key{
			Path: path, Flag: strings.NewReplacer(".", "-", "_", "-").Replace(path), Type: typeName(f.Type), Default: f.Tag.Get("default"), Low: f.Tag.Get("min"), High: f.Tag.Get("max"),
			Help: detection.Said{En: f.Tag.Get("help"), Ja: f.Tag.Get("ja")}, List: f.Type.Kind() == reflect.Slice, index: at,
		}
		if e := f.Tag.Get("enum"); e != "" {
			k.Enum = strings.Split(e, ",")
		}
		if k.List && f.Type.Elem().Kind() == reflect.Struct {
			k.Items = keysOf(f.Type.Elem(), path+"[].", nil)
		}
		out = append(out, k)
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

// setScalar writes text into v by the rules of the field's tags.
func setScalar(v reflect.Value, tag reflect.StructTag, text string) *Mistake {
	low, high := tag.Get("min"), tag.Get("max")
	switch v.Type() {
	case reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(text)
		if err != nil {
			return wrong("%q is no duration such as 60s or 5m", "%q は時間として読めません(例: 60s、5m)", text)
		}
		if outside(d, low, high, time.ParseDuration) {
			return wrong("%s is outside %s to %s", "%s は範囲外です(%s から %s まで)", text, low, high)
		}
		v.SetInt(int64(d))
		return nil
	case reflect.TypeFor[Bytes]():
		b, err := parseBytes(text)
		if err != nil {
			return wrong("%q is no size such as 512MiB or 4GiB", "%q はサイズとして読めません(例: 512MiB、4GiB)", text)
		}
		if outside(b, low, high, parseBytes) {
			return wrong("%s is less than %s", "%s は小さすぎます(%s 以上)", text, low)
		}
		v.SetInt(int64(b))
		return nil
	}
	switch v.Kind() {
	case reflect.Bool:
		if text != "true" && text != "false" {
			return wrong("%q is neither true nor false", "%q は true でも false でもありません", text)
		}
		v.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return wrong("%q is no whole number", "%q は整数ではありません", text)
		}
		if outside(n, low, high, strconv.Atoi) {
			return wrong("%d is outside %s to %s", "%d は範囲外です(%s から %s まで)", n, low, high)
		}
		v.SetInt(int64(n))
	case reflect.String:
		if strings.ContainsAny(text, "\x00\r\n") {
			return wrong("%q holds a line end", "%q に改行が含まれています", text)
		}
		if e, ok := tag.Lookup("enum"); ok && !slices.Contains(strings.Split(e, ","), text) {
			list := strings.Join(strings.FieldsFunc(e, func(r rune) bool { return r == ',' }), ", ")
			return wrong("%q is none of %s", "%q は使えません(%s のいずれか)", text, list)
		}
		if tag.Get("form") == "host" && text != "" && !isHost(text) {
			return wrong("%q is no name or address of a machine: give edr.example.com or 192.0.2.7, without https:// and port", "%q はマシンの名前でもアドレスでもありません。edr.example.com や 192.0.2.7 のように、https:// とポートを付けずに指定してください", text)
		}
		v.SetString(text)
	default:
		panic("configuration field of kind " + v.Kind().String())
	}
	return nil
}

var label = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// isHost says whether text is the name or the address of one machine, as a certificate can carry it and a URL can name it.
func isHost(text string) bool {
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip.Zone() == "" && !ip.IsUnspecified()
	}
	if len(text) > 253 {
		return false
	}
	labels := strings.Split(text, ".")
	for _, l := range labels {
		if !label.MatchString(l) {
			return false
		}
	}
	_, err := strconv.Atoi(labels[len(labels)-1]) // 300.1.2.3 is an address that was mistyped
	return err != nil
}

// outside reports whether x leaves the bounds of the tags; an empty bound is none.
func outside[T int | time.Duration | Bytes](x T, low, high string, parse func(string) (T, error)) bool {
	if b, err := parse(low); low != "" && err == nil && x < b {
		return true
	}
	b, err := parse(high)
	return high != "" && err == nil && x > b
}

var units = []struct {
	name string
	size int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

func parseBytes(text string) (Bytes, error) {
	number, size := text, int64(1)
	for _, u := range units {
		if n, ok := strings.CutSuffix(text, u.name); ok {
			number, size = strings.TrimSpace(n), u.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/size {
		return 0, fmt.Errorf("size %q", text)
	}
	return Bytes(n * size), nil
}

// String gives the size with the greatest unit that divides it.
func (b Bytes) String() string {
	for _, u := range units {
		if b != 0 && int64(b)%u.size == 0 && u.size > 1 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}
