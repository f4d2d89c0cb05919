package eventstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// Roles of worker processes, with the memory each may use.
const (
	RoleQuery   = "query"
	RoleSeal    = "seal"
	RoleCompact = "compact"
)

// Budgets in MiB, by role (store.md §8).
var budgets = map[string]int{RoleQuery: 1000, RoleSeal: 500, RoleCompact: 700}

// Budget gives the memory of a role in MiB.
func Budget(role string) int { return budgets[role] }

// queriesPerWorker bounds what a leak in a C library can grow to.
const queriesPerWorker = 500

// ErrBusy means that every worker of the role stayed busy until the caller gave up.
var ErrBusy = errors.New("all workers are busy")

// errCrashed means that a worker process ended or was killed in the middle of a request.
var errCrashed = errors.New("worker process ended")

// pool keeps the worker processes of one role. Each process serves one request at a time.
type pool struct {
	command []string
	role    string
	log     *slog.Logger
	turns   chan struct{} // one token for each process that may exist; full: callers wait in line

	mu   sync.Mutex // guards idle and closed
	idle []*worker
	shut bool
}

type worker struct {
	cmd    *exec.Cmd
	frames *Frames
	stdin  interface{ Close() error }
	stderr *tail
	served int
	ended  sync.Once
}

func newPool(command []string, role string, size int, log *slog.Logger) *pool {
	return &pool{command: command, role: role, log: log, turns: make(chan struct{}, size)}
}

// do runs one request in a process: entries are sent behind it, rows come back through onRows. A process
// that fails is killed and the next request gets a new one.
func (p *pool) do(ctx context.Context, q Request, entries []Entry, onRows func([]byte) error) (Answer, error) {
	select {
	case p.turns <- struct{}{}:
	case <-ctx.Done():
		return Answer{}, fmt.Errorf("wait for a %s worker: %w", p.role, errors.Join(ErrBusy, context.Cause(ctx)))
	}
	defer func() { <-p.turns }()
	w, err := p.take()
	if err != nil {
		return Answer{}, err
	}
	a, err := p.run(ctx, w, q, entries, onRows)
	// A process that died while idle says nothing about this request; one that dies in it is tried again
	// once, and the second crash is the request's own.
	if errors.Is(err, errCrashed) && w.served > 0 && ctx.Err() == nil {
		if w, err = p.start(); err != nil {
			return Answer{}, err
		}
		a, err = p.run(ctx, w, q, entries, onRows)
	}
	return a, err
}

func (p *pool) run(ctx context.Context, w *worker, q Request, entries []Entry, onRows func([]byte) error) (Answer, error) {
	q.MemoryMB = Budget(p.role)
	if until, ok := ctx.Deadline(); ok {
		q.Deadline = max(1, time.Until(until).Milliseconds())
	}
	over := make(chan struct{})
	var watch sync.WaitGroup
	var reason string
	watch.Go(func() { reason = p.watch(ctx, w, over) })
	a, err := w.exchange(q, entries, onRows)
	close(over)
	watch.Wait()
	var fault *Fault
	answered := err == nil || errors.As(err, &fault) && fault.Code != "memory"
	if answered && reason == "" {
		p.put(w)
		return a, err
	}
	w.kill()
	w.reap()
	if answered { // and ended in the same moment, because its caller gave up: nobody may be given this process
		return a, err
	}
	if reason == "" && errors.As(err, &fault) {
		return Answer{}, err
	}
	if ctx.Err() != nil {
		return Answer{}, fmt.Errorf("%s worker stopped: %w", p.role, context.Cause(ctx))
	}
	p.log.WarnContext(ctx, "worker process replaced", slog.String("role", p.role), slog.String("reason", reason), slog.Any("err", err), slog.String("stderr", w.stderr.String()))
	if reason != "" {
		return Answer{}, fmt.Errorf("%s worker: %s: %w", p.role, reason, errCrashed)
	}
	return Answer{}, fmt.Errorf("%s worker: %w: %w", p.role, errCrashed, err)
}

// watch ends the process when the caller gives up or its memory passes the budget by half.
func (p *pool) watch(ctx context.Context, w *worker, over <-chan struct{}) string {
	limit := int64(Budget(p.role)) << 20 * 3 / 2
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return ""
		case <-ctx.Done():
			w.kill()
			return "its time is up"
		case <-tick.C:
			if used := resident(w.cmd.Process.Pid); used > limit {
				w.kill()
				return fmt.Sprintf("it used %d MiB of %d", used>>20, Budget(p.role))
			}
		}
	}
}

func (p *pool) take() (*worker, error) {
	p.mu.Lock()
	if p.shut {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return w, nil
	}
	p.mu.Unlock()
	return p.start()
}

func (p *pool) start() (*worker, error) {
	if len(p.command) == 0 {
		return nil, errors.New("start a worker: no command is set")
	}
	cmd := exec.Command(p.command[0], append(slices.Clone(p.command[1:]), p.role)...) //nolint:gosec,noctx // our own program; it outlives the call that starts it
	// A worker needs nothing of our environment, and must not see what it may hold.
	cmd.Env = []string{"TZ=UTC"}
	cmd.SysProcAttr = dieWithParent()
	w := &worker{cmd: cmd, stderr: &tail{}}
	cmd.Stderr = w.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s worker: %w", p.role, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s worker: %w", p.role, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s worker: %w", p.role, err)
	}
	w.stdin, w.frames = in, NewFrames(out, in)
	return w, nil
}

func (p *pool) put(w *worker) {
	w.served++
	p.mu.Lock()
	keep := !p.shut && w.served < queriesPerWorker
	if keep {
		p.idle = append(p.idle, w)
	}
	p.mu.Unlock()
	if !keep {
		w.kill()
		w.reap()
	}
}

// close ends the idle processes; busy ones end when their request does.
func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.shut = nil, true
	p.mu.Unlock()
	for _, w := range idle {
		w.kill()
		w.reap()
	}
}

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
	if q.Op != "hot" && q.Op != "seal" {
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

// tail keeps the last bytes a worker wrote to stderr: the reason of a crash.
type tail struct {
	mu sync.Mutex // guards b
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - 4096; over > 0 {
		t.b = t.b[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
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
