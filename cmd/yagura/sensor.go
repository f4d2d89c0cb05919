package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// errNoSensor says why no sensor runs on this host.
var errNoSensor = errors.New("no sensor on this host")

// localSensor is the yagura-sensor process that `up` runs beside the server. Its standard input is a pipe:
// when this process ends, however it ends, the sensor reads end of file, flushes and exits.
type localSensor struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan error
}

// startSensor starts the sensor found beside this program, through sudo when this user is not root.
func startSensor(ctx context.Context, log *slog.Logger, stderr io.Writer, args ...string) (*localSensor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	program := filepath.Join(filepath.Dir(self), "yagura-sensor")
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("%w: %s is missing: build it with `make build`", errNoSensor, program)
	}
	argv := append([]string{program, "run", "--stdin-lease"}, args...)
	if os.Geteuid() != 0 {
		sudo, err := exec.LookPath("sudo")
		if err != nil {
			return nil, fmt.Errorf("%w: it needs root and sudo is not here: run `sudo yagura up`, or enrol it by hand (`yagura enroll token`)", errNoSensor)
		}
		argv = append([]string{sudo}, argv...)
	}
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:gosec,noctx // our own program; it ends by its pipe, flushed, not by a signal
	cmd.Stderr = stderr
	cmd.Stdout = stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the sensor: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the sensor: %w", err)
	}
	s := &localSensor{cmd: cmd, stdin: stdin, done: make(chan error, 1)}
	go func() { s.done <- cmd.Wait() }()
	log.InfoContext(ctx, "sensor started", slog.Int("pid", cmd.Process.Pid))
	return s, nil
}

func (s *localSensor) pid() int { return s.cmd.Process.Pid }

// stop closes the pipe and waits for the sensor to flush and end.
func (s *localSensor) stop() error {
	_ = s.stdin.Close()
	select {
	case err := <-s.done:
		return err
	case <-time.After(10 * time.Second):
		_ = s.cmd.Process.Kill()
		return fmt.Errorf("the sensor did not end within 10 s of its server: killed (pid %d)", s.pid())
	}
}
