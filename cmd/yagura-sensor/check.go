package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/private"
	"github.com/yagura-edr/yagura/internal/sensor/agent"
	"github.com/yagura-edr/yagura/internal/sensor/identity"
	"github.com/yagura-edr/yagura/internal/sensor/linux/contain"
	"github.com/yagura-edr/yagura/internal/sensor/linux/probe"
	"github.com/yagura-edr/yagura/internal/sensor/linux/sight"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type checkVerb struct {
	Server string `help:"Try the way to this server too, https://HOST:PORT; by default the one this host is enrolled at." placeholder:"URL"`
}

// finding is one line of the table.
type finding struct {
	Name   string `json:"name"`
	State  string `json:"state"` // full, partial, blind for what can be seen; ok, warn, fail for the rest
	Reason string `json:"reason,omitempty"`
}

// Help shows examples.
func (*checkVerb) Help() string {
	return "Exit code 3: something is missing; 1: nothing can be seen.\n\nExamples:\n  sudo yagura-sensor check\n  sudo yagura-sensor check --server https://yagura.example.com:8444"
}

// Run prints the table: exit 0 when all is well, 3 when something is missing, 1 when nothing can be seen.
func (v *checkVerb) Run(s *shell) error {
	var all []finding
	add := func(name, state, format string, args ...any) {
		all = append(all, finding{name, state, fmt.Sprintf(format, args...)})
	}
	v.privilege(add)
	blind := v.sight(s, add)
	for _, f := range contain.Survey(s.config.Cgroup) {
		add(f.Name, f.State, "%s", f.Reason)
	}
	v.folder(s, add)
	v.way(s, add)
	if s.json {
		if err := s.printJSON(all); err != nil {
			return err
		}
	} else {
		s.findings(all)
	}
	if blind {
		return errors.New("nothing can be seen on this host: see the lines above")
	}
	for _, f := range all {
		if f.State != "full" && f.State != "ok" {
			return errPartial
		}
	}
	return nil
}

// findings prints the table; a reason goes on under itself.
func (s *shell) findings(all []finding) {
	for _, f := range all {
		head := terminal.Pad(s.say(f.Name), 16) + " " + terminal.Pad(s.say(f.State), 8)
		for _, l := range terminal.Wrap(s.paste.Sentence(event.Show(s.tongue.Text(f.Reason))), lineWidth-headWidth) {
			s.printf("%s\n", strings.TrimRight(terminal.Pad(head, headWidth)+l, " "))
			head = ""
		}
	}
}

// Where the reason of a finding begins, and how long its lines are.
const (
	headWidth = 26
	lineWidth = 100
)

type adder func(name, state, format string, args ...any)

func (v *checkVerb) privilege(add adder) {
	if os.Geteuid() == 0 {
		add("root", "ok", "")
	} else {
		add("root", "fail", "not root: start it with sudo, or give it CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_KILL and CAP_SYS_PTRACE")
	}
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err == nil {
		add("btf", "ok", "")
	} else {
		add("btf", "fail", "this kernel describes no types (/sys/kernel/btf/vmlinux is missing): use one built with CONFIG_DEBUG_INFO_BTF=y")
	}
}

// sight attaches the probes for a moment: only that tells what a kernel allows.
func (v *checkVerb) sight(s *shell, add adder) (blind bool) {
	eye, err := sight.Open(s.ctx, sight.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		add("sight", "blind", "%v", err)
		return true
	}
	for _, c := range eye.Capabilities() {
		add(c.Class, c.State, "%s", c.Reason)
	}
	switch eye.Names() {
	case probe.NamesKernel:
		add("names", "ok", "of files renamed, removed, linked or changed by path: from the kernel")
	case probe.NamesSingle:
		add("names", "ok", "of files renamed, removed, linked or changed by path: from the kernel; of a file of several names (hard links) that is changed or linked, the last one is what the caller wrote, and marked so")
	default:
		add("names", "ok", "of files renamed, removed, linked or changed by path: the last name is what the caller wrote, and marked so")
	}
	if err := eye.Close(); err != nil {
		add("sight", "warn", "probes do not detach: %v", err)
	}
	return false
}

func (v *checkVerb) folder(s *shell, add adder) {
	if st, err := agent.ReadStatus(s.config); err == nil {
		add("sensor", "ok", "runs with pid %d, version %s", st.PID, st.Version)
	} else {
		add("sensor", "warn", "%v", err)
	}
	dir := s.config.Data
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		add("data", "ok", "%s, made at the first start", dir)
		return
	}
	if err := private.Check(dir); err != nil {
		add("data", "fail", "%v", err)
		return
	}
	f, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		add("data", "fail", "%v: events would stay in memory only", err)
		return
	}
	_ = f.Close()
	_ = os.Remove(f.Name())
	add("data", "ok", "%s", dir)
}

// way tries to reach the server, hop by hop.
func (v *checkVerb) way(s *shell, add adder) {
	proxy, err := s.config.UplinkProxy()
	if err != nil {
		add("proxy", "fail", "%v", err)
		return
	}
	server := v.Server
	id, err := identity.Load(s.config.IdentityDir())
	switch {
	case err == nil && server == "":
		server = id.URL
		add("identity", "ok", "%s, certificate until %s", id.Host, terminal.Clock(id.Expiry().UnixMicro()))
	case err != nil && server == "":
		add("identity", "warn", "%v", err)
		return
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		add("server", "fail", "%q is not of the form https://HOST:PORT", server)
		return
	}
	if p, err := proxy.For(u); err != nil {
		add("proxy", "fail", "%v", err)
		return
	} else if p != nil {
		add("proxy", "ok", "%s is used for %s", p.Redacted(), u.Host)
	} else {
		add("proxy", "ok", "none is used for %s", u.Host)
	}
	ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
	defer cancel()
	if err := uplink.Try(ctx, server, id, proxy); err != nil {
		add("server", "fail", "%s", uplink.Explain(err))
		return
	}
	add("server", "ok", "%s answers", server)
}
