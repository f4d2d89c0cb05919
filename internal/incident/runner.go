package incident

import (
	"path"
	"slices"
)

// Who runs many programs without being typed at (a script, make, a CI agent, ansible, a management daemon, a shell that
// is fed by a pipe) is no attack because one of them is. It joins, but brings only what was found, or has an edge to
// what was found; the rest is counted. Which findings belong to one story must not depend on how many programs ran by
// the time one looks: so its number of programs decides only what is shown (role runner, not pruned).
//
// 16 with one rule alone is lower than 64 because then there is one sign of an attack, not two. Who changes a number runs
// TestOddActStaysSmallUnderEveryRunner and TestAttackUnderEveryRunnerIsWhole, which pull in opposite directions over the ways
// to run many programs in testdata/runners.txtar.
const (
	aloneBelow = 16 // programs below a parent from which, with one rule's findings alone, it is a runner
	manyBelow  = 64 // programs below
	manyKids   = 32 // and started by itself

	maxCounted = 1 << 17 // processes that one count of what was left out looks at
)

// whole joins p with all below it, or as a runner when that is too much for one act.
func (w *growth) whole(p *proc) {
	if p != nil && isRunner(p) {
		w.join(p, runner)
		return
	}
	w.join(p, full)
}

// reached joins what an edge leads to from outside: a service, a daemon or a session did more than that one act.
func (w *growth) reached(p *proc) {
	if isService(p) && !bringsItself(p) || isDaemon(p) || isSessionShell(p) || isFedShell(p) {
		w.join(p, pruned)
		return
	}
	w.whole(p)
}

// isRunner says that p started too many programs for all of them to be one act.
func isRunner(p *proc) bool {
	if len(p.kids) == 0 || isTypedAt(p) {
		return false
	}
	kids := int(p.lost)
	_, now := p.kidsByImage()
	for _, k := range now {
		if k.firstExec() != nil && hubKind(k) == notHub {
			kids++
		}
		if kids > manyKids {
			return true
		}
	}
	return programsBelow(p, manyBelow) > manyBelow
}

// programsBelow counts the programs that p, as what it runs now, and its descendants started, up to a little more than
// enough.
func programsBelow(p *proc, enough int) int {
	_, now := p.kidsByImage()
	return int(p.lost) + programsOf(now, enough-int(p.lost))
}

// programsOf counts the programs among processes and all below them, up to a little more than enough.
func programsOf(list []*proc, enough int) int {
	n, looked := 0, 0
	queue := slices.Clone(list)
	for len(queue) > 0 && n <= enough && looked < 16*enough {
		k := queue[0]
		queue = queue[1:]
		looked++
		if hubKind(k) != notHub {
			continue
		}
		if k.firstExec() != nil {
			n++
		}
		n += int(k.lost)
		queue = append(queue, k.kids...)
	}
	return n
}

// isTypedAt says that somebody gives p its commands one by one: at a terminal, or over a connection. However many they are,
// one hand gives them: it is no runner.
func isTypedAt(p *proc) bool {
	if bare, _ := p.last().bareShell(); !bare {
		return false
	}
	return p.tty != "" || p.did().stdio != nil
}

// isFedShell says that p is a shell which reads its commands from a pipe or a file, one after another: whoever feeds it
// runs what he likes there, and one of them says nothing of the others.
func isFedShell(p *proc) bool {
	if p.tty != "" || p.did().stdio != nil {
		return false
	}
	for _, t := range p.did().fedBy {
		if !above(t.other, p) {
			return false // what it runs comes from the program beside it in a pipeline, all of it
		}
	}
	bare, interactive := p.last().bareShell()
	return bare && !interactive
}

// isDaemon says that the service manager itself runs p from a system folder, as installed: what it starts, it starts for
// many. A shell with a command is none: a unit may hold any command.
func isDaemon(p *proc) bool {
	if p.parent == nil {
		return false
	}
	if h := hubKind(p.parent); h != hubInit && h != hubServiceBoss {
		return false
	}
	im := p.last()
	file := im.path
	if s := scriptOf(im); s != "" {
		file = s
	} else if _, ok := im.on().interpreter(path.Base(im.path)); ok {
		return false
	}
	return im.on().inSystemFolder(file) && !bringsItself(p)
}

// hidden says that p ran from no file that is there: nobody installs a program so, and what feeds a shell from there is the
// payload, not an agent.
func hidden(p *proc) bool { im := p.last(); return im.memory || im.deleted }

// prepared says that p ran so many programs before it became what it runs now that they are no part of one act.
func prepared(p *proc) bool {
	before, _ := p.kidsByImage()
	return programsOf(before, aloneBelow) > aloneBelow
}

// inPart says that p joined and brings only some of what it started: what was found, or has an edge. The rest is beside
// the story.
func (w *growth) inPart(p *proc) bool {
	r := w.role[p]
	return r == pruned || r == runner || r == full && prepared(p)
}

// foundBelow takes what was found below one that brings only some, whatever is between.
func (w *growth) foundBelow(q *proc) {
	for _, p := range q.host.found {
		if p.gone || w.role[p] == full {
			continue
		}
		for up, n := p.parent, 0; up != nil && n < 64 && hubKind(up) == notHub; up, n = up.parent, n+1 {
			if up == q {
				w.whole(p)
				break
			}
		}
	}
}

// handled takes the programs beside the story that handled a file which the story ran: made it executable, moved it. It
// says whether there were any.
func (w *growth) handled() bool {
	files := map[*fileNode]bool{}
	for _, l := range w.links {
		if f, ok := l.from.(*fileNode); ok && l.kind == EdgeWroteExec {
			files[f] = true
		}
	}
	if len(files) == 0 {
		return false
	}
	for _, q := range w.order {
		if !w.inPart(q) {
			continue
		}
		for _, k := range q.kids {
			if w.role[k] >= pruned || hubKind(k) != notHub {
				continue
			}
			for i := range k.did().writes {
				if files[k.did().writes[i].file] {
					w.reached(k)
					break
				}
			}
		}
	}
	return len(w.queue) > 0
}

// beside counts the programs that the members' own parents started and that are no part of the story.
func (w *growth) beside() {
	for _, q := range w.order {
		if !w.inPart(q) {
			continue
		}
		n, looked := int(q.lost), 0
		for queue := append([]*proc(nil), q.kids...); len(queue) > 0 && looked < maxCounted; looked++ {
			k := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			switch w.role[k] {
			case outside:
				if k.firstExec() != nil {
					n++
				}
				queue = append(queue, k.kids...)
			case aside, passage:
				queue = append(queue, k.kids...)
			default: // counts its own
			}
		}
		if n > 0 {
			w.folds[q] = n
		}
	}
}
