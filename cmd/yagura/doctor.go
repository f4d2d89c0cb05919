package main

import (
	"fmt"
	"os"
	"runtime"

	"connectrpc.com/connect"

	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
)

type doctorVerb struct {
	Notify bool `help:"Send a test message through every channel of notify."`
}

// Help shows examples.
func (doctorVerb) Help() string {
	return "Examples:\n  yagura doctor\n  yagura doctor --notify\n  yagura doctor --json"
}

// Run checks this machine, then asks the server to check itself.
func (v doctorVerb) Run(s *shell) error {
	checks := s.localChecks()
	r, err := s.console().Diagnose(s.ctx, connect.NewRequest(&consolev1.DiagnoseRequest{Notify: v.Notify}))
	if err != nil {
		checks = append(checks, &consolev1.Check{Name: "server", State: "fail", What: &consolev1.Said{En: s.explain("ask the server", err).Error(), Ja: s.explain("サーバーへの問い合わせ", err).Error()}, Fix: &consolev1.Said{En: "start it with `yagura up`", Ja: "`yagura up` で起動してください"}})
	} else {
		checks = append(checks, r.Msg.Checks...)
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
			s.printf("%s %-18s %s\n", mark, c.Name, s.said(c.What))
			if fix := s.said(c.Fix); fix != "" && c.State != "ok" {
				s.printf("  %-18s → %s\n", "", fix)
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf(s.say("%d of %d checks failed", "%d 件の問題があります(全 %d 件中)"), failed, len(checks))
	}
	return nil
}

func (s *shell) localChecks() []*consolev1.Check {
	var out []*consolev1.Check
	add := func(name, state, en, ja, fixEn, fixJa string) {
		out = append(out, &consolev1.Check{Name: name, State: state, What: &consolev1.Said{En: en, Ja: ja}, Fix: &consolev1.Said{En: fixEn, Ja: fixJa}})
	}
	if st, err := os.Stat(s.data); err != nil {
		add("data", "fail", s.data+" cannot be read", s.data+" を読めません", "name the folder with --data", "--data で指定してください")
	} else if st.Mode().Perm()&0o077 != 0 {
		add("data", "fail", s.data+" can be read by other users", s.data+" が他のユーザーから読めます", "chmod 700 "+s.data, "chmod 700 "+s.data)
	} else {
		add("data", "ok", s.data+" is private", s.data+" は非公開です", "", "")
	}
	if runtime.GOOS == "linux" {
		if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
			add("kernel", "fail", "this kernel has no BTF: a sensor here sees nothing", "このカーネルには BTF がなく、センサーは何も見えません", "use a kernel with CONFIG_DEBUG_INFO_BTF (every current distribution has it)", "CONFIG_DEBUG_INFO_BTF つきのカーネルを使ってください")
		} else {
			add("kernel", "ok", "this kernel has BTF", "このカーネルには BTF があります", "", "")
		}
	}
	return out
}
