package incident

import (
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
)

// item is something that a scheduler or a log-on will run later: written in our sight.
type item struct {
	file  *fileNode
	kind  string // cron, at, unit, timer, startup, preload, key
	write fileWrite
}

const maxItems = 256

func (a *activity) scheduledWrite(p *proc, n *fileNode, f fact) {
	k := p.last().on().itemKind(n.path)
	if k == "" || f.kind == event.FileChmod {
		return
	}
	for _, it := range a.items {
		if it.file == n {
			if f.time < it.write.time {
				it.write = fileWrite{fact: f, by: p}
			}
			return
		}
	}
	if p.last().named() == hubPackages {
		return
	}
	a.items = append(a.items, &item{file: n, kind: k, write: fileWrite{fact: f, by: p}})
	if len(a.items) > maxItems {
		a.items = append(a.items[:0], a.items[1:]...)
	}
}

// scheduledRun remembers a process that a scheduler started: whether an item asked for it is judged when a
// story grows, since the write may arrive after the run that it came before.
func (a *activity) scheduledRun(p *proc) {
	if schedulerOf(p) == nil && !strings.HasSuffix(p.cgroup, ".service") {
		return
	}
	if n := len(a.byScheduler); n > 0 && a.byScheduler[n-1] == p {
		return
	}
	a.byScheduler = append(a.byScheduler, p)
	if len(a.byScheduler) > 2*maxItems {
		a.byScheduler = append([]*proc(nil), a.byScheduler[maxItems:]...)
	}
	for _, it := range a.items {
		a.touch(it.write.by)
	}
}

// schedulerOf gives the scheduler above p, at most three forks up: cron starts a shell that starts the job.
func schedulerOf(p *proc) *proc {
	for up, n := p.parent, 0; up != nil && n < 3; up, n = up.parent, n+1 {
		if hub := up.last().named(); hub == hubCron || hub == hubServiceBoss || up.pid == 1 {
			return up
		}
	}
	return nil
}

func (it *item) ref() string {
	return "scheduled-" + digest(it.write.by.host.id.String(), it.file.path, it.write.id.String())
}

func (it *item) card() card {
	return card{kind: NodeScheduled, what: it.kind, label: it.file.path, image: it.file.path, host: it.write.by.host, start: it.write.time, known: it.write.fact}
}
