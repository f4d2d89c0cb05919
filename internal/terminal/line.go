package terminal

import (
	"errors"
	"runtime/debug"
	"slices"

	"github.com/alecthomas/kong"
)

// Meant takes what people try first for what they mean: no argument and help, help VERB, --version.
func Meant(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case args[0] == "--version", args[0] == "-v", args[0] == "-V":
		return append([]string{"version"}, args[1:]...)
	}
	return args
}

// Misused names the verb of a program whose help would have shown what went wrong with a command line.
func Misused(err error, program string) string {
	if pe, ok := errors.AsType[*kong.ParseError](err); ok && pe.Context != nil {
		if n := pe.Context.Selected(); n != nil {
			return n.FullPath()
		}
	}
	return program
}

// Revision gives the commit that this program was built from; empty: it was built without one.
func Revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, kv := range info.Settings {
			if kv.Key == "vcs.revision" {
				return kv.Value
			}
		}
	}
	return ""
}
