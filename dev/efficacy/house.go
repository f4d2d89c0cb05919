//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// house is a `yagura up`: the server and a sensor on this kernel.
type house struct {
	yagura, dir, log string
	cmd              *exec.Cmd
	done             chan error
}

// detection is what the CLI says of one, as far as it is asked here.
type detection struct {
	Title struct {
		En string `json:"en"`
	} `json:"title"`
	Severity string `json:"severity"`
	Event    string `json:"event_id"`
	Image    string `json:"image"`
}

// counts says whether a detection is one that a person is shown as such: of medium or more.
func (d *detection) counts() bool { return rank(d.Severity) >= 2 }

func rank(severity string) int {
	return map[string]int{"low": 1, "medium": 2, "high": 3, "critical": 4}[severity]
}

func openHouse(m *measurement) (*house, error) {
	for _, dir := range []string{m.work, m.out, filepath.Join(m.out, "printed"), filepath.Join(m.out, "events")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	h := &house{yagura: filepath.Join(m.work, "yagura"), dir: filepath.Join(m.work, "data"), log: filepath.Join(m.out, "server.log"), done: make(chan error, 1)}
	for _, name := range []string{"yagura", "yagura-sensor"} { // copies: a build beside must not change what is measured
		b, err := os.ReadFile(filepath.Join(m.bin, name))
		if err != nil {
			return nil, fmt.Errorf("the programs: %w: make build", err)
		}
		if err := os.WriteFile(filepath.Join(m.work, name), b, 0o755); err != nil {
			return nil, err
		}
	}
	log, err := os.Create(h.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	h.cmd = exec.Command(h.yagura, "up", "--data", h.dir, "--listen", m.listen, "--sensor-listen", m.sensorListen, "--ready-file", filepath.Join(m.work, "ready"))
	h.cmd.Stdout, h.cmd.Stderr = log, log
	if err := h.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	go func() { h.done <- h.cmd.Wait() }()
	return h, nil
}

// ready waits until the host reports: from then on an act is seen.
func (h *house) ready(ctx context.Context) error {
	for range 150 {
		select {
		case err := <-h.done:
			h.done <- err
			return fmt.Errorf("the server ended: %w: see %s", err, h.log)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(400 * time.Millisecond):
		}
		var hosts []struct {
			State string `json:"state"`
		}
		if h.ask(ctx, &hosts, "hosts") == nil && len(hosts) == 1 && hosts[0].State == "reporting" {
			time.Sleep(2 * time.Second)
			return nil
		}
	}
	return fmt.Errorf("the host does not report after a minute: see %s", h.log)
}

// settle waits until what was done last is searchable and nothing more is detected: on a loaded machine the judge is late.
func (h *house) settle(ctx context.Context) error {
	begin := time.Now()
	marker := fmt.Sprintf("efficacy-settled-%d", begin.UnixNano())
	if err := exec.CommandContext(ctx, "/bin/true", marker).Run(); err != nil {
		return fmt.Errorf("leave a mark: %w", err)
	}
	seen, before, calm := false, -1, 0
	for time.Since(begin) < 3*time.Minute {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(2 * time.Second):
		}
		if !seen {
			if err := h.events(ctx, func(r *row, _ []byte) error {
				seen = seen || strings.Contains(r.Fields["actor_command_line"], marker)
				return nil
			}, "--kind", "process.exec", "--from", strconv.FormatInt(begin.Add(-time.Minute).UnixMicro(), 10), "--limit", "5000"); err != nil {
				return err
			}
			continue
		}
		var all []detection
		if err := h.ask(ctx, &all, "detections", "--limit", "100000"); err != nil {
			return err
		}
		if calm++; len(all) != before {
			before, calm = len(all), 0
		}
		if calm >= 3 {
			return nil
		}
	}
	return errors.New("three minutes after the last test its events are not searchable: the machine is too loaded to measure")
}

// close ends the server with its sensor.
func (h *house) close() {
	_ = h.cmd.Process.Signal(os.Interrupt)
	select {
	case <-h.done: //nolint:errcheck // the log tells
	case <-time.After(20 * time.Second):
		_ = h.cmd.Process.Kill()
	}
}

func (h *house) command(ctx context.Context, verb ...string) *exec.Cmd {
	return exec.CommandContext(ctx, h.yagura, append([]string{"--data", h.dir, "--json"}, verb...)...)
}

func (h *house) ask(ctx context.Context, to any, verb ...string) error {
	b, err := h.command(ctx, verb...).Output()
	if err != nil {
		if ended, ok := errors.AsType[*exec.ExitError](err); ok {
			return fmt.Errorf("%v: %w: %s", verb, err, strings.TrimSpace(string(ended.Stderr)))
		}
		return fmt.Errorf("%v: %w", verb, err)
	}
	return json.Unmarshal(b, to)
}

// row is one line of `yagura events list --json`.
type row struct {
	ID     string            `json:"id"`
	Fields map[string]string `json:"fields"`
}

// cgroup gives the cgroup of who acted.
func (r *row) cgroup() string { return r.Fields["actor_cgroup"] }

// events calls each for every event that the verb gives.
func (h *house) events(ctx context.Context, each func(*row, []byte) error, verb ...string) error {
	cmd := h.command(ctx, append([]string{"events", "list"}, verb...)...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewReaderSize(out, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 1 {
			var r row
			if err := json.Unmarshal(line, &r); err != nil {
				return fmt.Errorf("an event that is no JSON: %w", err)
			}
			if err := each(&r, line); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("list events: %w: %s", err, said.String())
	}
	return nil
}

// detections asks for every detection, and for the cgroup of each one's event.
func (h *house) detections(ctx context.Context) (all []detection, cgroups map[string]string, err error) {
	if err := h.ask(ctx, &all, "detections", "--limit", "100000"); err != nil {
		return nil, nil, err
	}
	cgroups = map[string]string{}
	for at := 0; at < len(all); at += 100 {
		verb := []string{}
		for _, d := range all[at:min(at+100, len(all))] {
			if _, asked := cgroups[d.Event]; !asked {
				cgroups[d.Event] = ""
				verb = append(verb, d.Event)
			}
		}
		if len(verb) == 0 {
			continue
		}
		for try := 0; ; try++ {
			err := h.events(ctx, func(r *row, _ []byte) error { cgroups[r.ID] = r.cgroup(); return nil }, verb...)
			if err == nil {
				break
			}
			if try == 15 {
				return nil, nil, err
			}
			time.Sleep(2 * time.Second) // judged, and not yet searchable
		}
	}
	return all, cgroups, nil
}

// exported are the kinds that say what a room did; a scan's hundred thousand connections and forks are left in the store.
const exported = "process.exec,process.pipe,mem.ptrace,mem.memfd_create,mem.vm_write,mem.proc_write,file.create,file.modify,file.rename,file.delete," +
	"file.chmod,file.read_credential,file.link,net.accept,net.listen,net.stdio_socket,net.scan,dns.query,auth.logon"

// export writes what each room did to a file of its own, at most a few thousand events each.
func (h *house) export(ctx context.Context, dir string, begin time.Time) error {
	const most = 3000
	files, lines := map[string]*os.File{}, map[string]int{}
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	return h.events(ctx, func(r *row, line []byte) error {
		name := r.cgroup()
		if !strings.HasPrefix(name, "at-") || lines[name] >= most {
			return nil
		}
		f := files[name]
		if f == nil {
			var err error
			if f, err = os.Create(filepath.Join(dir, name+".ndjson")); err != nil {
				return err
			}
			files[name] = f
		}
		lines[name]++
		_, err := f.Write(line)
		return err
	}, "--kind", exported, "--from", strconv.FormatInt(begin.UnixMicro(), 10), "--limit", "500000")
}
