//go:build linux && amd64

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// TestAStolenProbeIsSeen does what an attacker with root would: from outside, it makes the running sensor close
// the link of one of its kernel programs. Within 90 s Home says which class is blind, and since when.
func TestAStolenProbeIsSeen(t *testing.T) {
	needRoot(t)
	t.Parallel()
	h := startHouse(t)
	h.reporting()
	pid := sensorStatus(h).PID
	// No canary proves DNS; execs are what everything else hangs on.
	for _, theft := range []struct{ program, class, words string }{{"query_seen", "dns", "DNS events"}, {"exec_seen", "process", "process events"}} {
		start := time.Now()
		closeLink(t, pid, theft.program)
		h.eventually(90*time.Second, theft.class+" is blind", func() error {
			host := h.host()
			state, reason, since := host.class(theft.class)
			if state != "blind" || !strings.Contains(reason, "taken away from the running sensor") || host.State != "degraded" {
				return fmt.Errorf("%s: %s is %s: %s", host.State, theft.class, state, reason)
			}
			if since.Before(start.Add(-10*time.Second)) || since.After(time.Now()) {
				t.Errorf("%s is said to be blind since %s; its probe was taken at %s", theft.class, since, start)
			}
			return nil
		})
		t.Logf("%s blind %.1f s after its link was closed", theft.class, time.Since(start).Seconds())
		// And it is an attack, not only a fault.
		h.eventually(10*time.Second, "a detection of it", func() error {
			out := h.cli(0, "detections")
			if !strings.Contains(out, "Sensor's sight taken away") {
				return fmt.Errorf("detections:\n%s", out)
			}
			return nil
		})
		if out := h.doctor(); !strings.Contains(out, theft.words+" are blind since") {
			t.Errorf("doctor does not say it:\n%s", out)
		}
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	h.eventually(60*time.Second, "a restarted sensor sees again", func() error {
		host := h.host()
		for _, class := range []string{"dns", "process"} {
			if state, reason, _ := host.class(class); state != "full" {
				return fmt.Errorf("%s is %s: %s", class, state, reason)
			}
		}
		return nil
	})
}

// closeLink finds the link of a program among a process's descriptors and makes the process close it.
func closeLink(t *testing.T, pid int, program string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fdinfo", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil || !bytes.Contains(b, []byte("link_type:")) || nameOf(b) != program {
			continue
		}
		fd, err := strconv.ParseUint(e.Name(), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := inject(pid, unix.SYS_CLOSE, fd); err != nil || res != 0 {
			t.Fatalf("close(%d) inside process %d = %d, %v", fd, pid, res, err)
		}
		return
	}
	t.Fatalf("process %d has no link of %s", pid, program)
}

// nameOf gives the name of the program that a link's fdinfo speaks of.
func nameOf(fdinfo []byte) string {
	for line := range strings.Lines(string(fdinfo)) {
		text, ok := strings.CutPrefix(line, "prog_id:")
		if !ok {
			continue
		}
		id, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
		if err != nil {
			return ""
		}
		p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
		if err != nil {
			return ""
		}
		defer func() { _ = p.Close() }()
		info, err := p.Info()
		if err != nil {
			return ""
		}
		return info.Name
	}
	return ""
}

// inject stops the first thread of a process, makes it do one system call, and lets it go on as if nothing had been.
func inject(pid int, number, arg uint64) (result int64, err error) {
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	if err := unix.PtraceSeize(pid); err != nil {
		return 0, fmt.Errorf("seize: %w", err)
	}
	defer func() { _ = unix.PtraceDetach(pid) }()
	if err := unix.PtraceInterrupt(pid); err != nil {
		return 0, fmt.Errorf("interrupt: %w", err)
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, unix.WALL, nil); err != nil || !ws.Stopped() {
		return 0, fmt.Errorf("wait: %w (%v)", err, ws)
	}
	var before unix.PtraceRegs
	if err := unix.PtraceGetRegs(pid, &before); err != nil {
		return 0, fmt.Errorf("registers: %w", err)
	}
	at, err := syscallInstruction(pid, before.Rip)
	if err != nil {
		return 0, err
	}
	call := before
	call.Rax, call.Orig_rax, call.Rdi, call.Rip = number, ^uint64(0), arg, at
	if err := unix.PtraceSetRegs(pid, &call); err != nil {
		return 0, fmt.Errorf("set registers: %w", err)
	}
	after := call
	for range 20 { // a signal of the Go runtime may stop it first; it is dropped, which that runtime forgives
		if err := unix.PtraceSingleStep(pid); err != nil {
			return 0, fmt.Errorf("step: %w", err)
		}
		if _, err := unix.Wait4(pid, &ws, unix.WALL, nil); err != nil || !ws.Stopped() {
			return 0, fmt.Errorf("wait for the step: %w (%v)", err, ws)
		}
		if err := unix.PtraceGetRegs(pid, &after); err != nil {
			return 0, fmt.Errorf("registers: %w", err)
		}
		if after.Rip == at+2 {
			break
		}
	}
	if err := unix.PtraceSetRegs(pid, &before); err != nil { // an interrupted call is begun again by the kernel
		return 0, fmt.Errorf("restore registers: %w", err)
	}
	if after.Rip != at+2 {
		return 0, fmt.Errorf("the step went to %x, not %x", after.Rip, at+2)
	}
	return int64(after.Rax), nil
}

// syscallInstruction finds one in the text of a stopped process: most likely it has just used one.
func syscallInstruction(pid int, rip uint64) (uint64, error) {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return 0, err
	}
	defer func() { _ = mem.Close() }()
	code := make([]byte, 2)
	if _, err := mem.ReadAt(code, int64(rip-2)); err == nil && bytes.Equal(code, []byte{0x0f, 0x05}) {
		return rip - 2, nil
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); n != 3 || mode != "r-xp" || to-from > 64<<20 {
			continue
		}
		text := make([]byte, to-from)
		if _, err := mem.ReadAt(text, int64(from)); err != nil {
			continue
		}
		if i := bytes.Index(text, []byte{0x0f, 0x05}); i >= 0 {
			return from + uint64(i), nil
		}
	}
	return 0, fmt.Errorf("process %d has no system call instruction", pid)
}
