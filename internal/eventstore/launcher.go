package eventstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/yagura-edr/yagura/internal/fault"
)

// program is the file that workers are made of: the running program's own, held open from the start, so that a
// server which was upgraded in place goes on with workers of its own version.
type program struct {
	file *os.File // nil where there is no /proc: path is used
	data *os.File // the data folder: workers reach it whatever lies above it; nil as file
	path string
	args []string // before the role
	uid  int      // what workers become; -1: they stay what the server is
	gid  int
	why  string // why they stay, if that is less than should be
}

// Bounds are what holds every process of a role, set before it starts.
type Bounds struct {
	Landlock int    // version of the kernel's; 0: it has none
	UID      int    // -1: that of the server
	Lacks    string // what of it could not be set, and why; "" when nothing
}

// launcher starts the processes of one role, all from one thread of its own: what bounds them is set on that
// thread, and a process is ended by the kernel when the thread that started it is gone.
type launcher struct {
	program *program
	role    string
	dir     string
	jobs    chan launch
	done    chan struct{} // closed by close
	ended   chan struct{} // closed by run

	mu     sync.Mutex // guards what follows
	begun  bool
	closed bool
	bound  Bounds
}

type launch struct {
	cmd    *exec.Cmd
	answer chan error
}

func newLauncher(p *program, role, dir string) *launcher {
	return &launcher{program: p, role: role, dir: dir, jobs: make(chan launch), done: make(chan struct{}), ended: make(chan struct{}), bound: Bounds{UID: -1}}
}

// start makes a process that has not said anything yet.
func (l *launcher) start(role string) (*worker, error) {
	cmd := &exec.Cmd{Path: l.program.path, Args: append([]string{"yagura"}, append(slices.Clone(l.program.args), role)...), SysProcAttr: l.program.attributes()}
	if l.program.file != nil {
		cmd.ExtraFiles = []*os.File{l.program.file, l.program.data} // 3 and 4 in the child, whatever lies at their paths
		cmd.Path = "/proc/self/fd/3"
	}
	w, err := newWorker(cmd)
	if err != nil {
		return nil, fmt.Errorf("prepare its pipes: %w", err)
	}
	l.mu.Lock()
	if !l.begun && !l.closed {
		l.begun = true
		go l.run()
	}
	l.mu.Unlock()
	j := launch{cmd: cmd, answer: make(chan error, 1)}
	select {
	case l.jobs <- j: // taken at once, or after the process before it: the thread does nothing else
		if err := <-j.answer; err != nil {
			return nil, fmt.Errorf("start it: %w", err)
		}
		return w, nil
	case <-l.done:
		return nil, errors.Join(ErrClosed, w.stdin.Close())
	}
}

// run is the thread. It is never given back: it ends with this function.
func (l *launcher) run() {
	defer close(l.ended)
	bound := l.program.bind(l.role, l.dir)
	l.mu.Lock()
	l.bound = bound
	l.mu.Unlock()
	for {
		select {
		case j := <-l.jobs:
			j.answer <- j.cmd.Start()
		case <-l.done:
			return
		}
	}
}

func (l *launcher) bounds() Bounds {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bound
}

// confinement tells what a process that came up lacks of its bounds.
func (l *launcher) confinement(h Hello, faults *fault.Board) {
	var lacks []string
	if h.Seccomp == 0 {
		lacks = append(lacks, "no filter of system calls (seccomp)")
	}
	if b := l.bounds(); b.Lacks != "" {
		lacks = append(lacks, b.Lacks)
	}
	if len(lacks) == 0 {
		faults.Clear(fault.WorkerSandbox, l.role)
		return
	}
	faults.Raise(fault.WorkerSandbox, l.role, errors.New(strings.Join(lacks, "; ")))
}

func (l *launcher) close() {
	l.mu.Lock()
	begun, closed := l.begun, l.closed
	l.closed = true
	l.mu.Unlock()
	if !closed {
		close(l.done)
	}
	if begun {
		<-l.ended
	}
}

// sees gives the data folder as workers see it: as another user they may not pass what lies above it.
func (p *program) sees(dir string) string {
	if p.data == nil || p.uid < 0 {
		return dir
	}
	return "/proc/self/fd/4"
}

// give lets workers use a file or folder below the data folder, which the server or an operator with a backup put
// there, and the folders on the way to it.
func (p *program) give(dir, rel string) {
	root, err := os.OpenRoot(dir) // no link of a folder that workers own leads out
	if err != nil {
		return
	}
	defer func() { _ = root.Close() }()
	var way []string
	for at := filepath.FromSlash(rel); at != "."; at = filepath.Dir(at) {
		way = append(way, at)
	}
	for _, at := range slices.Backward(way) { // a folder that is closed hides what is in it
		if p.uid >= 0 {
			_ = root.Lchown(at, p.uid, p.gid) // a worker that cannot use it says so
		}
		if st, err := root.Lstat(at); err == nil {
			_ = unlock(root, at, st)
		}
	}
}

// unlock gives the owner of a file or folder the use of it, where a backup or a wrong hand took that away.
func unlock(root *os.Root, path string, st fs.FileInfo) error {
	use := fs.FileMode(0o600)
	switch {
	case st.IsDir():
		use = 0o700
	case !st.Mode().IsRegular():
		return nil
	}
	if st.Mode().Perm()&use == use {
		return nil
	}
	return root.Chmod(path, st.Mode().Perm()|use)
}

func (p *program) close() {
	if p.file != nil {
		_ = p.file.Close()
	}
	if p.data != nil {
		_ = p.data.Close()
	}
}
