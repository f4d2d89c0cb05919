package eventstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// worker is one process of a role.
type worker struct {
	cmd    *exec.Cmd
	frames *Frames
	stdin  interface{ Close() error }
	stderr *tail
	served int
	alive  bool // it hung up and still ran
	ended  sync.Once
}

// newWorker prepares a process; the launcher starts it.
func newWorker(cmd *exec.Cmd) (*worker, error) {
	// A worker needs nothing of our environment, and must not see what it may hold.
	cmd.Env = []string{"TZ=UTC"}
	w := &worker{cmd: cmd, stderr: &tail{}}
	cmd.Stderr = w.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.stdin, w.frames = in, NewFrames(out, in)
	return w, nil
}

// greet waits for the first words of a process and ends it when they are not ours.
func (w *worker) greet(ctx context.Context, role string, patience time.Duration) (Hello, *death) {
	type word struct {
		hello Hello
		err   error
	}
	heard := make(chan word, 1)
	go func() {
		h, err := w.frames.readHello()
		heard <- word{h, err}
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	var got word
	var ours ending
	select {
	case got = <-heard:
	case <-late.C:
		ours, got.err = hung, fmt.Errorf("no word from it within %s", patience)
	case <-ctx.Done():
		ours, got.err = hung, context.Cause(ctx)
	}
	if got.err == nil && got.hello.Protocol != Protocol {
		got.err = fmt.Errorf("it speaks version %d of the workers' protocol and this server %d: restart the server", got.hello.Protocol, Protocol)
	}
	if got.err == nil {
		return got.hello, nil
	}
	if ours == "" {
		w.linger()
	}
	w.kill()
	w.reap()
	d := w.autopsy(role, ours, got.err)
	d.how = unborn
	return Hello{}, d
}

// linger gives a process that hung up a moment to end by itself, so that its status tells the truth.
func (w *worker) linger() { w.alive = !ends(w.cmd.Process.Pid, time.Second) }

func (w *worker) kill() {
	_ = w.cmd.Process.Kill()
	_ = w.stdin.Close()
}

// reap waits for a killed process. Its pipes must not be read any more.
func (w *worker) reap() {
	w.ended.Do(func() { _ = w.cmd.Wait() })
}

func (w *worker) exchange(q Request, entries []Entry, onRows func([]byte) error) (Answer, error) {
	// Written beside the reading: a worker that answers early must not block us on a full pipe.
	sent := make(chan error, 1)
	go func() { sent <- w.send(q, entries) }()
	a, err := w.receive(onRows)
	if serr := <-sent; err == nil && serr != nil {
		err = serr
	}
	return a, err
}

func (w *worker) send(q Request, entries []Entry) error {
	if err := w.frames.writeJSON(frameRequest, q); err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	if q.Op != "hot" && q.Op != "seal" && q.Op != "retry" {
		return nil
	}
	for _, e := range entries {
		if err := w.frames.writeEntry(e); err != nil {
			return fmt.Errorf("send record: %w", err)
		}
	}
	if err := w.frames.write(frameEnd, nil); err != nil {
		return fmt.Errorf("send end: %w", err)
	}
	return w.frames.w.Flush()
}

func (w *worker) receive(onRows func([]byte) error) (Answer, error) {
	for {
		kind, b, err := w.frames.read()
		if err != nil {
			return Answer{}, fmt.Errorf("read answer: %w", err)
		}
		switch kind {
		case frameRows:
			if onRows == nil {
				return Answer{}, errors.New("rows that nobody asked for")
			}
			if err := onRows(b); err != nil {
				return Answer{}, err
			}
		case frameError:
			var f Fault
			if err := json.Unmarshal(b, &f); err != nil {
				return Answer{}, fmt.Errorf("decode fault: %w", err)
			}
			return Answer{}, &f
		case frameAnswer:
			var a Answer
			if err := json.Unmarshal(b, &a); err != nil {
				return Answer{}, fmt.Errorf("decode answer: %w", err)
			}
			return a, nil
		default:
			return Answer{}, fmt.Errorf("message %q in an answer", kind)
		}
	}
}

// tail keeps the first and the last bytes a worker wrote to stderr: the reason of a crash, and where.
type tail struct {
	mu   sync.Mutex // guards what follows
	head []byte
	b    []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(p), 2048-len(t.head))
	t.head = append(t.head, p[:n]...)
	t.b = append(t.b, p[n:]...)
	if over := len(t.b) - 1024; over > 0 {
		t.b = t.b[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.b) == 0 {
		return string(t.head)
	}
	return string(t.head) + "\n…\n" + string(t.b)
}

// resident gives the resident memory of a process in bytes, 0 where the system does not tell.
func resident(pid int) int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	f := bytes.Fields(b)
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(f[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// collect gathers the rows of an answer.
func collect(to *[]event.Stamped) func([]byte) error {
	return func(b []byte) (err error) {
		*to, err = readRows(b, *to)
		return err
	}
}
