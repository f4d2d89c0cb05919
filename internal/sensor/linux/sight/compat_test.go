package sight_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
)

// Makes, changes, renames, chmods, links and removes files, takes memory for a file and asks to be traced, each by
// int $0x80; it ends with the number of the first that failed.
const calls32Source = `
static long call(long n, long a, long b, long c)
{
	long r;
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory");
	return r;
}
static char made[] = "made32", other[] = "other32", linked[] = "linked32", kept[] = "kept32", text[] = "text", mem[] = "mem32";
void _start(void)
{
	long fd, code = 0;
	if ((fd = call(5, (long)made, 0101, 0600)) < 0) code = 1;      /* open, O_CREAT | O_WRONLY */
	else if (call(6, fd, 0, 0) < 0) code = 2;                      /* close */
	else if ((fd = call(295, -100, (long)kept, 1)) < 0) code = 3;  /* openat, O_WRONLY */
	else if (call(4, fd, (long)text, 4) != 4) code = 4;            /* write */
	else if (call(38, (long)made, (long)other, 0) < 0) code = 5;   /* rename */
	else if (call(15, (long)other, 04711, 0) < 0) code = 6;        /* chmod */
	else if (call(9, (long)other, (long)linked, 0) < 0) code = 7;  /* link */
	else if (call(10, (long)linked, 0, 0) < 0) code = 8;           /* unlink */
	else if (call(356, (long)mem, 0, 0) < 0) code = 9;             /* memfd_create */
	else if (call(26, 0, 0, 0) < 0) code = 10;                     /* ptrace, TRACEME */
	call(1, code, 0, 0);
}`

// A program that makes its calls as a 32-bit program does is seen as any other.
func TestCallsOf32BitProgramsAreSeen(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64: 32-bit calls of other architectures are not seen")
	}
	w := watch(t)
	dir := t.TempDir()
	source, program := filepath.Join(dir, "calls.c"), filepath.Join(dir, "calls")
	if err := os.WriteFile(source, []byte(calls32Source), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-m32", "-O1", "-nostdlib", "-static", "-ffreestanding", "-fno-pie", "-no-pie", "-o", program, source).CombinedOutput(); err != nil {
		t.Skipf("needs gcc: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "kept32"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Dir = dir
	if err := cmd.Run(); err != nil {
		if code := cmd.ProcessState.ExitCode(); code > 0 {
			t.Fatalf("call %d failed", code)
		}
		t.Skipf("this kernel runs no 32-bit programs: %v", err)
	}
	for _, want := range []struct {
		kind      event.Kind
		path, old string
	}{
		{event.FileCreate, "made32", ""},
		{event.FileModify, "kept32", ""},
		{event.FileRename, "other32", "made32"},
		{event.FileChmod, "other32", ""},
		{event.FileLink, "linked32", "other32"},
		{event.FileDelete, "linked32", ""},
	} {
		e := w.find(t, want.kind.String()+" of "+want.path, func(e *event.Event) bool {
			return e.Kind == want.kind && e.Actor.PID == uint64(cmd.Process.Pid) && e.File.Path == filepath.Join(dir, want.path)
		})
		if want.old != "" && e.OldFile.Path != filepath.Join(dir, want.old) {
			t.Errorf("%s from %s; want %s", want.kind, e.OldFile.Path, want.old)
		}
		if want.kind == event.FileChmod && e.File.Mode&0o7777 != 0o4711 {
			t.Errorf("chmod to %o", e.File.Mode)
		}
	}
	for _, kind := range []event.Kind{event.MemMemfdCreate, event.MemPtrace} {
		w.find(t, kind.String(), func(e *event.Event) bool { return e.Kind == kind && e.Actor.PID == uint64(cmd.Process.Pid) })
	}
}
