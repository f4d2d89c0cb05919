package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// FlagGroup is the heading over these flags in help.
const FlagGroup = "Configuration (keys of server.yaml):"

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

// Flags makes one command-line flag of every key, for kong: put Struct() into a kong.Plugins field of a
// verb and read Given() once the line is parsed.
type Flags struct {
	keys []Key
	v    reflect.Value // pointer to the structure, one pointer or list a key; nil: not given
}

// NewFlags makes the flags of all keys but the named ones, which the verb declares itself.
func NewFlags(except ...string) *Flags {
	f := &Flags{}
	var fields []reflect.StructField
	for _, k := range Keys() {
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
		tag := fmt.Sprintf("name:%s help:%s group:%s placeholder:%s", strconv.Quote(k.Flag), strconv.Quote(k.FlagHelp("en")), strconv.Quote(FlagGroup), strconv.Quote(k.Type))
		if k.List {
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
