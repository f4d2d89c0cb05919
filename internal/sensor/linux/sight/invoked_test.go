package sight_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
)

// On Debian nc, awk and vi are links: what was asked for is another name than what runs.
func TestNameThatWasAskedForIsTold(t *testing.T) {
	w := watch(t)
	dir := t.TempDir()
	image, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, content, 0o755); err != nil {
			t.Fatal(err)
		}
		return p
	}
	real, script := write("tool.real", image), write("job", []byte("#!/bin/sh\nexit 0\n"))
	link, far := filepath.Join(dir, "tool"), filepath.Join(dir, "far")
	for _, l := range [][2]string{{"tool.real", link}, {link, far}} {
		if err := os.Symlink(l[0], l[1]); err != nil {
			t.Fatal(err)
		}
	}
	shell, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ run, path, invoked string }{
		{real, real, ""},
		{"./tool.real", real, ""},
		{".//tool.real", real, ""},
		{link, real, link},
		{"./tool", real, link},
		{"../" + filepath.Base(dir) + "/tool", real, link},
		{far, real, far},
		{script, shell, script},
		{"./job", shell, script},
	} {
		cmd := &exec.Cmd{Path: c.run, Args: []string{"x"}, Dir: dir}
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		e := w.exec(t, cmd.Process.Pid)
		if e.Actor.Path != c.path || e.Actor.Invoked != c.invoked {
			t.Errorf("run %q: path %q invoked %q; want %q and %q", c.run, e.Actor.Path, e.Actor.Invoked, c.path, c.invoked)
		}
		exit := w.find(t, "exit", func(e *event.Event) bool {
			return e.Kind == event.ProcessExit && e.Actor.PID == uint64(cmd.Process.Pid)
		})
		if exit.Actor.Invoked != c.invoked {
			t.Errorf("run %q: at exit invoked %q; want %q", c.run, exit.Actor.Invoked, c.invoked)
		}
	}
}

// In another root the kernel walks the path of the image to the host's root, and what was asked for is told alike.
func TestNameThatWasAskedForInAnotherRoot(t *testing.T) {
	w := watch(t)
	dir := jail(t)
	for _, c := range []struct{ run, path, invoked string }{
		{"/bin/true", dir + "/bin/true", ""},
		{"/usr/../bin/true", dir + "/bin/true", ""},
		{"/bin/link", dir + "/bin/true", dir + "/bin/link"},
	} {
		cmd := &exec.Cmd{Path: c.run, Args: []string{"x"}, Dir: "/", SysProcAttr: &syscall.SysProcAttr{Chroot: dir}}
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		if e := w.exec(t, cmd.Process.Pid); e.Actor.Path != c.path || e.Actor.Invoked != c.invoked {
			t.Errorf("run %q: path %q invoked %q; want %q and %q", c.run, e.Actor.Path, e.Actor.Invoked, c.path, c.invoked)
		}
	}
}

// jail makes a root with a static program in it.
func jail(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"bin", "usr"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "bin", "true"), tiny(t), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("true", filepath.Join(dir, "bin", "link")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// tiny gives a program that needs no library and ends at once: a compiler would use up what the hasher may read.
func tiny(t *testing.T) []byte {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("the program is made of amd64 instructions")
	}
	const head, base = 64 + 56, 0x400000
	code := []byte{0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05} // mov eax, 60; xor edi, edi; syscall
	var b bytes.Buffer
	for _, part := range []any{
		elf.Header64{
			Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Entry: base + head,
			Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
		},
		elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: base, Paddr: base, Filesz: head + 9, Memsz: head + 9, Align: 4096},
		code,
	} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}
