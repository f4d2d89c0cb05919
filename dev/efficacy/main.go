//go:build linux

// Command efficacy runs the open attack tests of YAGURA_DATA/atomic-linux live against Yagura's own rules and says how
// many were seen: as the argument of `sh -c`, and as a script file, which is what a person who types or a dropper looks
// like. Every test gets a room of its own (room.go): a throw-away Debian, name spaces, a network in which every address
// is this room and nothing leads out (world.go), a cgroup by which each detection is assigned. dev/efficacy.sh calls it.
//
// It is not a test of the engine: nothing is judged but what a real kernel, sensor and server made of a real act.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		if part, ok := map[string]func() error{"room": room, "world": world}[args[0]]; ok {
			if err := part(); err != nil {
				_, _ = fmt.Fprintf(stderr, "efficacy: %s: %v\n", args[0], err)
				return 1
			}
			return 0
		}
	}
	fs := flag.NewFlagSet("efficacy", flag.ContinueOnError)
	fs.SetOutput(stderr)
	var r measurement
	fs.StringVar(&r.data, "data", "", "folder with the tests (YAGURA_DATA/atomic-linux)")
	fs.StringVar(&r.root, "root", "", "the Debian that root.sh made")
	fs.StringVar(&r.work, "work", "", "folder for the rooms and the server's data; emptied by who made it")
	fs.StringVar(&r.out, "out", "", "folder that keeps result.json, history.ndjson and the events of each test")
	fs.StringVar(&r.classes, "classes", "dev/efficacy/classes.tsv", "what each test is")
	fs.StringVar(&r.bin, "bin", "bin", "folder with yagura and yagura-sensor")
	fs.StringVar(&r.listen, "listen", "127.0.0.1:0", "console of the server")
	fs.StringVar(&r.sensorListen, "sensor-listen", "127.0.0.1:0", "its address for sensors")
	fs.StringVar(&r.commit, "commit", "", "what is measured, for the history")
	fs.IntVar(&r.parallel, "parallel", 2, "rooms at a time, at most 2")
	fs.DurationVar(&r.limit, "limit", 20*time.Second, "how long a test may run")
	fs.BoolVar(&r.skipped, "skipped", false, "also run what the classes leave out, but for the refused")
	if fs.Parse(args) != nil || r.data == "" || r.root == "" || r.work == "" || r.out == "" {
		_, _ = fmt.Fprintln(stderr, "efficacy: -data, -root, -work and -out are needed; dev/efficacy.sh gives them")
		return 2
	}
	r.only, r.parallel, r.log = fs.Args(), min(max(r.parallel, 1), 2), stderr
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := r.run(ctx, stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "efficacy: %v\n", err)
		return 1
	}
	return 0
}

type measurement struct {
	data, root, work, out, classes, bin string
	listen, sensorListen, commit        string
	only                                []string
	parallel                            int
	limit                               time.Duration
	skipped                             bool
	prepare                             string // the cgroup of what makes rooms ready
	log                                 io.Writer
}

// modes are the two looks of one act.
var modes = []string{"c", "script"}

func (m *measurement) run(ctx context.Context, stdout io.Writer) error {
	tests, err := readTests(m.data)
	if err != nil {
		return err
	}
	classes, err := readClasses(m.classes)
	if err != nil {
		return err
	}
	names := wellKnown(tests)
	var all []*attempt
	for _, t := range tests {
		t.class, t.tactic = classes[t.ID].class, classes[t.ID].tactic
		if !m.wanted(t) {
			continue
		}
		if why := refused(t); why != "" {
			_, _ = fmt.Fprintf(m.log, "efficacy: %-13s refused: %s\n", t.ID, why)
			continue
		}
		for _, mode := range modes {
			all = append(all, &attempt{test: t, mode: mode})
		}
	}
	if len(all) == 0 {
		return errors.New("no such test: ids look like T1059.004 or T1059.004#2")
	}
	authority, err := newAuthority()
	if err != nil {
		return err
	}
	h, err := openHouse(m)
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.ready(ctx); err != nil {
		return err
	}
	begin := time.Now()
	if m.prepare, err = makeCgroup(prepare); err != nil {
		return err
	}
	defer func() { _ = endCgroup(m.prepare); _ = os.Remove(filepath.Dir(m.prepare)) }()
	queue := make(chan *attempt)
	var wg sync.WaitGroup
	for range m.parallel {
		wg.Go(func() {
			for a := range queue {
				m.attempt(ctx, a, authority, names)
			}
		})
	}
	for i, a := range all {
		if i%50 == 0 {
			_, _ = fmt.Fprintf(m.log, "efficacy: %d of %d (%s)\n", i, len(all), time.Since(begin).Round(time.Second))
		}
		select {
		case queue <- a:
		case <-ctx.Done():
		}
	}
	close(queue)
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return m.report(ctx, h, all, begin, stdout)
}

// wanted says whether the test was asked for: by id, by technique, or with no wish at all when its class counts.
func (m *measurement) wanted(t *test) bool {
	if len(m.only) == 0 {
		return t.class != "skip" || m.skipped
	}
	technique, _, _ := strings.Cut(t.ID, "#")
	return slices.Contains(m.only, t.ID) || slices.Contains(m.only, technique)
}

func (m *measurement) attempt(ctx context.Context, a *attempt, authority *authority, names []string) {
	dir := filepath.Join(m.work, a.name())
	a.err = a.run(ctx, m, dir, authority, names)
	if a.err != nil {
		_, _ = fmt.Fprintf(m.log, "efficacy: %s: %v\n", a.name(), a.err)
	}
}
