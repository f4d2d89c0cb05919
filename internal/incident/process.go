package incident

import (
	"fmt"
	"path"
	"strings"
)

func (p *proc) firstExec() *image {
	for i := range p.images {
		if p.images[i].known() {
			return &p.images[i]
		}
	}
	return nil
}

// face gives what stands for p when it ran several images one after another: the last, but that under which most of
// its children started. A session's first shell that ends as "hostname" is still the shell of the session.
func (p *proc) face() *image {
	out := p.last()
	if len(p.images) < 2 || len(p.kids) == 0 {
		return out
	}
	most := 0
	for i := range p.images {
		im := &p.images[i]
		n, until := 0, int64(0)
		if i+1 < len(p.images) {
			until = p.images[i+1].time
		}
		for _, k := range p.kids {
			if k.start >= im.time && (until == 0 || k.start < until) {
				n++
			}
		}
		if im.known() && n > most {
			most, out = n, im
		}
	}
	return out
}

func label(p *proc) string {
	im := p.face()
	if n := program(im); n != "." && n != "/" && n != "" {
		return n
	}
	if p.comm != "" {
		return p.comm
	}
	return fmt.Sprintf("pid %d", p.pid)
}

func userOf(p *proc) string {
	if p.user != "" {
		return p.user
	}
	return p.userID
}

// kidsByImage tells what p started before it became the program that it runs now from what it started since. A log-on
// shell runs its start files, dozens of programs with some set-ups, and then becomes the one command it was given: they
// are not that command's.
func (p *proc) kidsByImage() (before, now []*proc) {
	if len(p.images) < 2 {
		return nil, p.kids
	}
	became := p.last().time
	for _, k := range p.kids {
		if k.start != 0 && k.start < became {
			before = append(before, k)
		} else {
			now = append(now, k)
		}
	}
	return before, now
}

// bareShell says that an image is a shell that got neither a script nor a command, and whether it was told to be
// interactive.
func (im *image) bareShell() (bare, interactive bool) {
	if !im.on().shells[strings.TrimPrefix(path.Base(im.path), "-")] {
		return false, false
	}
	im.parse()
	arg := strings.Fields(im.words)
	if len(arg) > 1 && path.Base(arg[0]) == "busybox" {
		arg = arg[1:]
	}
	for i, w := range arg[min(1, len(arg)):] {
		switch {
		case strings.HasPrefix(w, "--"):
			continue
		case w == "-" || !strings.HasPrefix(w, "-"):
			// `sh -s WORD` takes words for what it is fed
			if fed := strings.Join(arg[1:i+1], " "); strings.Contains(fed, "s") && strings.HasPrefix(fed, "-") {
				return true, interactive
			}
			return w == "-", interactive
		case strings.Contains(w, "c"):
			return false, false
		case strings.Contains(w, "i"):
			interactive = true
		}
	}
	return true, interactive
}

// urlIn gives the first web address on a command line.
func urlIn(cmd string) string {
	for w := range strings.FieldsSeq(cmd) {
		if strings.HasPrefix(w, "http://") || strings.HasPrefix(w, "https://") {
			return w
		}
	}
	return ""
}

func abs64(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
