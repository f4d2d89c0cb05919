// Command quiet counts the detections of a `yagura up` by level and says which of them come from the honest work, told by
// its cgroup, which from the replayed benign events, and which from whatever else ran: QUIET YAGURA DATA CGROUP. Its exit
// code is 1 when the work or the benign events raised a high or critical one.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

type found struct {
	Title struct {
		En string `json:"en"`
	} `json:"title"`
	Severity    string `json:"severity"`
	Event       string `json:"event_id"`
	Hostname    string `json:"hostname"`
	Image       string `json:"image"`
	CommandLine string `json:"command_line"`
}

func main() {
	n, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "quiet:", err)
		os.Exit(2)
	}
	if n > 0 {
		os.Exit(1)
	}
}

// partial is how the CLI ends when it does not know everything that it was asked.
const partial = 3

// levels from the worst on.
var levels = []string{"critical", "high", "medium", "low", "informational"}

// run prints every kind of detection once, with how often, and gives how many loud ones are not from elsewhere.
func run(args []string, stdout io.Writer) (loud int, err error) {
	if len(args) != 3 {
		return 0, errors.New("use: quiet YAGURA DATA CGROUP")
	}
	ask := func(verb ...string) ([]byte, error) {
		for try := 0; ; try++ {
			b, err := exec.Command(args[0], append([]string{"--data", args[1], "--json"}, verb...)...).Output()
			var ended *exec.ExitError
			switch {
			case err == nil:
				return b, nil
			case errors.As(err, &ended) && ended.ExitCode() == partial && try < 15:
				time.Sleep(2 * time.Second) // judged, and not yet searchable
			case errors.As(err, &ended) && ended.ExitCode() == partial:
				return b, nil
			default:
				return nil, fmt.Errorf("%s: %w", verb[0], err)
			}
		}
	}
	b, err := ask("detections", "--limit", "100000")
	if err != nil {
		return 0, err
	}
	var all []found
	if err := json.Unmarshal(b, &all); err != nil {
		return 0, fmt.Errorf("detections: %w", err)
	}
	cgroups := map[string]string{}
	for part := range slices.Chunk(all, 100) {
		var ids []string
		for _, d := range part {
			ids = append(ids, d.Event)
		}
		slices.Sort(ids)
		b, err := ask(append([]string{"events", "list"}, slices.Compact(ids)...)...)
		if err != nil {
			return 0, err
		}
		for lines := bufio.NewReader(bytes.NewReader(b)); ; {
			line, err := lines.ReadBytes('\n')
			var e struct {
				ID     string            `json:"id"`
				Fields map[string]string `json:"fields"`
			}
			if len(line) > 1 && json.Unmarshal(line, &e) == nil {
				cgroups[e.ID] = e.Fields["actor_cgroup"]
			}
			if err != nil {
				break
			}
		}
	}
	type kind struct{ whose, severity, title, image string }
	count, example := map[kind]int{}, map[kind]string{}
	sums := map[string]map[string]int{"work": {}, "benign events": {}, "beside": {}}
	for _, d := range all {
		whose := "beside"
		cgroup, known := cgroups[d.Event]
		switch {
		case d.Hostname == "benign-events":
			whose = "benign events"
		case !known || cgroup == args[2]: // nothing is excused by a question without an answer
			whose = "work"
		}
		k := kind{whose, d.Severity, d.Title.En, d.Image}
		count[k]++
		example[k] = d.CommandLine
		sums[whose][d.Severity]++
		if whose != "beside" && (d.Severity == "high" || d.Severity == "critical") {
			loud++
		}
	}
	kinds := slices.SortedFunc(maps.Keys(count), func(a, b kind) int {
		if x := strings.Compare(b.whose, a.whose); x != 0 {
			return x
		}
		if x := slices.Index(levels, a.severity) - slices.Index(levels, b.severity); x != 0 {
			return x
		}
		return strings.Compare(a.title+a.image, b.title+b.image)
	})
	for _, k := range kinds {
		line := strings.Join(strings.Fields(example[k]), " ")
		if len(line) > 160 {
			line = line[:160] + "…"
		}
		_, _ = fmt.Fprintf(stdout, "%-13s  %-8s  %3d×  %s  %s  %q\n", k.whose, k.severity, count[k], k.title, k.image, line)
	}
	for _, whose := range []string{"work", "benign events", "beside"} {
		_, _ = fmt.Fprintf(stdout, "%-13s ", whose)
		for _, level := range levels {
			_, _ = fmt.Fprintf(stdout, "  %s %d", level, sums[whose][level])
		}
		_, _ = fmt.Fprintln(stdout)
	}
	_, _ = fmt.Fprintf(stdout, "high or critical of the work and of the benign events: %d (0 is right)\n", loud)
	return loud, nil
}
