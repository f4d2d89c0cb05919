package origin

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
)

// syntax says how the command line of an interpreter is read, up to the script that it is given.
type syntax struct {
	none  string // short options behind which there is no script: the code is an argument, or is read from standard input
	value string // short options that take the next argument
	long  []string
}

var (
	shell  = syntax{none: "cs", value: "oO", long: []string{"--rcfile", "--init-file"}}
	python = syntax{none: "cm", value: "WX", long: []string{"--check-hash-based-pycs"}}
	perl   = syntax{none: "eE", value: "I"}
	ruby   = syntax{none: "e", value: "IrCE"}
	node   = syntax{none: "ep", value: "rC", long: []string{"--require", "--import", "--loader", "--eval", "--print"}}
	php    = syntax{none: "rRB", value: "cdz"}
	lua    = syntax{none: "e", value: "l"}
)

var interpreters = map[string]*syntax{
	"sh": &shell, "bash": &shell, "dash": &shell, "ash": &shell, "zsh": &shell, "ksh": &shell, "mksh": &shell, "rbash": &shell, "fish": &shell, "csh": &shell, "tcsh": &shell,
	"python": &python, "pypy": &python, "perl": &perl, "ruby": &ruby, "node": &node, "nodejs": &node, "php": &php, "lua": &lua, "luajit": &lua, "tclsh": {},
}

// Operand gives the script that an interpreter was given as an argument, as an absolute path; empty when the program is no
// interpreter, or runs something else. Arguments are ended by NUL each, as the kernel has them. A name with a symbolic link
// inside is not followed: looking a name up may be made to take for ever.
func Operand(p *event.Process, arguments []byte) string {
	s := interpreters[family(p.Path)]
	if s == nil {
		if s = interpreters[family(p.Invoked)]; s == nil {
			return ""
		}
	}
	_, rest, ok := bytes.Cut(arguments, []byte{0}) // its own name
	for n := 0; ok && len(rest) > 0 && n < 32; n++ {
		var arg []byte
		arg, rest, ok = bytes.Cut(rest, []byte{0})
		if !ok {
			arg, rest = slices.Clip(arg), nil
		}
		a := string(arg)
		switch {
		case a == "" || a == "-":
			return ""
		case a == "--":
			arg, _, _ = bytes.Cut(rest, []byte{0})
			return absolute(p.Cwd, string(arg))
		case strings.HasPrefix(a, "--"):
			for _, l := range s.long {
				if a == l {
					_, rest, ok = bytes.Cut(rest, []byte{0})
				}
			}
		case a[0] == '-' || a[0] == '+' && s == &shell:
			skip, none := false, false
			for i := 1; i < len(a) && !none && !skip; i++ {
				none = a[0] == '-' && strings.IndexByte(s.none, a[i]) >= 0
				skip = strings.IndexByte(s.value, a[i]) >= 0 && i == len(a)-1
			}
			if none {
				return ""
			}
			if skip {
				_, rest, ok = bytes.Cut(rest, []byte{0})
			}
		default:
			return absolute(p.Cwd, a)
		}
	}
	return ""
}

// family gives the name of a program without its version.
func family(p string) string {
	base := path.Base(p)
	if i := strings.IndexAny(base, "0123456789.-"); i > 0 {
		base = base[:i]
	}
	return base
}

func absolute(dir, p string) string {
	if p == "" {
		return ""
	}
	if p[0] != '/' {
		if dir == "" {
			return ""
		}
		return path.Join(dir, p)
	}
	return path.Clean(p)
}
