package sight_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// acts are what a test needs a process of its own for: the test binary runs them when its first argument names
// one.
var acts = map[string]func(args []string) int{
	"exit":    func([]string) int { return 7 },
	"memfd":   actMemfd,
	"ptrace":  actPtrace,
	"poke":    actPoke,
	"spin":    func([]string) int { select {} },
	"mass":    actMass,
	"overlay": actOverlay,

	"ask": actAsk,
}

// actMemfd copies a program into memory and runs it there.
func actMemfd(args []string) int {
	image, err := os.ReadFile(args[0])
	if err != nil {
		return 1
	}
	fd, err := unix.MemfdCreate("payl\xf0ad", unix.MFD_CLOEXEC)
	if err != nil {
		return 2
	}
	if _, err := unix.Write(fd, image); err != nil {
		return 3
	}
	empty, _ := syscall.BytePtrFromString("")
	name, _ := syscall.BytePtrFromString("kworker")
	argv := []*byte{name, nil}
	envv := []*byte{nil}
	_, _, _ = unix.Syscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(empty)), uintptr(unsafe.Pointer(&argv[0])),
		uintptr(unsafe.Pointer(&envv[0])), unix.AT_EMPTY_PATH, 0)
	return 4
}

// actPtrace seizes the process it is given and pokes a word it has read back to where it was.
func actPtrace(args []string) int {
	runtime.LockOSThread() // the kernel knows the tracer by its thread
	pid := atoi(args[0])
	if err := syscall.PtraceAttach(pid); err != nil {
		return 1
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		return 2
	}
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(pid, &regs); err != nil {
		return 3
	}
	word := make([]byte, 8)
	if _, err := syscall.PtracePeekData(pid, uintptr(regs.Rsp), word); err != nil {
		return 4
	}
	if _, err := syscall.PtracePokeData(pid, uintptr(regs.Rsp), word); err != nil {
		return 5
	}
	if err := syscall.PtraceDetach(pid); err != nil {
		return 6
	}
	return 0
}

// actPoke writes nothing into the memory of the process it is given, by process_vm_writev.
func actPoke(args []string) int {
	b := [1]byte{}
	local := []unix.Iovec{{Base: &b[0], Len: 0}}
	remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&b[0])), Len: 0}}
	if _, err := unix.ProcessVMWritev(atoi(args[0]), local, remote, 0); err != nil {
		return 1
	}
	return 0
}

// actMass makes and removes files in a folder, as fast as it can, and may read one in the end.
func actMass(args []string) int {
	for range atoi(args[1]) {
		name := filepath.Join(args[0], "mass")
		f, err := os.Create(name)
		if err != nil {
			return 1
		}
		_ = f.Close()
		if err := os.Remove(name); err != nil {
			return 2
		}
	}
	if len(args) > 2 {
		if _, err := os.ReadFile(args[2]); err != nil {
			return 3
		}
	}
	return 0
}

func atoi(s string) (n int) {
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}
