package main

import (
	"regexp"
	"strings"
	"testing"
)

// printed finds the commands in what a verb printed: lines that are one, and what stands in backticks.
func (c *counter) printed(out string) []string {
	start := regexp.QuoteMeta("'" + c.program + "'")
	var found []string
	for _, m := range regexp.MustCompile(`(?m)^ *(?:undo with +)?(`+start+` .*)$`).FindAllStringSubmatch(out, -1) {
		found = append(found, m[1])
	}
	for _, m := range regexp.MustCompile("`("+start+" [^`]*)`").FindAllStringSubmatch(out, -1) {
		found = append(found, m[1])
	}
	return found
}

// TestPrintedCommandsRunAsPrinted pastes every command that verbs, their errors and their help print into a shell, as
// they are. What would change a host is pasted too: the host is a recording, so the order waits there in vain, and
// only usage (exit 2) is a fault. Placeholders in capitals are the reader's to fill in.
func TestPrintedCommandsRunAsPrinted(t *testing.T) {
	c := newCounter(t)
	var commands []string
	add := func(args ...string) {
		out, errOut, _ := c.in("en", nil, args...)
		all := c.printed(out + "\n" + errOut)
		for _, bare := range regexp.MustCompile("(?m)(^ *|`)yagura [a-z].*$").FindAllString(out+"\n"+errOut, -1) {
			t.Errorf("yagura %s prints a command without the path of this program: %s", strings.Join(args, " "), bare)
		}
		commands = append(commands, all...)
	}
	add("incidents", "show", "last")
	add("doctor")
	add("hosts")
	add("hosts", "show", "nobody")
	add("respond", "suspend", "web-07/p-aadgbc7pzteqaaaaabsqaaaabe", "--wait", "200ms")
	add("actions", "show", "last")
	add("actions", "show", "a-none")
	add("rules", "check")
	add("tree", "no-process")
	add("respond", "isolate", "web-08")
	for _, verb := range helpOf(t) {
		add(append(verb, "--help")...)
	}
	if len(commands) < 40 {
		t.Fatalf("only %d commands are printed: this test no longer finds them: %q", len(commands), commands)
	}
	pasted := 0
	for _, line := range commands {
		words, _, _ := strings.Cut(strings.TrimPrefix(line, "'"+c.program+"'"), "#")
		if regexp.MustCompile(`\b(HOST|DIR|FILE|p-…|ID)\b|…`).MatchString(words) || runsForEver(words) {
			continue
		}
		out, code := c.shell(line)
		if code == exitUsage || code > exitPartial || strings.Contains(out, "not found") {
			t.Errorf("pasted, this fails (exit %d):\n  %s\n%s", code, line, out)
		}
		pasted++
	}
	t.Logf("%d commands printed, %d pasted", len(commands), pasted)
}

// runsForEver says which commands are not for a test to wait for; their flags are parsed by TestHelpExamplesParse.
func runsForEver(line string) bool {
	for _, s := range []string{" up", " server", " events tail", " replay ", "/etc/", "rules test ./", "~", "attack.ndjson", "enroll revoke", "/media/", "i-0", "--out"} {
		if strings.Contains(line, s) {
			return true
		}
	}
	return false
}

// helpOf lists every verb that has a help page, as words.
func helpOf(t *testing.T) [][]string {
	t.Helper()
	out := [][]string{{}}
	for _, v := range verbs(t) {
		if len(v) > 0 && v[0] != "worker" {
			out = append(out, v)
		}
	}
	return out
}
