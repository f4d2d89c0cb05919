//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Our own file in the form of the data: nothing of it is copied.
const sample = `attack_technique: T9999
atomic_tests:
- name: not for this system
  supported_platforms: [windows]
  executor: {name: powershell, command: dir}
- name: says a word
  supported_platforms: [linux, macos]
  input_arguments:
    folder: {default: PathToAtomicsFolder/T9999}
    file: {default: "#{folder}/a"}
    count: {default: 3}
  dependency_executor_name: bash
  dependencies:
  - {prereq_command: "test -e #{file}", get_prereq_command: "curl -o #{file} https://known.example.org/a"}
  executor: {name: bash, elevation_required: true, command: "head -n #{count} #{file}"}
`

func TestArgumentsArePutIn(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "T9999.yaml"), []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	tests, err := readTests(dir)
	if err != nil || len(tests) != 1 {
		t.Fatalf("readTests = %d tests, %v; want 1: the other is for another system", len(tests), err)
	}
	got := tests[0]
	if want := "head -n 3 /opt/atomics/T9999/a"; got.ID != "T9999#2" || got.Command != want || !got.Root || got.Shell != "bash" {
		t.Errorf("readTests = %+v; want T9999#2 by root in bash: %s", got, want)
	}
	if p := got.Prereqs[0]; p.Shell != "bash" || p.Check != "test -e /opt/atomics/T9999/a" {
		t.Errorf("prerequisite = %+v", p)
	}
	if names := wellKnown(tests); !strings.Contains(strings.Join(names, " "), "known.example.org") {
		t.Errorf("wellKnown = %v; want the name that a test loads from", names)
	}
}

func TestWhatReachesTheMachineIsRefused(t *testing.T) {
	for _, text := range []string{
		"sudo insmod /tmp/x.ko", "modprobe x", "echo b > /proc/sysrq-trigger", ":() { :|:& };:", "dd if=/dev/zero of=/dev/sda", "mkfs.ext4 /dev/vdb",
		"shutdown -h now", "rm -rf /", "rm -rf --no-preserve-root /", "cat x > /dev/sda", "date -s 2020-01-01",
	} {
		if refused(&test{ID: "T0#1", Shell: "sh", Command: text}) == "" {
			t.Errorf("refused(%q) = no", text)
		}
	}
	for _, text := range []string{"rm -rf /tmp/x", "dd if=/dev/zero of=/var/log/syslog", "cat /dev/null > ~/.bash_history", "date"} {
		if why := refused(&test{ID: "T0#1", Shell: "sh", Command: text}); why != "" {
			t.Errorf("refused(%q) = %s; want it run", text, why)
		}
	}
	if refused(&test{ID: "T0#1", Shell: "manual"}) == "" {
		t.Error("a test by hand is run")
	}
}

func TestGeneratedNamesDoNotExist(t *testing.T) {
	for name, exists := range map[string]bool{"example.org.": true, "c2VjcmV0.example.org.": true, "xkqjzvbnmwp.biz.": false} {
		q := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
		b, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		b, err = resolve(b, []string{"example.org"})
		if err != nil {
			t.Fatal(err)
		}
		var a dnsmessage.Message
		if err := a.Unpack(b); err != nil {
			t.Fatal(err)
		}
		if got := a.RCode == dnsmessage.RCodeSuccess && len(a.Answers) == 1; got != exists || a.ID != 7 {
			t.Errorf("resolve(%s) = %v, %d answers; want exists = %v", name, a.RCode, len(a.Answers), exists)
		}
	}
}

// TestEveryTestHasAClass keeps the table and the data together; it knows no test by name.
func TestEveryTestHasAClass(t *testing.T) {
	data := os.Getenv("YAGURA_DATA")
	if data == "" {
		t.Skip("YAGURA_DATA is not set")
	}
	tests, err := readTests(filepath.Join(data, "atomic-linux"))
	if err != nil {
		t.Fatal(err)
	}
	classes, err := readClasses("classes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range tests {
		if classes[x.ID].class == "" {
			t.Errorf("%s has no line in classes.tsv", x.ID)
		}
		if classes[x.ID].class != "skip" && refused(x) != "" {
			t.Errorf("%s counts and is refused: %s", x.ID, refused(x))
		}
	}
	if len(classes) != len(tests) {
		t.Errorf("classes.tsv has %d lines for %d tests", len(classes), len(tests))
	}
}
