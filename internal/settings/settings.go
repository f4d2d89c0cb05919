// Package settings reads the one configuration file of a program, puts the flags of its command line over
// it, and says where each value came from.
//
// A structure is the whole list of what a program can be told. Its fields carry tags: `key` is the name in the
// file, `help` and `ja` say what it is for, and default, min, max and enum what it can be; a field without
// `key` is none. From them come the strict reading, the flags, the help in both languages and docs/config.md.
// An unknown key is an error that names the nearest one; nothing is taken from the environment.
//
// internal/config describes the server to it and internal/sensor/agent the sensor. It knows neither, nor what
// their values mean together: each of them checks that itself.
package settings

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Input is what a configuration is made of beside the defaults of its tags. Later ones win: the file, Flags.
type Input struct {
	File  string              // its path; empty: none
	Flags map[string][]string // by key, what the command line gave
	Forms Forms               // what the form tags of the structure mean
	// Blanks leaves a key that stands in the file without a value at its default; else it is a mistake.
	Blanks bool
}

// Forms says by name what a text may look like; a form gives nil for a text that is right. A list has the
// form of its entries.
type Forms map[string]func(text string) *Mistake

// Origin says where the values of a configuration came from.
type Origin struct {
	File    string            // that was read; empty: none
	Sources map[string]string // by key: "default", "flag", or FILE:LINE
}

const (
	fromDefault = "default"
	fromFlag    = "flag"
)

// Load fills into, a pointer to a structure of keys. Every mistake that it finds is in the error, one a line.
func Load(into any, in Input) (Origin, error) {
	o := Origin{File: in.File, Sources: map[string]string{}}
	root := reflect.ValueOf(into).Elem()
	keys := keysOf(root.Type(), "", nil)
	var errs []error
	for _, k := range keys {
		if k.Default != "" {
			if m := in.Forms.scalar(root.FieldByIndex(k.index), k.tag, k.Default); m != nil {
				panic("the default of a key cannot be: " + m.At("", k.Path).Error())
			}
		}
		o.Sources[k.Path] = fromDefault
	}
	if in.File != "" {
		bind := binder{file: in.File, sources: o.Sources, forms: in.Forms, blanks: in.Blanks}
		if err := bind.read(root); err != nil {
			errs = append(errs, err)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(in.Flags)) {
		i := slices.IndexFunc(keys, func(k Key) bool { return k.Path == path })
		if i < 0 {
			errs = append(errs, unknown("", path, paths(keys)))
			continue
		}
		errs = append(errs, in.setFlag(root.FieldByIndex(keys[i].index), keys[i], in.Flags[path])...)
		from := fromFlag
		if before := o.Sources[path]; keys[i].adds() && before != fromDefault {
			from = before + ", " + fromFlag
		}
		o.Sources[path] = from
	}
	return o, errors.Join(errs...)
}

// Problem is a value that reads well and will not work.
type Problem struct {
	Key    string `json:"key"`
	Source string `json:"source"`
	What   Said   `json:"what"`
}

// Problem says in both languages what is wrong with a key, or with one entry of a list, such as hooks[0].url.
func (o Origin) Problem(key, en, ja string) Problem {
	source := o.Sources[key]
	if i := strings.IndexByte(key, '['); i > 0 && source == "" {
		source = o.Sources[key[:i]]
	}
	return Problem{Key: key, Source: source, What: Said{En: en, Ja: ja}}
}
