package settings

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bytes is a size; it is written 512MiB, 4GiB or as a plain number.
type Bytes int64

// scalar writes text into v by the rules of the field's tags.
func (f Forms) scalar(v reflect.Value, tag reflect.StructTag, text string) *Mistake {
	low, high := tag.Get("min"), tag.Get("max")
	switch v.Type() {
	case reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(text)
		if err != nil {
			return Wrong("%q is no duration such as 60s or 5m", "%q は時間として読めません(例: 60s、5m)", text)
		}
		if outside(d, low, high, time.ParseDuration) {
			return Wrong("%s is outside %s to %s", "%s は範囲外です(%s から %s まで)", text, low, high)
		}
		v.SetInt(int64(d))
		return nil
	case reflect.TypeFor[Bytes]():
		b, err := parseBytes(text)
		if err != nil {
			return Wrong("%q is no size such as 512MiB or 4GiB", "%q はサイズとして読めません(例: 512MiB、4GiB)", text)
		}
		if outside(b, low, high, parseBytes) {
			return Wrong("%s is less than %s", "%s は小さすぎます(%s 以上)", text, low)
		}
		v.SetInt(int64(b))
		return nil
	}
	switch v.Kind() {
	case reflect.Bool:
		if text != "true" && text != "false" {
			return Wrong("%q is neither true nor false", "%q は true でも false でもありません", text)
		}
		v.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return Wrong("%q is no whole number", "%q は整数ではありません", text)
		}
		if outside(n, low, high, strconv.Atoi) {
			return Wrong("%d is outside %s to %s", "%d は範囲外です(%s から %s まで)", n, low, high)
		}
		v.SetInt(int64(n))
	case reflect.String:
		if m := f.text(tag, text); m != nil {
			return m
		}
		v.SetString(text)
	default:
		panic("configuration field of kind " + v.Kind().String())
	}
	return nil
}

// text says what is wrong with a text: its lines, not a word of the list, or not of its form.
func (f Forms) text(tag reflect.StructTag, text string) *Mistake {
	if strings.ContainsAny(text, "\x00\r\n") {
		return Wrong("%q holds a line end", "%q に改行が含まれています", text)
	}
	if e, ok := tag.Lookup("enum"); ok && !slices.Contains(strings.Split(e, ","), text) {
		return Wrong("%q is none of %s", "%q は使えません(%s のいずれか)", text, strings.Join(words(e), ", "))
	}
	name, ok := tag.Lookup("form")
	if !ok {
		return nil
	}
	form, ok := f[name]
	if !ok {
		panic("configuration field of the unknown form " + name)
	}
	return form(text)
}

// words gives those of an enum tag; one that is empty, for a key that may be left out, is none.
func words(enum string) []string {
	return strings.FieldsFunc(enum, func(r rune) bool { return r == ',' })
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
