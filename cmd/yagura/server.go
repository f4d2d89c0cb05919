package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// serverFlags are what up and server take beside the keys of their configuration.
type serverFlags struct {
	configured
	ReadyFile string `help:"Written when events can be taken: url, sign_in, sensor_url, pid, sensor_pid." placeholder:"FILE"`
}

type upVerb struct {
	serverFlags
	NoSensor     bool   `help:"Do not start a sensor on this host."`
	SensorConfig string `help:"Configuration file of the local sensor (sensor.yaml)." placeholder:"FILE"`
}

// Help shows examples.
func (*upVerb) Help() string {
	return "Ctrl+C ends it, with the sensor's last events taken.\n\nExamples:\n  yagura up\n  yagura up --data ~/yagura --listen 127.0.0.1:9443 --sensor-listen 127.0.0.1:9444"
}

// Run serves with a sensor on this host.
func (v *upVerb) Run(s *shell) error {
	return s.serve(&v.serverFlags, &localFlags{config: v.SensorConfig, off: v.NoSensor})
}

// localFlags say how the sensor on this host is run.
type localFlags struct {
	config string
	off    bool
}

type serverVerb struct {
	serverFlags
}

// Help shows examples.
func (*serverVerb) Help() string {
	return "Examples:\n  yagura server\n  yagura server --config /etc/yagura/server.yaml"
}

// Run serves without a local sensor.
func (v *serverVerb) Run(s *shell) error { return s.serve(&v.serverFlags, &localFlags{off: true}) }

func (s *shell) logger(level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.ToUpper(level))); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(s.stderr, &slog.HandlerOptions{Level: l}))
}

// serve runs the server until the context ends, then takes it down in order: the sensor flushes, ingest
// stops, what reads the log finishes its record.
func (s *shell) serve(f *serverFlags, local *localFlags) (err error) {
	if !hasStore {
		return usagef("this build has no event store, so it is a command line only: install the server build, or talk to a server with --data")
	}
	c, err := f.load(s)
	if err != nil {
		return err
	}
	log := s.logger(c.LogLevel)
	began := false
	defer func() {
		if !began && errors.Is(err, syscall.ENOSPC) {
			err = fmt.Errorf("the disk of the data folder is full, free space there or make it larger, and start again; delete no file of the data folder: %w", err)
		}
	}()
	dir, err := openDataDir(s.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	srv, err := assemble(s.ctx, log, dir, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.close()) }()

	began = true
	// Parts outlive the first signal, so that the sensor's last events are taken and judged.
	parts, stop := context.WithCancelCause(context.WithoutCancel(s.ctx))
	defer stop(nil)
	group, parts := errgroup.WithContext(parts)
	srv.run(parts, group)

	up := ready{URL: srv.url(), SignIn: srv.signIn, SensorURL: srv.sensorURL(), PID: os.Getpid()}
	guard := &sensorGuard{parts: srv, stderr: s.given.stderr, config: local.config}
	if !local.off {
		up.SensorPID = guard.start(s.ctx)
	}
	if f.ReadyFile != "" {
		if err := up.write(f.ReadyFile); err != nil {
			return errors.Join(err, guard.stop())
		}
	}
	s.welcome(up, dir, up.SensorPID != 0)

	watch, unwatch := context.WithCancel(s.ctx)
	defer unwatch()
	guarded := make(chan struct{})
	go func() { defer close(guarded); guard.watch(watch) }()
	select {
	case <-s.ctx.Done():
	case <-parts.Done():
		log.ErrorContext(s.ctx, "a part of the server ended", slog.Any("err", context.Cause(parts)))
	}
	unwatch()
	<-guarded
	sensorErr := guard.stop()
	stop(errStopped)
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errStopped) {
		return errors.Join(err, sensorErr)
	}
	return sensorErr
}

// errStopped is the cause that parts see when the server ends on request.
var errStopped = errors.New("the server stops")

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// welcome says where the console is and how to sign in.
func (s *shell) welcome(up ready, dir *dataDir, watched bool) {
	signIn := up.SignIn
	if !isTerminal(s.given.stdout) { // a journal keeps what it is given, and others read it
		signIn = s.say("`yagura sign-in` makes a link, at a terminal of the server's user")
	}
	for _, line := range [][2]string{{"Console:", up.URL}, {"Sign in:", signIn}, {"Sensors:", up.SensorURL}} {
		s.printf("%s %s\n", terminal.Pad(s.say(line[0]), 12), line[1])
	}
	if watched {
		s.printf("%s\n", s.say("This host is watched. Try: bash dev/attacks/web-shell.sh"))
	} else {
		s.printf("%s\n", s.say("This host is NOT watched."))
	}
	if isFile(dir.file(filepath.Join("authority", command.AuthorityFile))) {
		s.printf("%s\n", s.say("The key that makes operators lies here, beside the server: before you enrol hosts that matter, `yagura authority move DIR` puts it on a disk that you take away."))
	}
}
