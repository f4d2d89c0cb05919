// Command quiet counts the high and critical detections of a `yagura up` and says which of them come from a
// given process and what it started: QUIET YAGURA DATA PID. Its exit code is 1 when there is one of those.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

type found struct {
	Title struct {
		En string `json:"en"`
	} `json:"title"`
	Severity    string `json:"severity"`
	Process     string `json:"process"`
	Image       string `json:"image"`
	CommandLine string `json:"command_line"`
	Time        int64  `json:"time"`
}

type tree struct {
	Nodes []struct {
		Process string `json:"process"`
		Parent  string `json:"parent"`
		PID     int    `json:"pid"`
	} `json:"nodes"`
}

func main() {
	n, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "quiet:", err)
		os.Exit(2)
	}
	if n > 0 {
		os.Exit(1)
	}
}

// run prints each detection and gives how many come from the process.
func run(args []string) (ours int, err error) {
	if len(args) != 3 {
		return 0, errors.New("use: quiet YAGURA DATA PID")
	}
	root, err := strconv.Atoi(args[2])
	if err != nil {
		return 0, fmt.Errorf("pid: %w", err)
	}
	ask := func(to any, verb ...string) error {
		b, err := exec.Command(args[0], append([]string{"--data", args[1], "--json"}, verb...)...).Output()
		if err != nil {
			return fmt.Errorf("%v: %w", verb, err)
		}
		return json.Unmarshal(b, to)
	}
	beside := 0
	for _, severity := range []string{"critical", "high"} {
		var all []found
		if err := ask(&all, "detections", "--limit", "100000", "--severity", severity); err != nil {
			return 0, err
		}
		for _, d := range all {
			whose := "beside"
			var t tree
			if err := ask(&t, "tree", d.Process); err != nil {
				whose = "unknown" // counted with the work: nothing is excused by a question without an answer
				ours++
			} else if from(&t, d.Process, root) {
				whose = "workload"
				ours++
			} else {
				beside++
			}
			line := d.CommandLine
			if len(line) > 120 {
				line = line[:120] + "…"
			}
			fmt.Printf("%s  %-8s  %-8s  %s  %s  %q\n", time.UnixMicro(d.Time).UTC().Format(time.TimeOnly), whose, d.Severity, d.Title.En, d.Image, line)
		}
	}
	fmt.Printf("{\"workload\": %d, \"beside\": %d}\n", ours, beside)
	return ours, nil
}

// from says whether the process descends from the one with the pid.
func from(t *tree, process string, root int) bool {
	for range len(t.Nodes) {
		at := -1
		for i := range t.Nodes {
			if t.Nodes[i].Process == process {
				at = i
			}
		}
		if at < 0 {
			return false
		}
		if t.Nodes[at].PID == root {
			return true
		}
		process = t.Nodes[at].Parent
	}
	return false
}
