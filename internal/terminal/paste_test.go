package terminal_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/yagura-edr/yagura/internal/terminal"
)

func TestCommandsInTextsCanBePasted(t *testing.T) {
	c := terminal.Commands{Server: "sudo bin/yagura --data '/srv/a b'", Sensor: "sudo bin/yagura-sensor", Help: "sudo bin/yagura"}
	for text, want := range map[string]string{
		"see `yagura hosts`, then `yagura doctor`":       "see `sudo bin/yagura --data '/srv/a b' hosts`, then `sudo bin/yagura --data '/srv/a b' doctor`",
		"see `yagura up --help`":                         "see `sudo bin/yagura up --help`",
		"on it, `sudo yagura-sensor check`":              "on it, `sudo bin/yagura-sensor check`",
		"yagura is a tower; `systemctl status yagura`":   "yagura is a tower; `systemctl status yagura`",
		"the unit `yagura-sensor.service` is not there":  "the unit `yagura-sensor.service` is not there",
		"start it: `yagura`":                             "start it: `sudo bin/yagura --data '/srv/a b'`",
		"nothing of ours: `cat /var/lib/yagura/control`": "nothing of ours: `cat /var/lib/yagura/control`",
	} {
		if got := c.Sentence(text); got != want {
			t.Errorf("Sentence(%q)\n= %q; want\n  %q", text, got, want)
		}
	}
	for line, want := range map[string]string{
		"  yagura incidents show last":                "  sudo bin/yagura --data '/srv/a b' incidents show last",
		"  sudo timeout 60 yagura-sensor watch > x":   "  sudo timeout 60 bin/yagura-sensor watch > x",
		`  yagura tree "$(yagura detections --json)"`: `  sudo bin/yagura --data '/srv/a b' tree "$(sudo bin/yagura --data '/srv/a b' detections --json)"`,
		"  cat x | yagura replay -":                   "  cat x | sudo bin/yagura --data '/srv/a b' replay -",
	} {
		if got := c.Paste(line); got != want {
			t.Errorf("Paste(%q)\n= %q; want\n  %q", line, got, want)
		}
	}
	if got := (terminal.Commands{Sensor: "yagura-sensor"}).Sentence("on the server: `yagura enroll token`"); got != "on the server: `yagura enroll token`" {
		t.Errorf("a program on another machine: %q", got)
	}
}

func TestCalledBy(t *testing.T) {
	none := func(string) string { return "" }
	dir := t.TempDir()
	for _, name := range []string{"yagura", "yagura-sensor"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		argv0, name string
		root        bool
		env         func(string) string
		want        string
	}{
		{"yagura", "yagura", true, none, "yagura"},
		{"bin/yagura", "yagura", false, none, "bin/yagura"},
		{"bin/yagura", "yagura-sensor", false, none, "bin/yagura-sensor"},
		{"./yagura", "yagura", false, none, "./yagura"},
		{"/opt/a b/yagura", "yagura", false, none, "'/opt/a b/yagura'"},
		{"bin/yagura", "yagura", true, func(k string) string { return map[string]string{"SUDO_USER": "sato"}[k] }, "sudo bin/yagura"},
		{"bin/yagura", "yagura", false, func(k string) string { return map[string]string{"SUDO_USER": "sato"}[k] }, "bin/yagura"},
		{filepath.Join(dir, "yagura"), "yagura", true, none, filepath.Join(dir, "yagura")},
	} {
		if got := terminal.CalledBy(c.argv0, c.name, c.root, c.env); got != c.want {
			t.Errorf("CalledBy(%q, %q, %v) = %q; want %q", c.argv0, c.name, c.root, got, c.want)
		}
	}
	t.Setenv("PATH", dir)
	if got := terminal.CalledBy(filepath.Join(dir, "yagura"), "yagura", true, none); got != "yagura" {
		t.Errorf("a program that the PATH leads to is called %q", got)
	}
}

func TestACommandThatNamesItsFolderIsNotGivenOneTwice(t *testing.T) {
	c := terminal.Commands{Server: "bin/yagura --data /d", Sensor: "bin/yagura-sensor", Help: "bin/yagura"}
	once := c.Sentence("see `yagura store`")
	if want := "see `bin/yagura --data /d store`"; once != want {
		t.Errorf("%q; want %q", once, want)
	}
	c = terminal.Commands{Server: "yagura --data /d", Sensor: "yagura-sensor", Help: "yagura"}
	once = c.Sentence("see `yagura store`")
	if again := c.Sentence(once); again != once || once != "see `yagura --data /d store`" {
		t.Errorf("%q, and again %q", once, again)
	}
}
