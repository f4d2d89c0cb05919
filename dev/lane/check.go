package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// finding is one line of `yagura-sensor check --json`.
type finding struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// kernel is what check said on one kernel.
type kernel struct {
	Release  string    `json:"release"`
	Findings []finding `json:"findings"`
}

// mustSee are the findings that have to be good on every kernel of the lane.
var mustSee = map[string]string{"process": "full", "network": "full", "dns": "full", "file": "full", "memory": "full", "isolate": "ok", "btf": "ok"}

func check(r *report, release string) {
	out, err := exec.Command(filepath.Join(home, "yagura-sensor"), "check", "--json").Output()
	k := kernel{Release: release}
	if jerr := json.Unmarshal(out, &k.Findings); jerr != nil {
		r.row("yagura-sensor check", fmt.Errorf("%w, %w: %s", jerr, err, out))
		return
	}
	for name, want := range mustSee {
		if !slices.ContainsFunc(k.Findings, func(f finding) bool { return f.Name == name && f.State == want }) {
			r.row("check: "+name, fmt.Errorf("not %s", want))
		}
	}
	for _, f := range k.Findings {
		if f.Name != "sensor" && f.Name != "data" && f.Name != "identity" && f.Name != "root" { // the guest's own state
			r.say("%-36s %-4s %s", "check: "+f.Name, f.State, f.Reason)
		}
	}
	if line, err := json.Marshal(k); err == nil {
		r.say("json %s", line)
	}
}

// Marks of the part of docs/kernels.md that is generated.
const (
	begin = "<!-- what check said: begin (dev/lane.sh --write) -->\n"
	end   = "<!-- what check said: end -->\n"
)

// table puts what check said on each kernel between the marks of the page.
func table(page string, files []string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	var kernels []kernel
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read an answer: %w", err)
		}
		var k kernel
		if err := json.Unmarshal(b, &k); err != nil {
			return fmt.Errorf("answer %s: %w: did the guest come so far?", name, err)
		}
		kernels = append(kernels, k)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the table: %q … %q", page, begin, end)
	}
	var b strings.Builder
	line := func(cells ...string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	heads, rule := []string{"`check` says of"}, []string{"---"}
	for _, k := range kernels {
		heads, rule = append(heads, k.Release), append(rule, "---")
	}
	line(heads...)
	line(rule...)
	for _, name := range []string{"btf", "process", "file", "memory", "network", "dns", "names", "isolate", "nftables"} {
		cells := []string{name}
		for _, k := range kernels {
			i := slices.IndexFunc(k.Findings, func(f finding) bool { return f.Name == name })
			if i < 0 {
				cells = append(cells, "not asked")
				continue
			}
			f := k.Findings[i]
			cells = append(cells, f.State+cmp.Or(strings.ReplaceAll(map[bool]string{true: "", false: ": " + f.Reason}[f.Reason == ""], "|", "/"), ""))
		}
		line(cells...)
	}
	if err := os.WriteFile(page, []byte(before+begin+b.String()+end+after), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
