package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// asProgram makes the test binary be the program: tests of the command line then need no build and no root.
const asProgram = "YAGURA_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	// The server gives its workers no environment.
	if os.Getenv(asProgram) != "" || len(os.Args) > 1 && os.Args[1] == "worker" {
		main()
	}
	code := m.Run()
	closeCounter()
	os.Exit(code)
}

// closeCounter ends the counter's server and takes its folder away; the test that opens it sets it.
var closeCounter = func() {}

// counter is a running server with a recorded attack on it, for tests of what verbs say. It is one for all tests of
// a run: they only read, or act on what they made.
type counter struct {
	house

	program string // how a shell starts the program
}

var oneCounter = sync.OnceValues(openCounter)

// newCounter gives the counter; a build without an event store has none.
func newCounter(t *testing.T) *counter {
	t.Helper()
	if !hasStore {
		t.Skip("needs a build with an event store")
	}
	c, err := oneCounter()
	if err != nil {
		t.Fatal(err)
	}
	own := *c
	own.t = t
	return &own
}

func openCounter() (*counter, error) {
	dir, err := os.MkdirTemp("", "yagura counter ") // the space is meant: printed commands must quote it
	if err != nil {
		return nil, err
	}
	c, end, err := serveIn(dir)
	if err != nil {
		return nil, err
	}
	closeCounter = func() {
		end()
		_ = os.RemoveAll(dir)
	}
	return c, c.record()
}

// ownCounter gives a server that no other test uses, with nothing recorded.
func ownCounter(t *testing.T) *counter {
	t.Helper()
	if !hasStore {
		t.Skip("needs a build with an event store")
	}
	c, end, err := serveIn(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	c.t = t
	return c
}

// serveIn starts a server in a folder, to which it is given as the program yagura; again after it ended.
func serveIn(dir string, args ...string) (c *counter, end func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	c = &counter{program: filepath.Join(dir, "yagura")}
	if err := os.Symlink(self, c.program); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, nil, err
	}
	c.data = filepath.Join(dir, "data")
	file := filepath.Join(dir, "ready.json")
	if err := os.RemoveAll(file); err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(c.program, append([]string{"up", "--no-sensor", "--data", c.data, "--listen", "127.0.0.1:0", "--sensor-listen", "127.0.0.1:0", "--ready-file", file}, args...)...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	// The server ends with this process, however that ends.
	cmd.SysProcAttr = endsWithParent()
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	end = func() {
		_ = cmd.Process.Kill()
		<-ended //nolint:errcheck // killed
	}
	deadline := time.After(2 * time.Minute)
	for {
		b, err := os.ReadFile(file)
		if err == nil {
			if err := json.Unmarshal(b, &c.ready); err != nil {
				return nil, nil, err
			}
			return c, end, nil
		}
		select {
		case err := <-ended:
			ended <- err
			b, _ := os.ReadFile(log.Name())
			return nil, nil, fmt.Errorf("the server ended: %w\n%s", err, b)
		case <-deadline:
			return nil, nil, fmt.Errorf("no server within two minutes")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// record plays the authored web shell of scenario/ as a host of its own, and waits for its incident.
func (c *counter) record() error {
	b, err := os.ReadFile("../../scenario/testdata/web-shell.txtar")
	if err != nil {
		return err
	}
	_, events, ok := strings.Cut(string(b), "-- events.ndjson --\n")
	if !ok {
		return fmt.Errorf("the scenario holds no events")
	}
	var lines strings.Builder
	for l := range strings.Lines(events) {
		if _, e, ok := strings.Cut(l, " "); ok {
			lines.WriteString(e)
		}
	}
	if _, errOut, code := c.in("en", strings.NewReader(lines.String()), "replay", "--now", "--host", "web-07", "-"); code != exitOK {
		return fmt.Errorf("replay: exit %d: %s", code, errOut)
	}
	for range 400 {
		out, _, _ := c.in("en", nil, "incidents", "--json")
		if strings.Contains(out, `"i-`) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	out, _, _ := c.in("en", nil, "detections")
	return fmt.Errorf("no incident within 20 s; detections: %s", out)
}

// in runs a verb in a language.
func (c *counter) in(language string, stdin *strings.Reader, args ...string) (stdout, stderr string, code int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, append([]string{"--data", c.data}, args...)...)
	lang := map[string]string{"ja": "ja_JP.UTF-8", "en": "C.UTF-8"}[language]
	cmd.Env = append(os.Environ(), asProgram+"=1", "LC_ALL=", "LC_MESSAGES=", "LANG="+lang, "COLUMNS=", "SUDO_USER=")
	if stdin != nil {
		cmd.Stdin = stdin
	}
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		return "", err.Error(), -1
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// shell runs a line as a person pastes it.
func (c *counter) shell(line string) (out string, code int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Env = append(os.Environ(), asProgram+"=1", "LC_ALL=", "LANG=C.UTF-8", "COLUMNS=", "SUDO_USER=")
	b, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		return err.Error(), -1
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// here runs a verb in Japanese inside this process, which costs a tenth of a process of its own.
func (c *counter) here(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	env := func(k string) string {
		return map[string]string{"LANG": "ja_JP.UTF-8", "HOME": filepath.Dir(c.data)}[k]
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	code = run(ctx, append([]string{"--data", c.data}, args...), strings.NewReader(""), &o, &e, env)
	return o.String(), e.String(), code
}
