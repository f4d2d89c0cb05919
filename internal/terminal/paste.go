package terminal

import (
	"cmp"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Commands gives the commands inside texts as they can be pasted into the shell that the reader sits at. A
// command that a program prints is a promise: pasted, it runs, and against the same data. Sentences are written,
// sent and stored with the bare names; only the process that prints them knows how it was called.
type Commands struct {
	Server string // what starts yagura, with the data folder in use; empty: it is on another machine, its name stays bare
	Sensor string // what starts yagura-sensor
	Help   string // what starts this program where no data folder matters
}

// CalledBy gives what starts one of our programs from the caller's shell: its name where the PATH leads to it, else
// the path by which the running one was called (argv0), with sudo before it when root came through sudo.
func CalledBy(argv0, name string, root bool, env func(string) string) string {
	path := name
	if strings.ContainsRune(argv0, filepath.Separator) {
		path = filepath.Join(filepath.Dir(argv0), name)
		if filepath.Dir(path) == "." {
			path = "./" + path
		}
		if found, err := exec.LookPath(name); err == nil && sameFile(found, path) {
			path = name
		}
		path = Quote(path)
	}
	if user := env("SUDO_USER"); root && user != "" && user != "root" {
		return "sudo " + path
	}
	return path
}

func sameFile(a, b string) bool {
	for _, p := range []*string{&a, &b} {
		real, err := filepath.EvalSymlinks(*p)
		if err != nil {
			return false
		}
		if *p, err = filepath.Abs(real); err != nil {
			return false
		}
	}
	return a == b
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// Quote gives a word as a shell reads it back.
func Quote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// ours finds our programs where a shell would: at the start of a text in backticks or of a line, behind sudo, and
// inside $(…).
var ours = regexp.MustCompile("(?m)(^\\s*|`|\\$\\(|[|&;] *)((?:sudo )?(?:timeout \\S+ )?)(yagura(?:-sensor)?)( |`|$)")

var forHelp = regexp.MustCompile("^[^`|&;)\n]* --help *([`|&;)\n]|$)")

// Paste gives a text with its commands as they can be pasted.
func (c Commands) Paste(text string) string {
	var out strings.Builder
	for {
		m := ours.FindStringSubmatchIndex(text)
		if m == nil {
			return out.String() + text
		}
		before, program, after := text[m[4]:m[5]], text[m[6]:m[7]], text[m[8]:]
		start := c.Server
		if program != "yagura" {
			start = c.Sensor
		}
		switch {
		case program == "yagura" && strings.HasPrefix(after, " --data "): // it names its folder, as one does that was made so before
			start = cmp.Or(c.Help, program)
		case start == "":
			start = program
		case c.Help != "" && program == "yagura" && forHelp.MatchString(after):
			start = c.Help
		}
		if strings.HasPrefix(before, "sudo ") {
			start = strings.TrimPrefix(start, "sudo ")
		}
		out.WriteString(text[:m[6]] + start)
		text = after
		if text == "" {
			return out.String()
		}
		out.WriteString(text[:1]) // never found twice
		text = text[1:]
	}
}

// Sentence is Paste for a sentence: only what stands in backticks is a command.
func (c Commands) Sentence(text string) string {
	return quotedCommand.ReplaceAllStringFunc(text, c.Paste)
}

var quotedCommand = regexp.MustCompile("`(?:sudo )?yagura[^`]*`")
