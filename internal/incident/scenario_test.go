package incident_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var scenarios = flag.String("scenarios", "", "folder to write the authored scenarios into (../../scenario/testdata)")

// TestWriteScenarios writes the authored scenarios when asked to; package scenario runs them.
func TestWriteScenarios(t *testing.T) {
	if *scenarios == "" {
		t.Skip("no -scenarios folder given")
	}
	for _, s := range []struct {
		name, about string
		tape        *tape
		want        []string
	}{
		{"web-shell", "a service takes a connection, starts a shell, which downloads, runs from memory and calls back", played("web-shell"), []string{
			"incidents 1", "route exploited_service", "in sh -c curl", "in curl -so", "in /dev/shm/k", "in bash -i", "in id", "out convert a.png", "edge spawn", "edge wrote_executed", "edge downloaded_from",
		}},
		{"web-shell-entry-not-seen", "the same on a host whose sensor sees no network: the entry is unknown, and the story says why", played("web-shell-network-not-seen"), []string{
			"incidents 1", "route unknown", "in sh -c curl", "in /dev/shm/k",
		}},
		{"web-shell-script-removed", "what the shell downloads is a script, which an exec names by its path alone, and it is removed after it ran", played("web-shell-script-removed"), []string{
			"incidents 1", "route exploited_service", "in curl -so", "in /bin/sh /dev/shm/k", "edge spawn", "edge wrote_executed", "edge downloaded_from",
		}},
		{"spear-phish-browser-closed", "mail → link → browser → file → run → passwords → data out; the link starts the browser", played("mail-link-browser-closed"), []string{
			"incidents 1", "route mail_link", "in thunderbird", "in /home/u/Downloads/invoice", "in cat /home", "out aplay", "edge url_handoff", "edge downloaded_from", "edge wrote_executed",
		}},
		{"spear-phish-browser-open", "the same with the browser already running: the new process hands the address over and ends", played("mail-link-browser-open"), []string{
			"incidents 1", "route mail_link", "in thunderbird", "in /home/u/Downloads/invoice", "in cat /home", "out aplay", "edge url_handoff", "edge downloaded_from", "edge wrote_executed",
		}},
		{"hand-off-by-time-alone", "the same without the browser's requests: time alone joins nothing", played("hand-off-by-time-alone"), []string{
			"incidents 1", "route unknown", "in /home/u/Downloads/invoice", "out thunderbird", "no-edge url_handoff", "related 1",
		}},
		{"persistence-cron", "a dropper writes a cron table; cron runs the stage a minute later", played("cron-table"), []string{
			"incidents 1", "route unknown", "in bash /tmp/x/dropper.sh", "in /tmp/x/stage", "out run-parts", "edge scheduled_by", "edge wrote_executed",
		}},
		{"two-at-once-and-an-upgrade", "a web shell and a persistence story step by step beside each other, and a package upgrade", played("two-at-once-and-an-upgrade"), []string{
			"incidents 2", "apart sh -c id | bash /tmp/x/dropper.sh", "in /dev/shm/k", "in /tmp/x/stage", "out apt-get", "out dpkg", "out tool.postinst",
		}},
		{"two-hosts", "a web shell on one host logs on to the next", played("two-hosts"), []string{
			"incidents 1", "route exploited_service", "in ssh root@", "in cat /etc/shadow", "edge host_to_host", "edge logon_from",
		}},
		{"pipe-fed-shell", "a shell that is fed by a pipe runs 240 programs, one of them odd", played("runner-pipe"), small("bash -s")},
		{"script-runner", "a script runs 240 programs, one of them odd", played("runner-script"), small("bash /home/u/nightly.sh")},
		{"ansible-by-ssh", "a command given to ssh runs 240 programs, one of them odd", played("runner-ansible-by-ssh"), small("sh -c /usr/bin/python3")},
		{"ci-runner", "an agent feeds a shell, which runs make, which runs 240 programs, one of them odd", played("runner-make"), small("make -j2 all")},
		{"management-daemon", "a daemon runs 240 programs, one of them odd", played("runner-daemon"), small("salt-minion")},
		{"cron-run-script", "cron runs a script that runs 240 programs, one of them odd", played("runner-cron"), small("/opt/app/nightly")},
		{"lateral-by-ssh", "a web server that forks is the way in; ssh to the next host is a step, the shell it gives back another", played("lateral-by-ssh"), []string{
			"incidents 1", "route exploited_service", "steps 2", "in ssh app@", "in nc -lnp 9001", "in ./.y", "edge host_to_host", "edge logon_from",
		}},
		{"lateral-entry-not-seen", "the same where nobody saw how the first host was entered", played("lateral-entry-not-seen"), []string{
			"incidents 1", "route unknown", "steps 2", "in ssh app@", "in nc -lnp 9001", "edge host_to_host",
		}},
		{"lateral-clocks-wander", "the same with times that are the arrival of each batch, some before their cause", wandering(played("lateral-by-ssh")), []string{
			"incidents 1", "route exploited_service", "steps 2", "in ssh app@", "in nc -lnp 9001", "edge host_to_host",
		}},
		{"reverse-shell-to-inside", "a reverse shell to a listener on another host of ours, which starts nothing", played("listener-that-starts-nothing"), []string{
			"incidents 1", "in nc -lnp 7777", "in bash -c bash -i", "edge host_to_host",
		}},
		{"attack-in-a-ci-job", "among 240 programs of a CI job one is downloaded, made executable and run, and reads passwords", played("attack-in-a-ci-job"), []string{
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
