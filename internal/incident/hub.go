package incident

import (
	"path"
	"strings"
)

// program is the name of what runs: the script for an interpreter, the applet of busybox, else the image.
// It is found once for each image.
func program(im *image) string {
	im.parse()
	return im.program
}

// parse reads the program's name and the script from path and command line.
func (im *image) parse() {
	if im.parsed {
		return
	}
	im.parsed = true
	im.words = im.commandLine
	if len(im.words) > maxWords {
		im.words = im.words[:maxWords]
	}
	im.script = im.findScript()
	im.program = im.findProgram()
	im.hub = im.on().hubs[im.program]
}

// on gives the table of the system that the image is of.
func (im *image) on() *platform {
	if im.os == nil {
		return &linux
	}
	return im.os
}

// named gives the hub whose name an image carries, wherever it lies: see hubKind for one that counts.
func (im *image) named() hub {
	im.parse()
	return im.hub
}

// maxWords bounds how much of a command line is read for names, in bytes: hosts may send 64 KiB.
const maxWords = 4096

func (im *image) findProgram() string {
	if im.script != "" {
		return path.Base(im.script)
	}
	base := path.Base(im.path)
	if im.path == "" {
		base = path.Base(firstWord(im.words))
	}
	if base == "busybox" || strings.HasPrefix(base, "busybox-") {
		arg := strings.Fields(im.words)
		if len(arg) > 1 && path.Base(arg[0]) == base {
			return arg[1]
		}
		if len(arg) > 0 {
			return strings.TrimPrefix(path.Base(arg[0]), "-")
		}
	}
	if i := strings.IndexByte(base, ' '); i > 0 { // "x (deleted)"
		base = base[:i]
	}
	return base
}

func firstWord(s string) string {
	w, _, _ := strings.Cut(s, " ")
	return strings.TrimSuffix(w, ":")
}

// hubKind says whether stories stop at p. Process 1 always is one; others by a known name in a system
// folder, whether image or script. A user's own program of that name is none.
func hubKind(p *proc) hub {
	if p == nil {
		return notHub
	}
	if p.pid == 1 {
		return hubInit
	}
	if p.pid == 2 {
		return hubInit // kthreadd
	}
	im := p.last()
	h := im.named()
	if h == notHub {
		if im.path == "" && len(im.commandLine) == 0 && p.comm != "" {
			h = im.on().hubs[p.comm]
			if h == hubServiceBoss || h == hubInit {
				return h
			}
			return notHub
		}
		return notHub
	}
	if h == hubYagura || h == hubInit {
		return h
	}
	where := im.path
	if s := scriptOf(im); s != "" {
		where = s
	}
	if !im.on().inSystemFolder(where) {
		return notHub
	}
	if f := p.host.files[im.file]; f != nil && im.file.id != "" && !writtenByPackages(f) {
		return notHub // put there in our sight, and not by the package manager
	}
	return h
}

func writtenByPackages(f *fileNode) bool {
	for _, w := range f.writers {
		if w.by.last().named() != hubPackages {
			return false
		}
	}
	return true
}

// isMailer says that p carries the name of a mail or chat client, wherever it lies: only an entry route
// asks, and only for a chain that has a URL in it.
func isMailer(p *proc) bool { return p != nil && p.last().named() == hubMail }

func isBrowserImage(im *image) bool { return im.named() == hubBrowser }

// scriptOf gives the full path of the script an image runs, or "" when it runs none.
func scriptOf(im *image) string {
	im.parse()
	return im.script
}

func (im *image) findScript() string {
	if im.interpreter != "" {
		return abs(im.interpreter, im.cwd)
	}
	inline, ok := im.on().interpreter(path.Base(im.path))
	if !ok {
		return ""
	}
	arg := strings.Fields(im.words)
	if len(arg) > 0 && path.Base(arg[0]) == "busybox" {
		arg = arg[1:]
	}
	for i := 1; i < len(arg); i++ {
		w := arg[i]
		if !strings.HasPrefix(w, "-") || w == "-" {
			if w == "-" {
				return ""
			}
			if strings.ContainsAny(w, ";|&<>$`'\"(){}") || strings.HasPrefix(w, "/dev/fd/") || strings.HasPrefix(w, "/proc/") {
				return "" // no file of its own
			}
			return abs(w, im.cwd)
		}
		if strings.HasPrefix(w, "--") {
			continue
		}
		if strings.ContainsAny(w[1:], inline) {
			return ""
		}
		if im.on().takesWord[w] {
			i++ // an option that takes a word
		}
	}
	return ""
}

func abs(p, cwd string) string {
	if strings.HasPrefix(p, "/") || cwd == "" {
		return path.Clean(p)
	}
	return path.Join(cwd, p)
}

// runsScript says that p is a program of its own kept in a script outside the system's folders. Growth
// upwards stops there: who started a script often started others that have nothing to do with it.
func runsScript(p *proc) bool {
	im := p.last()
	s := scriptOf(im)
	return s != "" && !im.on().inSystemFolder(s) && p.firstExec() != nil // a fork of it that ran nothing is no program of its own
}

// isSessionShell says that p is the shell a person types into: no script, no inline code, a terminal.
func isSessionShell(p *proc) bool {
	im := p.last()
	base := strings.TrimPrefix(path.Base(im.path), "-")
	if !im.on().shells[base] || p.tty == "" {
		return false
	}
	im.parse()
	arg := strings.Fields(im.words)
	for _, w := range arg[min(1, len(arg)):] {
		if !strings.HasPrefix(w, "-") || (len(w) > 1 && w[1] != '-' && strings.Contains(w, "c")) {
			return false
		}
	}
	return true
}

// isService says that p took connections or waits for them.
func isService(p *proc) bool { d := p.did(); return len(d.accepts) > 0 || len(d.listens) > 0 }
