package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/private"
	"github.com/yagura-edr/yagura/internal/say"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type doctorVerb struct {
	Notify bool `help:"Send a test message through every channel of notify."`
	Deep   bool `help:"Compare every stored file with its sum; on a large store this takes long."`
}

// Help shows examples.
func (doctorVerb) Help() string {
	return "Examples:\n  yagura doctor\n  yagura doctor --notify\n  yagura doctor --deep # after errors of a disk\n  yagura doctor --json"
}

// Run checks this machine, then asks the server to check itself.
func (v doctorVerb) Run(s *shell) error {
	checks := s.localChecks()
	r, err := s.console().Diagnose(s.ctx, connect.NewRequest(&consolev1.DiagnoseRequest{Notify: v.Notify, Deep: v.Deep}))
	if err != nil {
		checks = append(checks, &consolev1.Check{Name: "server", State: "fail", What: said(say.Both("%v", s.explain("ask the server", err)))})
	} else {
		checks = append(append(checks, s.keyChecks()...), r.Msg.Checks...)
	}
	failed := 0
	for _, c := range checks {
		if c.State == "fail" {
			failed++
		}
	}
	if s.json {
		if err := s.printJSON(checks); err != nil {
			return err
		}
	} else {
		for _, c := range checks {
			mark := map[string]string{"ok": "✓", "warn": "!", "fail": "✗", "unknown": "?"}[c.State]
			lines := terminal.Wrap(event.Show(s.said(c.What)), max(s.width(), 80)-checkIndent)
			if fix := s.said(c.Fix); fix != "" && c.State != "ok" {
				lines = append(lines, terminal.Wrap("→ "+event.Show(fix), max(s.width(), 80)-checkIndent)...)
			}
			if c.Page != "" && c.State != "ok" {
				lines = append(lines, "→ "+s.say("in the console: %s", "/"+c.Page))
			}
			head := mark + " " + s.checkName(c.Name)
			if terminal.Width(head)+1 >= checkIndent { // a long name has a line of its own
				s.printf("%s\n", head)
				head = ""
			}
			for _, l := range lines {
				s.printf("%s%s\n", terminal.Pad(head, checkIndent), l)
				head = ""
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(checks))
	}
	return nil
}

// checkIndent is where the sentences of doctor begin.
const checkIndent = 20

// checkName gives the name of a check; a channel of notices has its own name behind the word.
func (s *shell) checkName(name string) string {
	if channel, ok := strings.CutPrefix(name, "notify "); ok {
		return s.say("notify") + " " + event.Show(channel)
	}
	return s.say(name)
}

// keyChecks says whether the authority key lies where a thief of the server finds it.
func (s *shell) keyChecks() []*consolev1.Check {
	a, err := s.authority()
	if err != nil {
		return nil // the server's own checks say what is wrong with it
	}
	file := filepath.Join(s.authorityDir(), command.AuthorityFile)
	if lost, _ := command.Astray(s.authorityDir()); lost && isFile(filepath.Join(s.data, "control.db")) {
		return nil // a fault of the server, which says what to do
	}
	c := &consolev1.Check{Name: "authority", State: "ok", What: said(say.Both("the authority key does not lie beside the server"))}
	if isFile(file) {
		c.State, c.What = "ok", said(say.Both("the authority key lies beside the server, and no other host is enrolled: %s", file))
		c.Fix = said(say.Both("before you enrol hosts that matter: `yagura authority move DIR`"))
		if a.ForeignHosts > 0 {
			c.State = "fail"
			c.What = said(say.Both(many(a.ForeignHosts, "%d other host obeys this server, and the authority key lies beside it (%s): who steals the server can make anybody an operator", "%d other hosts obey this server, and the authority key lies beside it (%s): who steals the server can make anybody an operator"), a.ForeignHosts, file))
			c.Fix = said(say.Both("move it to a disk that you take away: `yagura authority move DIR`"))
		}
	}
	return []*consolev1.Check{c}
}

func (s *shell) localChecks() []*consolev1.Check {
	var out []*consolev1.Check
	add := func(name, state string, what, fix detection.Said) {
		out = append(out, &consolev1.Check{Name: name, State: state, What: said(what), Fix: said(fix)})
	}
	st, err := os.Stat(s.data)
	foreign := private.Check(s.data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		add("data", "fail", say.Both("there is no data directory %s", s.data), say.Both("start the server with `yagura up`, or name its folder with --data"))
	case err != nil:
		add("data", "fail", say.Both("%s cannot be read", s.data), say.Both("run as its owner or as root, or name another folder with --data"))
	case st.Mode().Perm()&0o067 != 0:
		add("data", "fail", say.Both("%s can be read by other users", s.data), say.Both("chmod 700 %s", s.data))
	case errors.Is(foreign, private.ErrForeign):
		add("data", "fail", say.Both("%v", foreign), say.Both("move the data into a folder of the server's own user, below folders that nobody else can write in"))
	default:
		add("data", "ok", say.Both("%s is private", s.data), detection.Said{})
	}
	if runtime.GOOS == "linux" {
		if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
			add("kernel", "fail", say.Both("this kernel has no BTF: a sensor here sees nothing"), say.Both("use a kernel with CONFIG_DEBUG_INFO_BTF (every current distribution has it)"))
		} else {
			add("kernel", "ok", say.Both("this kernel has BTF"), detection.Said{})
		}
	}
	return out
}
