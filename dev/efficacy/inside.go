//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The network of a room: every IPv4 address is the room itself, no device but lo, no route out.
var anyIP = [][]string{{"link", "set", "lo", "up"}, {"route", "add", "local", "0.0.0.0/0", "dev", "lo"}}

// lost are the capabilities that nothing in a room has: they reach the machine and not the room.
var lost = []int{
	unix.CAP_SYS_MODULE, unix.CAP_SYS_BOOT, unix.CAP_SYS_TIME, unix.CAP_SYS_RAWIO, unix.CAP_MKNOD, unix.CAP_BPF, unix.CAP_SYS_ADMIN,
	unix.CAP_PERFMON, unix.CAP_SYSLOG, unix.CAP_MAC_ADMIN, unix.CAP_MAC_OVERRIDE, unix.CAP_AUDIT_CONTROL, unix.CAP_SYS_PACCT, unix.CAP_WAKE_ALARM,
	unix.CAP_BLOCK_SUSPEND, unix.CAP_LINUX_IMMUTABLE, unix.CAP_CHECKPOINT_RESTORE, unix.CAP_SYS_RESOURCE, unix.CAP_SYS_TTY_CONFIG,
}

// room is the first process of a room: it sets up what the test sees, runs it, and says what became of it. When it
// ends, the kernel ends everything else in its process name space.
func room() error {
	runtime.LockOSThread()
	in, out, printed := os.NewFile(3, "order"), os.NewFile(4, "outcome"), os.NewFile(5, "printed")
	for fd := 3; fd <= 5; fd++ {
		unix.CloseOnExec(fd)
	}
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("part with the machine's mounts: %w", err)
	}
	who := person(o.Test.Root)
	// A session of its own, as a login gives one; a kernel without audit has none.
	_ = os.WriteFile("/proc/self/loginuid", fmt.Append(nil, who.uid), 0)
	for _, args := range anyIP {
		ip := exec.Command("/usr/sbin/ip", args...)
		ip.SysProcAttr = &syscall.SysProcAttr{Chroot: o.Root}
		ip.Dir = "/"
		if b, err := ip.CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, b)
		}
	}
	if err := startWorld(&o); err != nil {
		return err
	}
	member, err := os.OpenFile(filepath.Join(o.Cgroup, "cgroup.procs"), os.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the cgroup: %w", err)
	}
	if err := furnish(&o, who); err != nil {
		return err
	}
	if err := enter(filepath.Join(o.Dir, "merged")); err != nil {
		return err
	}
	if err := drop(); err != nil {
		return err
	}
	var r outcome
	build(o.Test, who)
	for _, p := range o.Test.Prereqs {
		if !p.have(who) {
			r.Unmet = append(r.Unmet, p.Check)
		}
	}
	// From here on everything is the test's: its cgroup tells it from what made the room.
	if _, err := member.WriteString("0"); err != nil {
		return fmt.Errorf("move into the cgroup: %w", err)
	}
	services(o.Test)
	r.Exit, r.Timeout = act(&o, who, printed)
	return json.NewEncoder(out).Encode(r)
}

// account is whom a test runs as.
type account struct {
	name, home string
	uid        int
	groups     []uint32
}

func person(root bool) account {
	if root {
		return account{name: "root", home: "/root"}
	}
	return account{name: "alice", home: "/home/alice", uid: 1000, groups: []uint32{1000, 27}}
}

func (w account) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = w.home
	cmd.Env = []string{
		"HOME=" + w.home, "USER=" + w.name, "LOGNAME=" + w.name, "SHELL=/bin/bash", "LANG=C.UTF-8", "TERM=dumb",
		"PathToAtomicsFolder=" + atomics, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: uint32(w.uid), Gid: uint32(w.uid), Groups: w.groups}}
	cmd.WaitDelay = time.Second
	return cmd
}

// have checks for what a test needs, and gets it when it is not there: as the test's person, then as root.
func (p prereq) have(who account) bool {
	try := func(who account, text string) bool {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		return text != "" && who.command(ctx, p.Shell, "-c", text).Run() == nil
	}
	for _, w := range []account{who, person(true)} {
		if p.Check != "" && try(who, p.Check) {
			return true
		}
		if try(w, p.Get) && p.Check == "" {
			return true
		}
	}
	return p.Check == "" || try(who, p.Check)
}

// act runs the test: its text as one argument, or as a file that a shell reads.
func act(o *order, who account, printed *os.File) (exit int, timeout bool) {
	ctx, cancel := context.WithTimeout(context.Background(), o.Limit)
	defer cancel()
	cmd := who.command(ctx, o.Test.Shell, "-c", o.Test.Command)
	if o.Mode == "script" {
		cmd = who.command(ctx, o.Test.Shell, scriptOf(who))
	}
	cmd.Stdout, cmd.Stderr = printed, printed
	before := running()
	err := cmd.Run()
	for end := time.Now().Add(1200 * time.Millisecond); ctx.Err() == nil && running() > before && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond) // what it left in the background may act
	}
	var ended *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return -1, true
	case errors.As(err, &ended):
		return ended.ExitCode(), false
	case err != nil:
		_, _ = fmt.Fprintln(printed, "efficacy:", err)
		return 127, false
	}
	return 0, false
}

// running counts the processes of the room that did not end.
func running() (n int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range dirs {
		b, err := os.ReadFile(name)
		if _, state, ok := strings.Cut(string(b), ") "); err == nil && ok && !strings.HasPrefix(state, "Z") {
			n++
		}
	}
	return n
}

func scriptOf(who account) string { return filepath.Join(who.home, "task.sh") }

// services starts what the test talks to and a server would have running. They stay in the foreground: a daemon whose
// parent is the first process believes that it went to the background already, and its end cannot be waited for.
func services(t *test) {
	root := person(true)
	if strings.Contains(t.Command, "ssh") && root.command(context.Background(), "/usr/sbin/sshd", "-D").Start() == nil {
		for range 50 {
			if c, err := net.Dial("tcp4", "127.0.0.1:22"); err == nil {
				_ = c.Close()
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	if strings.Contains(t.Command, "cron") {
		_ = root.command(context.Background(), "/usr/sbin/cron", "-f").Start()
	}
}

// enter makes the folder the root of this mount name space and lets go of the machine's.
func enter(dir string) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("let go of the machine's root: %w", err)
	}
	return os.Chdir("/")
}

// drop takes the lost capabilities from every thread of this process, and so from all that it starts.
func drop() error {
	for _, c := range lost {
		if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(c), 0); errno != 0 {
			return fmt.Errorf("drop capability %d: %w", c, errno)
		}
	}
	return reduce()
}
