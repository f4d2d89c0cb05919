package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a server whose clock can be moved, on a disk that can be filled.
type server struct {
	options
	program string // a copy of bin that an "upgrade" replaces
	data    string
	clock   string // file of one int64: seconds that the clock is off
	log     *os.File
	cmd     *exec.Cmd
	ended   chan struct{} // closed when cmd has
}

func newServer(o options) (*server, error) {
	s := &server{options: o, data: filepath.Join(o.disk, "data"), program: filepath.Join(o.disk, "..", "run", "yagura"), clock: filepath.Join(o.disk, "..", "clock")}
	if err := os.MkdirAll(filepath.Dir(s.program), 0o755); err != nil {
		return nil, err
	}
	var err error
	if s.log, err = os.Create(filepath.Join(o.disk, "..", "server.log")); err != nil {
		return nil, err
	}
	return s, s.setClock(0)
}

func (s *server) setClock(off time.Duration) error {
	// In place: the server has the file in memory.
	f, err := os.OpenFile(s.clock, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = f.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(int64(off/time.Second))), 0)
	return err
}

// install puts the right program in place, as a package does: a new file under the old name.
func (s *server) install(from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	fresh := s.program + ".new"
	if err := os.WriteFile(fresh, b, 0o755); err != nil {
		return err
	}
	return os.Rename(fresh, s.program)
}

func (s *server) start(ctx context.Context) error {
	if err := s.install(s.bin); err != nil {
		return err
	}
	return s.launch(ctx)
}

var errEnded = errors.New("the server ended at its start")

func (s *server) launch(ctx context.Context) error {
	ready := filepath.Join(filepath.Dir(s.program), "ready.json")
	_ = os.Remove(ready)
	s.cmd = exec.Command(s.program, "server", "--data", s.data, "--listen", s.listen, "--sensor-listen", s.sensors, "--seal-interval", "3s", "--ready-file", ready)
	s.cmd.Env = append(os.Environ(), "YAGURA_SOAK_CLOCK="+s.clock, "LC_ALL=C.UTF-8")
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _ = s.cmd.Wait(); close(ended) }()
	s.ended = ended
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		if _, err := os.Stat(ready); err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("%w: see %s", errEnded, s.log.Name())
		default:
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("the server was not ready within two minutes: see %s", s.log.Name())
}

// kill ends the server as a power cut would.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// again kills the server and starts it.
func (s *server) again(ctx context.Context) error {
	s.kill()
	return s.start(ctx)
}

func (s *server) end() {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		<-s.ended
	}
	_ = s.log.Close()
}

// verb runs a verb of the program with the right time.
func (s *server) verb(ctx context.Context, args ...string) (stdout []byte, code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.bin, append([]string{"--data", s.data}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() > 0 {
		return o.Bytes(), exit.ExitCode(), nil
	}
	return o.Bytes(), 0, err
}

func (s *server) token(ctx context.Context) (string, error) {
	out, _, err := s.verb(ctx, "enroll", "token", "--this-host", "--json")
	var made struct {
		Token string `json:"token"`
	}
	if err := errors.Join(err, json.Unmarshal(out, &made)); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return made.Token, nil
}

// rows are what doctor says that something is wrong.
func (s *server) rows(ctx context.Context) []string {
	out, _, err := s.verb(ctx, "doctor", "--json")
	var checks []struct {
		Name  string `json:"name"`
		State string `json:"state"`
		What  struct {
			En string `json:"en"`
		} `json:"what"`
	}
	if err != nil || json.Unmarshal(out, &checks) != nil {
		return nil
	}
	var wrong []string
	for _, c := range checks {
		if c.State != "ok" && c.State != "unknown" && !strings.HasPrefix(c.What.En, "Over since") {
			wrong = append(wrong, strings.ReplaceAll(c.Name+": "+c.What.En, s.data, "DIR"))
		}
	}
	return wrong
}

var digits = regexp.MustCompile(`[0-9]+`)

// matching gives the first row about something that does not stand, but for its numbers, among earlier ones.
func matching(rows, earlier []string, about *regexp.Regexp) string {
	for _, r := range rows {
		same := func(e string) bool { return digits.ReplaceAllString(e, "0") == digits.ReplaceAllString(r, "0") }
		if about.MatchString(r) && !slices.ContainsFunc(earlier, same) {
			return r
		}
	}
	return ""
}

// workers are the processes below the server that run its program as a worker.
func (s *server) workers() (pids []int) {
	var below func(pid int)
	below = func(pid int) {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // any thread may have started one
		for _, file := range tasks {
			b, _ := os.ReadFile(file)
			for child := range strings.FieldsSeq(string(b)) {
				n, err := strconv.Atoi(child)
				if err != nil {
					continue
				}
				below(n)
				if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", n)); bytes.Contains(line, []byte("\x00worker")) {
					pids = append(pids, n)
				}
			}
		}
	}
	below(s.cmd.Process.Pid)
	return pids
}

// stored reads every event: the names and how often each is there, and whether the answer was whole.
func (s *server) stored(ctx context.Context) (names map[string]int, whole bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.bin, "--data", s.data, "events", "list", "--json", "--limit", "100000000")
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var e bytes.Buffer
	cmd.Stderr = &e
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, false, err
	}
	if err := cmd.Start(); err != nil {
		return nil, false, err
	}
	names = map[string]int{}
	dec := json.NewDecoder(bufio.NewReaderSize(out, 1<<20))
	for dec.More() {
		var row struct {
			Fields map[string]string `json:"fields"`
		}
		if err = dec.Decode(&row); err != nil {
			break
		}
		if n := row.Fields["actor_cwd"]; n != "" {
			names[n]++
		}
	}
	_, _ = io.Copy(io.Discard, out)
	werr := cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(werr, &exit) && exit.ExitCode() == 3 {
		return names, false, err
	}
	if werr != nil {
		err = fmt.Errorf("events list: %w %s", werr, strings.TrimSpace(e.String()))
	}
	return names, true, err
}

// count waits until every event that was made is stored, or nothing changes any more, and fills in the verdict.
func (s *server) count(ctx context.Context, f *fleet, v *verdict) error {
	var last error
	for end := time.Now().Add(4 * time.Minute); ; {
		names, whole, err := s.stored(ctx)
		last = err
		if err == nil {
			s.compare(f, names, v)
			if v.Lost+v.Duplicates+v.Altered == 0 && whole {
				return nil
			}
		}
		s.say("%d made, %d stored, %d missing, %d twice, %d altered, whole %t, %v", v.Produced, v.Stored, v.Lost, v.Duplicates, v.Altered, whole, err)
		if time.Now().After(end) {
			return last
		}
		if err := pause(ctx, 10*time.Second); err != nil {
			return err
		}
	}
}

func (s *server) compare(f *fleet, names map[string]int, v *verdict) {
	v.Produced, v.Stored, v.Shed, v.Lost, v.Duplicates, v.Altered = 0, 0, 0, 0, 0, 0
	for name, times := range names {
		if !isName(name) {
			v.Altered++
		}
		v.Duplicates += times - 1
	}
	for _, x := range f.all {
		n := x.count()
		v.Produced += n
		v.Shed += x.spool.Stats().Dropped
		for i := range n {
			if names[nameOf(x.name, i)] > 0 {
				v.Stored++
			} else {
				v.Lost++
			}
		}
	}
	v.Lost -= min(v.Lost, int(v.Shed))
}
