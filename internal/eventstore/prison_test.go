//go:build duckdb && duckdb_arrow

package eventstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/eventstore/duck"
	"github.com/yagura-edr/yagura/internal/fault"
)

// prisoner is a worker that somebody took over: once it is confined and asked for something it tries an act, and
// says on stderr how that went. The marker file lets a test end the act.
type prisoner struct {
	act  string
	dir  string // the data folder as the worker sees it
	once sync.Once
}

const marker = "hot/act"

func imprison(args []string) error {
	p := &prisoner{act: args[1], dir: args[2]}
	if os.Geteuid() != 0 {
		if _, err := os.Stat("/proc/self/fd/4/hot"); err == nil {
			p.dir = "/proc/self/fd/4"
		}
	}
	return duck.Main(context.Background(), args[3], p, os.Stdout)
}

func (p *prisoner) Read(b []byte) (int, error) {
	n, err := os.Stdin.Read(b)
	if n == 0 {
		return n, err
	}
	if p.act == "panic" { // a bug that one record wakes
		if bytes.Contains(b[:n], []byte("poison-mark")) {
			panic("a bug that this record woke")
		}
		return n, err
	}
	if _, merr := os.Stat(filepath.Join(p.dir, marker)); errors.Is(merr, fs.ErrNotExist) {
		return n, err
	}
	p.once.Do(func() {
		fmt.Fprintf(os.Stderr, "%s: %v\n", p.act, act(p.act, p.dir))
		os.Exit(3)
	})
	return n, err
}

func act(name, dir string) error {
	read := func(path string) error {
		b, err := os.ReadFile(path)
		if err == nil {
			err = fmt.Errorf("DONE, %d bytes", len(b))
		}
		return err
	}
	switch name {
	case "shadow":
		return read("/etc/shadow")
	case "passwd":
		return read("/etc/passwd")
	case "key":
		return read(filepath.Join(dir, "access.key"))
	case "environ":
		return read(fmt.Sprintf("/proc/%d/environ", os.Getppid()))
	case "memory":
		return read(fmt.Sprintf("/proc/%d/mem", os.Getppid()))
	case "write":
		err := os.WriteFile(filepath.Join(dir, "control.db"), []byte("x"), 0o600)
		if err == nil {
			err = errors.New("DONE")
		}
		return err
	case "code":
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err == nil {
			err = errors.New("DONE")
		}
		return err
	case "exec":
		return unix.Exec("/bin/true", []string{"true"}, nil)
	case "connect":
		c, err := net.Dial("tcp", "127.0.0.1:22")
		if c != nil {
			err = errors.New("DONE")
		}
		return err
	case "fork":
		_, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		return fmt.Errorf("DONE or %w", errno)
	case "ptrace":
		return fmt.Errorf("DONE or %w", unix.PtraceAttach(os.Getppid()))
	case "kill":
		return fmt.Errorf("DONE or %w", unix.Kill(os.Getppid(), 0))
	case "limit":
		return fmt.Errorf("DONE or %w", unix.Prlimit(os.Getppid(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: 3}, nil))
	case "bpf":
		_, _, errno := unix.Syscall(unix.SYS_BPF, 0, 0, 0)
		return fmt.Errorf("DONE or %w", errno)
	case "mount":
		return fmt.Errorf("DONE or %w", unix.Mount("none", dir, "tmpfs", 0, ""))
	case "keyctl":
		_, err := unix.KeyctlInt(unix.KEYCTL_GET_KEYRING_ID, unix.KEY_SPEC_SESSION_KEYRING, 0, 0, 0)
		return fmt.Errorf("DONE or %w", err)
	case "root":
		return fmt.Errorf("DONE or %w", unix.Setuid(0))
	}
	return io.ErrUnexpectedEOF
}

// TestAWorkerCanDoNothingButItsWork takes workers over and lets them try what an exploit would. What the file
// system refuses they survive; what no worker ever does ends them.
func TestAWorkerCanDoNothingButItsWork(t *testing.T) {
	const killed = "bad system call"
	for act, want := range map[string]string{
		"shadow": "permission denied", "passwd": "permission denied", "key": "permission denied", "environ": "permission denied", "memory": "permission denied",
		"write": "permission denied", "code": "operation not permitted",
		"exec": killed, "connect": killed, "fork": killed, "ptrace": killed, "kill": killed, "limit": killed, "bpf": killed, "mount": killed, "keyctl": killed, "root": killed,
	} {
		t.Run(act, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, name := range []string{"access.key", marker} {
				if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700), os.WriteFile(filepath.Join(dir, name), []byte("secret"), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			faults := fault.NewBoard(nil)
			start(t, dir, func(o *eventstore.Options) {
				o.WorkerArgs, o.Faults = []string{"prisoner", act, dir}, faults
				o.Log = slog.New(slog.DiscardHandler)
			})
			// Opening the store wiped the folder of hot files.
			if err := os.WriteFile(filepath.Join(dir, marker), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			f := waitFault(t, faults, fault.Workers)
			if !strings.Contains(f.Detail, want) || strings.Contains(f.Detail, "DONE\n") || strings.Contains(f.Detail, "DONE,") {
				t.Errorf("the act ended with %q; want %q", f.Detail, want)
			}
		})
	}
}

// waitFault waits until a fault of a cause shows.
func waitFault(t *testing.T, b *fault.Board, cause fault.Cause) fault.Fault {
	t.Helper()
	for until := time.Now().Add(60 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		for _, f := range b.Standing() {
			if f.Cause == cause {
				return f
			}
		}
	}
	t.Fatalf("no fault %s stands after a minute: %v", cause, b.Standing())
	return fault.Fault{}
}
