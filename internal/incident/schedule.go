package incident

import (
	"path"
	"strings"
)

type itemRun struct {
	fact
	by         *proc
	confidence string
	why        string
}

// ranBy says whether p was started for the item. It is asked when a story grows, never when the run is told: the write may be
// told later.
func ranBy(it *item, p *proc) (itemRun, bool) {
	im := p.last()
	if p.gone || !im.known() || im.time <= it.write.time {
		return itemRun{}, false
	}
	r, ok := tied(it, p, schedulerOf(p))
	r.fact, r.by = im.fact, p
	return r, ok
}

// tied says what ties a run to the item, by kind. A unit's control group carries its name: certain. A table's lines are not
// in the event of its write (the sensor reads no content), so that a run is tied by what it ran: a file that the writer's own
// people made, up to a minute after the table, or a command that the writer named on its own command line. With neither, a
// run by the scheduler after the write is low: offered, not joined.
func tied(it *item, p *proc, boss *proc) (itemRun, bool) {
	im := p.last()
	switch it.kind {
	case "unit", "timer":
		unit := path.Base(it.file.path)
		if it.kind == "timer" {
			unit = strings.TrimSuffix(unit, ".timer") + ".service"
		}
		if p.cgroup == unit || strings.HasSuffix(p.cgroup, "/"+unit) {
			return itemRun{confidence: high, why: "unit-group"}, true
		}
	case "cron", "at":
		if boss == nil || boss.last().named() != hubCron {
			return itemRun{}, false
		}
		if p.parent != nil && p.parent != boss && hubKind(p.parent) == notHub && !sameCommand(p.parent, p) {
			return itemRun{}, false // the job's own child: spawn says it already
		}
		for word := range strings.FieldsSeq(im.commandLine) {
			word = strings.Trim(word, `"';&|()`)
			if !strings.Contains(word, "/") || im.on().inSystemFolder(word) {
				continue
			}
			if n := p.host.at(abs(word, im.cwd), im.time); n != nil {
				for _, w := range n.writers {
					if w.time < it.write.time+60_000_000 && related(w.by, it.write.by) {
						return itemRun{confidence: high, why: "ran-writers-file"}, true
					}
				}
			}
			if mentions(it.write.by, word) {
				return itemRun{confidence: high, why: "ran-named-command"}, true
			}
		}
		if c := strings.TrimSpace(afterDashC(im.commandLine)); len(c) > 3 && mentions(it.write.by, c) {
			return itemRun{confidence: high, why: "ran-named-command"}, true
		}
		if p.parent == boss || (p.parent != nil && hubKind(p.parent) == hubCron) {
			return itemRun{confidence: low, why: "ran-after"}, true
		}
	}
	return itemRun{}, false
}

func sameCommand(a, b *proc) bool { return a.last().commandLine == b.last().commandLine }

func afterDashC(cmd string) string {
	_, c, _ := strings.Cut(cmd, " -c ")
	return c
}

// mentions says that p or one of its near ancestors named the text on its command line.
func mentions(p *proc, text string) bool {
	for up, n := p, 0; up != nil && n < 3; up, n = up.parent, n+1 {
		for i := range up.images {
			if strings.Contains(up.images[i].commandLine, text) {
				return true
			}
		}
	}
	return false
}

// related says that two processes are of one program run: the same, or with a common ancestor near by
// that is no hub.
func related(a, b *proc) bool {
	for x, n := a, 0; x != nil && n < 4 && hubKind(x) == notHub; x, n = x.parent, n+1 {
		for y, m := b, 0; y != nil && m < 4 && hubKind(y) == notHub; y, m = y.parent, m+1 {
			if x == y {
				return true
			}
		}
		if runsScript(x) {
			break
		}
	}
	return false
}
