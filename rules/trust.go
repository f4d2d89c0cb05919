package rules

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/yagura-edr/yagura/internal/sigma"
)

// written are the fields whose text the actor chooses.
var written = map[string]bool{
	"CommandLine": true, "ParentCommandLine": true, "TargetCommandLine": true, "WriterCommandLine": true, "actor_command_line": true, "parent_command_line": true,
	"Script": true, "actor_interpreter": true, "parent_interpreter": true, "CurrentDirectory": true, "actor_cwd": true, "actor_comm": true, "parent_comm": true,
	"actor_invoked": true, "parent_invoked": true, "Ancestors": true, "ancestors": true, "Upstream": true, "upstream": true,
}

// images are the fields that hold the path of a program.
var images = map[string]bool{
	"Image": true, "SourceImage": true, "ParentImage": true, "ImagePath": true, "ParentImagePath": true, "WriterImage": true, "actor_path": true, "parent_path": true,
}

// ownedByUsers are folders in which more than root can make a program.
var ownedByUsers = []string{"/home/", "/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/", "/run/shm/", "/var/www/", "/srv/", "/mnt/", "/media/"}

// Trusting lists exceptions of a rule that rest on nothing but text the attacker writes: the end or a part of a program's
// path (he makes a folder with that end), a folder in which anybody can make a program, or words of a command line.
// One part that he does not write (a proven role, a program's whole path, the user) is enough.
func Trusting(r *sigma.Rule) []string {
	all, _ := trusting(r)
	return all
}

// trusting also gives those that are refused in our own rules: an exception for what has a parent, by a part of the
// parent's path and nothing else. A copy of a shell below /tmp/a/usr/bin/rpm once switched 37 of 83 rules off.
func trusting(r *sigma.Rule) (out, refused []string) {
	for _, e := range r.Exceptions() {
		var why []string
		for _, p := range e.Parts {
			w := whyWritten(p)
			if w == "" {
				why = nil
				break
			}
			why = append(why, w)
		}
		text := e.Name + ": " + strings.Join(why, ", ")
		if len(why) == 0 || slices.Contains(out, text) {
			continue
		}
		out = append(out, text)
		if !slices.ContainsFunc(e.Parts, func(p sigma.Part) bool {
			return !strings.HasPrefix(strings.ToLower(p.Field), "parent") || written[p.Field] || p.How != "suffix" && p.How != "contains" && p.How != "pattern"
		}) {
			refused = append(refused, text)
		}
	}
	return out, refused
}

// starts gives the texts that every match of an expression begins with, one of them; nil when it can begin anywhere.
func starts(expr string) []string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	return anchored(re.Simplify())
}

// anchored gives the same of a part of an expression; each branch of an alternation has to stand at the begin for itself.
func anchored(re *syntax.Regexp) (out []string) {
	switch re.Op {
	case syntax.OpCapture:
		return anchored(re.Sub[0])
	case syntax.OpAlternate:
		for _, k := range re.Sub {
			one := anchored(k)
			if len(one) == 0 {
				return nil
			}
			out = append(out, one...)
		}
	case syntax.OpConcat:
		if re.Sub[0].Op != syntax.OpBeginText {
			return anchored(re.Sub[0])
		}
		out, _ = heads([]string{""}, &syntax.Regexp{Op: syntax.OpConcat, Sub: re.Sub[1:]})
	}
	return out
}

// heads continues texts by what an expression begins with; whole says that it is fixed to its end.
func heads(before []string, re *syntax.Regexp) (out []string, whole bool) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, b := range before {
			out = append(out, b+string(re.Rune))
		}
		return out, true
	case syntax.OpCapture:
		return heads(before, re.Sub[0])
	case syntax.OpQuest:
		out, whole = heads(before, re.Sub[0])
		return append(slices.Clone(before), out...), whole
	case syntax.OpConcat:
		out = before
		for _, k := range re.Sub {
			if out, whole = heads(out, k); !whole {
				return out, false
			}
		}
		return out, true
	case syntax.OpAlternate:
		whole = true
		for _, k := range re.Sub {
			o, w := heads(before, k)
			out, whole = append(out, o...), whole && w
		}
		return out, whole && len(out) < 100
	}
	return before, false
}

func whyWritten(p sigma.Part) string {
	switch {
	case p.How == "other":
		return ""
	case written[p.Field]:
		return fmt.Sprintf("%s is text that the actor writes", p.Field)
	case !images[p.Field]:
		return ""
	}
	switch p.How {
	case "suffix", "contains", "pattern":
		return fmt.Sprintf("%s by a part of the path, which a folder anywhere can have", p.Field)
	case "regex":
		for _, t := range p.Texts {
			from := starts(t)
			if slices.ContainsFunc(from, users) {
				return fmt.Sprintf("%s in a folder where users make programs", p.Field)
			}
			if len(from) == 0 || slices.ContainsFunc(from, func(f string) bool { return len(f) < 4 }) {
				return fmt.Sprintf("%s by an expression that names no folder it starts in", p.Field)
			}
		}
		return ""
	}
	for _, t := range p.Texts {
		if users(t) || p.How == "prefix" && len(t) < 4 {
			return fmt.Sprintf("%s in a folder where users make programs", p.Field)
		}
	}
	return ""
}

func users(path string) bool {
	return slices.ContainsFunc(ownedByUsers, func(f string) bool {
		return strings.HasPrefix(path, f) || strings.HasPrefix(f, path) && strings.HasSuffix(path, "/")
	})
}
