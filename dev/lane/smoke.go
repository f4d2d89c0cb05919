package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// smoke acts as a user would, each act in a process of its own, and looks for it in `yagura-sensor watch`.
func smoke(r *report) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	w, err := startWatch(ctx)
	if err != nil {
		r.row("watch", err)
		return
	}
	defer func() { r.row("watch: ends when told to", w.stop()) }()
	dir, err := os.MkdirTemp("", "lane-")
	if err != nil {
		r.row("watch", err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, a := range []struct {
		name string
		try  func(*watch, string) error
	}{
		{"exec, with parent and exit code", tryExec},
		{"exec of a script", tryScript},
		{"file: create", tryCreate},
		{"file: modify", tryModify},
		{"file: chmod", tryChmod},
		{"file: rename", tryRename},
		{"file: delete", tryDelete},
		{"file: read of a secret", trySecret},
		{"tcp: listen, connect, accept, close", tryTCP},
		{"dns: query with its answer", tryDNS},
	} {
		r.row("watch: "+a.name, a.try(w, dir))
	}
}

type watch struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  chan struct{}
	// patience is how long find waits: emulation on a busy machine is slow, but what failed once is not
	// waited for as long again.
	patience time.Duration

	mu     sync.Mutex // guards events, bad
	events []*event.Event
	bad    error
}

func startWatch(ctx context.Context) (*watch, error) {
	w := &watch{cmd: exec.CommandContext(ctx, filepath.Join(home, "yagura-sensor"), "watch"), ended: make(chan struct{}), patience: 3 * time.Minute}
	w.cmd.Stderr = &w.stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	go func() {
		defer close(w.ended)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, event.MaxJSONLine)
		for lines.Scan() {
			e, err := event.FromJSON(lines.Bytes())
			w.mu.Lock()
			w.events, w.bad = append(w.events, e), errors.Join(w.bad, err)
			w.mu.Unlock()
		}
	}()
	// The snapshot ends what comes before the acts.
	_, err = w.find("running process", func(e *event.Event) bool { return e.Kind == event.ProcessRunning && e.Actor.PID == 1 })
	return w, err
}

func (w *watch) stop() error {
	if err := w.cmd.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	<-w.ended
	if err := w.cmd.Wait(); err != nil {
		return fmt.Errorf("watch ended with %w: %s", err, w.stderr.String())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bad
}

// find waits for an event that fits.
func (w *watch) find(what string, fits func(*event.Event) bool) (*event.Event, error) {
	for deadline := time.Now().Add(w.patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		w.mu.Lock()
		for _, e := range w.events {
			if e != nil && fits(e) {
				w.mu.Unlock()
				return e, nil
			}
		}
		w.mu.Unlock()
	}
	w.patience = max(w.patience/4, 5*time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	return nil, fmt.Errorf("no %s among %d events %s", what, len(w.events), w.stderr.String())
}

// by finds an event of one process.
func (w *watch) by(kind event.Kind, pid uint64) (*event.Event, error) {
	return w.find(kind.String()+" by "+strconv.FormatUint(pid, 10), func(e *event.Event) bool { return e.Kind == kind && e.Actor.PID == pid })
}

// fields compares what an event says with what was done: name, got, want, three at a time.
func fields(e *event.Event, triples ...any) error {
	var errs []error
	if e.Actor.UserID != "0" || e.Actor.UserName != "root" {
		errs = append(errs, fmt.Errorf("%s: user %q %q; want 0 root", e.Kind, e.Actor.UserID, e.Actor.UserName))
	}
	for i := 0; i+2 < len(triples); i += 3 {
		if got, want := fmt.Sprint(triples[i+1]), fmt.Sprint(triples[i+2]); got != want {
			errs = append(errs, fmt.Errorf("%s: %v %q; want %q", e.Kind, triples[i], got, want))
		}
	}
	return errors.Join(errs...)
}

// do runs a program in dir and gives its process id.
func do(dir, program string, args ...string) (uint64, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s: %w: %s", program, err, out)
	}
	return uint64(cmd.Process.Pid), nil
}

func tryExec(w *watch, dir string) error {
	cmd := exec.Command("/usr/bin/bash", "-c", "exit 7", "two words", "\xff")
	cmd.Dir = dir
	_ = cmd.Run() // exits with 7
	pid := uint64(cmd.Process.Pid)
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("own path: %w", err)
	}
	e, err := w.by(event.ProcessExec, pid)
	if err != nil {
		return err
	}
	hashed := e
	if e.HashState == event.HashPending { // the exec does not wait longer than 100 ms for it
		if hashed, err = w.by(event.ProcessImageHashed, pid); err != nil {
			return err
		}
	}
	exit, xerr := w.by(event.ProcessExit, pid)
	if xerr != nil {
		return xerr
	}
	return errors.Join(fields(e, "path", e.Actor.Path, "/usr/bin/bash", "command line", e.Actor.CommandLine, "/usr/bin/bash -c exit 7 two words \xff",
		"cwd", e.Actor.Cwd, dir, "parent", e.Parent.PID, os.Getpid(), "parent's path", e.Parent.Path, self, "hash", hashed.HashState, event.HashKnown),
		fields(exit, "exit code", exit.ExitCode, 7, "path", exit.Actor.Path, "/usr/bin/bash"))
}

func tryScript(w *watch, dir string) error {
	script := filepath.Join(dir, "job.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		return fmt.Errorf("script: %w", err)
	}
	pid, err := do(dir, script)
	if err != nil {
		return err
	}
	e, err := w.by(event.ProcessExec, pid)
	if err != nil {
		return err
	}
	return fields(e, "script", e.Actor.Interpreter, script, "path", e.Actor.Path, "/usr/bin/sh")
}

func tryCreate(w *watch, dir string) error {
	pid, err := do(dir, "/usr/bin/sh", "-c", "echo one >a.txt")
	if err != nil {
		return err
	}
	e, err := w.by(event.FileCreate, pid)
	if err != nil {
		return err
	}
	return fields(e, "path", e.File.Path, dir+"/a.txt", "actor", e.Actor.Path, "/usr/bin/sh", "has an id", e.File.FileID != "", true)
}

func tryModify(w *watch, dir string) error {
	pid, err := do(dir, "/usr/bin/sh", "-c", "echo two >>a.txt")
	if err != nil {
		return err
	}
	e, err := w.by(event.FileModify, pid)
	if err != nil {
		return err
	}
	return fields(e, "path", e.File.Path, dir+"/a.txt")
}

func tryChmod(w *watch, dir string) error {
	pid, err := do(dir, "/usr/bin/chmod", "4755", "a.txt")
	if err != nil {
		return err
	}
	e, err := w.by(event.FileChmod, pid)
	if err != nil {
		return err
	}
	return fields(e, "path", e.File.Path, dir+"/a.txt", "mode", e.File.Mode&0o7777, 0o4755, "command line", e.Actor.CommandLine, "/usr/bin/chmod 4755 a.txt")
}

func tryRename(w *watch, dir string) error {
	pid, err := do(dir, "/usr/bin/mv", "a.txt", "b.txt")
	if err != nil {
		return err
	}
	e, err := w.by(event.FileRename, pid)
	if err != nil {
		return err
	}
	return fields(e, "from", e.OldFile.Path, dir+"/a.txt", "to", e.File.Path, dir+"/b.txt")
}

func tryDelete(w *watch, dir string) error {
	pid, err := do(dir, "/usr/bin/rm", "b.txt")
	if err != nil {
		return err
	}
	e, err := w.by(event.FileDelete, pid)
	if err != nil {
		return err
	}
	return fields(e, "path", e.File.Path, dir+"/b.txt")
}

func trySecret(w *watch, dir string) error {
	secret := filepath.Join(dir, "id_ed25519")
	if err := os.WriteFile(secret, []byte("key"), 0o600); err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	pid, err := do(dir, "/usr/bin/cat", secret)
	if err != nil {
		return err
	}
	e, err := w.by(event.FileReadCredential, pid)
	if err != nil {
		return err
	}
	return fields(e, "path", e.File.Path, secret)
}

// tryTCP serves one connection of a bash.
func tryTCP(w *watch, dir string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer func() { _ = l.Close() }()
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.CopyN(io.Discard, c, 5)
		_ = c.Close()
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	pid, err := do(dir, "/usr/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/"+port+"; printf hello >&3; cat <&3")
	if err != nil {
		return err
	}
	<-served
	me := uint64(os.Getpid())
	connect, err := w.by(event.NetConnect, pid)
	if err != nil {
		return err
	}
	listen, lerr := w.by(event.NetListen, me)
	accept, aerr := w.by(event.NetAccept, me)
	closed, cerr := w.find("close of the client", func(e *event.Event) bool {
		return e.Kind == event.NetClose && e.Initiated && strconv.FormatUint(e.RemotePort, 10) == port
	})
	if err := errors.Join(lerr, aerr, cerr); err != nil {
		return err
	}
	return errors.Join(
		fields(connect, "remote", connect.RemoteAddr, "127.0.0.1", "remote port", connect.RemotePort, port, "initiated", connect.Initiated, true, "actor", connect.Actor.Path, "/usr/bin/bash"),
		fields(listen, "port", listen.LocalPort, port),
		fields(accept, "port", accept.LocalPort, port, "remote port", accept.RemotePort, connect.LocalPort, "initiated", accept.Initiated, false),
		fields(closed, "sent", closed.BytesSent, 5, "actor", closed.Actor.PID, pid))
}

// A question for the A record of c2.example.test, and its answer 127.0.0.88.
const (
	question = "\x12\x67\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02c2\x07example\x04test\x00\x00\x01\x00\x01"
	answer   = "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x58"
)

func tryDNS(w *watch, dir string) error {
	server, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		return fmt.Errorf("serve names: %w", err)
	}
	defer func() { _ = server.Close() }()
	go func() {
		b := make([]byte, 512)
		n, from, err := server.ReadFrom(b)
		if err != nil {
			return
		}
		reply := slices.Concat(b[:n], []byte(answer))
		reply[2], reply[3], reply[7] = 0x81, 0x80, 1
		_, _ = server.WriteTo(reply, from)
	}()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("own path: %w", err)
	}
	pid, err := do(dir, self, "ask")
	if err != nil {
		return err
	}
	e, err := w.by(event.DNSQuery, pid)
	if err != nil {
		return err
	}
	return fields(e, "name", e.Query, "c2.example.test", "type", e.QueryType, 1, "answers", strings.Join(e.Answers, " "), "127.0.0.88", "actor", e.Actor.Path, self)
}

// acts are what this program does when it is started again as a process of its own.
var acts = map[string]func([]string) error{"ask": ask, "web": tryWeb, "clock": tryClock}

func ask([]string) error {
	c, err := net.Dial("udp", "127.0.0.1:53")
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte(question)); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	if _, err := c.Read(make([]byte, 512)); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
