package settings

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

// Flags makes one command-line flag of every key, for kong: put Struct() into a kong.Plugins field of a
// verb and read Given() once the line is parsed.
type Flags struct {
	keys []Key
	v    reflect.Value // pointer to the structure, one pointer or list a key; nil: not given
}

// NewFlags makes the flags of all keys but the named ones, which the verb declares itself. Help shows them
// under the heading group; empty: among the others.
func NewFlags(keys []Key, group string, except ...string) *Flags {
	f := &Flags{}
	var fields []reflect.StructField
	for _, k := range keys {
		if slices.Contains(except, k.Path) {
			continue
		}
		t := reflect.TypeFor[*string]()
		switch {
		case k.List:
			t = reflect.TypeFor[[]string]()
		case k.Type == "true or false":
			t = reflect.TypeFor[*bool]()
		}
		value := k.Value
		if value == "" {
			value = k.Type
		}
		tag := fmt.Sprintf("name:%s help:%s placeholder:%s", strconv.Quote(k.Flag), strconv.Quote(k.FlagHelp("en")), strconv.Quote(value))
		if group != "" {
			tag += " group:" + strconv.Quote(group)
		}
		if k.List && k.tag.Get("flag") != "adds" {
			tag += ` sep:"none"`
		}
		f.keys = append(f.keys, k)
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("K%d", len(fields)), Type: t, Tag: reflect.StructTag(tag)})
	}
	f.v = reflect.New(reflect.StructOf(fields))
	return f
}

// Struct gives the pointer that kong fills.
func (f *Flags) Struct() any { return f.v.Interface() }

// Given gives what the command line said, by key, for Input.Flags.
func (f *Flags) Given() map[string][]string {
	out := map[string][]string{}
	for i, k := range f.keys {
		switch v := f.v.Elem().Field(i).Interface().(type) {
		case *string:
			if v != nil {
				out[k.Path] = []string{*v}
			}
		case *bool:
			if v != nil {
				out[k.Path] = []string{strconv.FormatBool(*v)}
			}
		case []string:
			if len(v) > 0 {
				out[k.Path] = v
			}
		}
	}
	return out
}

// setFlag writes what a flag gave. A list of text takes one entry a flag; a list of structures takes
// YAML, such as '[{name: soc, url: https://…}]'.
func (in *Input) setFlag(v reflect.Value, k Key, texts []string) (errs []error) {
	at := "--" + k.Flag
	if !k.List {
		if len(texts) != 1 {
			return []error{Wrong("given %d times, want once", "%d 回指定されています。1 回にしてください", len(texts)).At(at, "")}
		}
		if m := in.Forms.scalar(v, k.tag, texts[0]); m != nil {
			return []error{m.At(at, "")}
		}
		return nil
	}
	if !k.adds() {
		v.SetZero()
	}
	for _, text := range texts {
		if k.Items == nil {
			one := reflect.New(v.Type().Elem()).Elem()
			if m := in.Forms.scalar(one, k.tag, text); m != nil {
				errs = append(errs, m.At(at, ""))
			}
			v.Set(reflect.Append(v, one))
			continue
		}
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) != 1 {
			errs = append(errs, Wrong("%q is no YAML list", "%q は YAML のリストとして読めません", text).At(at, ""))
			continue
		}
		b := binder{file: at, sources: map[string]string{}, forms: in.Forms}
		b.value(v, "", k.Path, doc.Content[0])
		errs = append(errs, b.errs...)
	}
	return errs
}
