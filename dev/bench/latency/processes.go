package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// watch follows the server, its workers by role and the sensor. Workers come and go, so what each process has used is
// kept by its id.
type watch struct {
	server, sensor int
	cpu            map[string]map[int]float64 // by name and process: seconds used since this began
	first          map[int]float64            // seconds a process had used when it was first seen
	pss            map[string][]float64       // one for each look
	begun          bool
}

type usage struct {
	PssMB      float64 `json:"pss_mb"`
	PssMaxMB   float64 `json:"pss_max_mb"`
	CPUPercent float64 `json:"cpu_percent_of_a_core"`
}

func newWatch(server, sensor int) *watch {
	return &watch{server: server, sensor: sensor, cpu: map[string]map[int]float64{}, first: map[int]float64{}, pss: map[string][]float64{}}
}

func (w *watch) run(ctx context.Context) {
	w.look()
	for wait(ctx, time.Second) {
		w.look()
	}
	w.look()
}

func (w *watch) look() {
	for name, pids := range w.processes() {
		if w.cpu[name] == nil {
			w.cpu[name] = map[int]float64{}
		}
		sum := 0.0
		for _, pid := range pids {
			used := cpuSeconds(pid)
			if _, seen := w.first[pid]; !seen {
				w.first[pid] = 0
				if !w.begun {
					w.first[pid] = used // what came before does not count
				}
			}
			w.cpu[name][pid] = max(w.cpu[name][pid], used-w.first[pid])
			sum += pss(pid)
		}
		w.pss[name] = append(w.pss[name], sum)
	}
	w.begun = true
}

func (w *watch) processes() map[string][]int {
	out := map[string][]int{"server": {w.server}}
	if w.sensor != 0 {
		out["sensor"] = []int{w.sensor}
		if c := children(w.sensor, "yagura-sensor"); len(c) > 0 && strings.Contains(cmdline(w.sensor), "sudo") {
			out["sensor"] = c
		}
	}
	for _, role := range []string{"query", "seal", "compact"} {
		if c := children(w.server, "worker "+role); len(c) > 0 {
			out[role+" workers"] = c
		}
	}
	return out
}

func (w *watch) usage(seconds float64) map[string]usage {
	out := map[string]usage{}
	for name, each := range w.pss {
		u := usage{PssMB: mean(each)}
		for _, v := range each {
			u.PssMaxMB = max(u.PssMaxMB, v)
		}
		for _, used := range w.cpu[name] {
			u.CPUPercent += used / seconds * 100
		}
		out[name] = u
	}
	return out
}

// children gives the children of pid whose command line contains word.
func children(pid int, word string) []int {
	var out []int
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for c := range strings.FieldsSeq(string(b)) {
			if child, err := strconv.Atoi(c); err == nil && strings.Contains(cmdline(child), word) {
				out = append(out, child)
			}
		}
	}
	return out
}

func cmdline(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.ReplaceAll(string(b), "\x00", " ")
}

func cpuSeconds(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	part := strings.Fields(rest)
	if len(part) < 13 {
		return 0
	}
	u, _ := strconv.ParseFloat(part[11], 64)
	s, _ := strconv.ParseFloat(part[12], 64)
	return (u + s) / 100
}

func pss(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			v, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return v / 1024
		}
	}
	return 0
}
