package eventstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/private"
)

// workerFolders are those of the data folder that workers use.
var workerFolders = [...]string{"segments", "hot", "tmp", "quarantine"}

// openProgram opens this program's own file and decides as whom workers run.
func openProgram(dir string, args []string) (*program, error) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("open this program's own file: %w", err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	p := &program{file: f, data: os.NewFile(uintptr(fd), dir), path: "/proc/self/exe", args: args, uid: -1, gid: -1}
	if os.Geteuid() != 0 {
		return p, nil
	}
	if err := p.drop(dir); err != nil {
		p.uid, p.gid = -1, -1
		p.why = "workers run as root: " + err.Error()
	}
	return p, nil
}

// drop prepares that workers of root run as the owner of the data folder, or as nobody that exists.
func (p *program) drop(dir string) error {
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	own, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("the owner of the data folder is not known")
	}
	if prog, err := p.file.Stat(); err != nil || prog.Mode()&0o001 == 0 {
		return errors.New("this program may not be run by other users: chmod o+rx it")
	}
	p.uid, p.gid = int(own.Uid), int(own.Gid)
	if p.uid == 0 {
		p.uid, p.gid = private.Worker, private.Worker // their group may pass through the data folder, and into nothing there but what is given to them
		if err := os.Chown(dir, 0, p.gid); err != nil {
			return fmt.Errorf("let workers pass the data folder: %w", err)
		}
		if err := os.Chmod(dir, 0o710); err != nil { //nolint:gosec // the group that nobody is in may pass, not read
			return fmt.Errorf("let workers pass the data folder: %w", err)
		}
	}
	root, err := os.OpenRoot(dir) // no link of a folder that workers own leads out
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for _, folder := range workerFolders {
		err := fs.WalkDir(root.FS(), folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				if errors.Is(err, fs.ErrNotExist) {
					return nil
				}
				return err
			}
			if err := unlock(root, path, info); err != nil {
				return err
			}
			if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) == p.uid {
				return nil
			}
			return root.Lchown(path, p.uid, p.gid)
		})
		if err != nil {
			return fmt.Errorf("give %s to workers: %w", folder, err)
		}
	}
	return nil
}

// foreign says whether workers lack a file by its owner or its mode.
func (p *program) foreign(st fs.FileInfo) bool {
	own, ok := st.Sys().(*syscall.Stat_t)
	return st.Mode().Perm()&0o600 != 0o600 || ok && p.uid >= 0 && int(own.Uid) != p.uid
}

// attributes of the processes. The kernel ends a worker with the thread that started it; it also ends at the end of
// its stdin.
func (p *program) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if p.uid >= 0 {
		a.Credential = &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.gid)}
	}
	return a
}

// bind ties this goroutine to its thread and bounds what processes started from it may do: no new privileges, and
// of the file system only what the role needs.
func (p *program) bind(role, dir string) Bounds {
	runtime.LockOSThread()
	b := Bounds{UID: p.uid, Lacks: p.why}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		b.Lacks = join(b.Lacks, fmt.Sprintf("no_new_privs: %v", err))
	}
	version, err := p.landlock(role, dir)
	b.Landlock = version
	if err != nil {
		b.Lacks = join(b.Lacks, fmt.Sprintf("no bound on files (Landlock): %v", err))
	}
	return b
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// ends says whether a process is gone, or goes within a time. It is not reaped.
func ends(pid int, within time.Duration) bool {
	until := time.Now().Add(within)
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err != nil || info.Signo != 0 {
			return true
		}
		if time.Now().After(until) {
			return false
		}
		time.Sleep(5 * time.Millisecond) //nolint:forbidigo // a process that was just seen to hang up
	}
}
