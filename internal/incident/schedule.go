package incident

import (
	"path"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
)

// item is something that a scheduler or a log-on will run later: written in our sight.
type item struct {
	file  *fileNode
	kind  string // cron, at, unit, timer, startup, preload, key
	write fileWrite
}

type itemRun struct {
	fact
	by         *proc
	confidence string
	why        Said
}

const maxItems = 256

var itemWords = map[string]Said{
	"cron":    {En: "cron table", Ja: "cron 設定"},
	"at":      {En: "at job", Ja: "at ジョブ"},
	"unit":    {En: "systemd service", Ja: "systemd サービス"},
	"timer":   {En: "systemd timer", Ja: "systemd タイマー"},
	"startup": {En: "start-up script", Ja: "起動時スクリプト"},
	"preload": {En: "library preload list", Ja: "ライブラリのプリロード設定"},
	"key":     {En: "SSH key list", Ja: "SSH 公開鍵リスト"},
}

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

// ranBy says whether p was started for the item. It is asked when a story grows, never when the run is told: the write may be
// told later.
func (it *item) ranBy(p *proc) (itemRun, bool) {
	im := p.last()
	if p.gone || !im.known() || im.time <= it.write.time {
		return itemRun{}, false
	}
	r, ok := it.matches(p, schedulerOf(p))
	r.fact, r.by = im.fact, p
	return r, ok
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

// matches says what ties a run to the item, by kind. A unit's control group carries its name: certain. A table's lines are not
// in the event of its write (the sensor reads no content), so that a run is tied by what it ran: a file that the writer's own
// people made, up to a minute after the table, or a command that the writer named on its own command line. With neither, a
// run by the scheduler after the write is low: offered, not joined.
func (it *item) matches(p *proc, boss *proc) (itemRun, bool) {
	im := p.last()
	switch it.kind {
	case "unit", "timer":
		unit := path.Base(it.file.path)
		if it.kind == "timer" {
			unit = strings.TrimSuffix(unit, ".timer") + ".service"
		}
		if p.cgroup == unit || strings.HasSuffix(p.cgroup, "/"+unit) {
			return itemRun{confidence: high, why: Said{En: "it runs in the control group of that unit", Ja: "そのユニットの cgroup で動いている"}}, true
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
						return itemRun{confidence: high, why: Said{En: "the scheduler ran a file that the writer of the table had made", Ja: "設定を書いた側が作ったファイルをスケジューラーが実行した"}}, true
					}
				}
			}
			if mentions(it.write.by, word) {
				return itemRun{confidence: high, why: Said{En: "the scheduler ran the very command that the writer of the table named", Ja: "設定を書いたプロセスが指定したコマンドそのものをスケジューラーが実行した"}}, true
			}
		}
		if c := strings.TrimSpace(afterDashC(im.commandLine)); len(c) > 3 && mentions(it.write.by, c) {
			return itemRun{confidence: high, why: Said{En: "the scheduler ran the very command that the writer of the table named", Ja: "設定を書いたプロセスが指定したコマンドそのものをスケジューラーが実行した"}}, true
		}
		if p.parent == boss || (p.parent != nil && hubKind(p.parent) == hubCron) {
			return itemRun{confidence: low, why: Said{En: "the scheduler ran it after the table was written; nothing else ties them", Ja: "設定が書かれた後にスケジューラーが実行した（ほかに結び付ける証拠はない）"}}, true
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
