//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// furnish mounts the room and puts into it what the test needs.
func furnish(o *order, who account) error {
	at := filepath.Join(o.Dir, "merged")
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", o.Root, filepath.Join(o.Dir, "up"), filepath.Join(o.Dir, "work"))
	if err := unix.Mount("overlay", at, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount the overlay: %w", err)
	}
	in := func(name string) string { return filepath.Join(at, name) }
	for _, m := range []struct {
		kind, at string
		flags    uintptr
		options  string
	}{
		{"proc", "/proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"sysfs", "/sys", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_RDONLY, ""},
		{"tmpfs", "/dev", unix.MS_NOSUID, "mode=755"},
		{"devpts", "/dev/pts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5"},
		{"tmpfs", "/dev/shm", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777,size=64m"},
		{"tmpfs", "/run", unix.MS_NOSUID | unix.MS_NODEV, "mode=755,size=64m"},
	} {
		if err := os.MkdirAll(in(m.at), 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, in(m.at), m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	for name, minor := range map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		if err := device(in("/dev/"+name), 1, minor); err != nil {
			return err
		}
	}
	if err := device(in("/dev/tty"), 5, 0); err != nil {
		return err
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"} {
		if err := os.Symlink(to, in("/dev/"+name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"} {
		if err := readOnly(in(name)); err != nil {
			return fmt.Errorf("make %s read-only: %w", name, err)
		}
	}
	if err := unix.Mount(in("/dev/null"), in("/proc/kcore"), "", unix.MS_BIND, ""); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("hide /proc/kcore: %w", err)
	}
	for _, name := range []string{"/run/sshd", "/run/lock"} {
		if err := os.Mkdir(in(name), 0o755); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte("work")); err != nil {
		return err
	}
	// The world's authority is one that the room's programs trust.
	bundle, err := os.OpenFile(in("/etc/ssl/certs/ca-certificates.crt"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("trust the world: %w", err)
	}
	_, err = bundle.WriteString(o.Certificate)
	if err := errors.Join(err, bundle.Close()); err != nil {
		return fmt.Errorf("trust the world: %w", err)
	}
	if err := helpers(o, at, who); err != nil {
		return err
	}
	script := in(scriptOf(who))
	if o.Mode == "script" {
		if err := os.WriteFile(script, []byte(o.Test.Command+"\n"), 0o644); err != nil {
			return err
		}
		return os.Chown(script, who.uid, who.uid)
	}
	return nil
}

// helpers copies the folder of the test's technique to where it is looked for.
func helpers(o *order, at string, who account) error {
	technique, _, _ := strings.Cut(o.Test.ID, "#")
	places := []string{atomics}
	if strings.Contains(o.Test.Command, "/tmp/AtomicRedTeam") {
		places = append(places, "/tmp/AtomicRedTeam/atomics")
	}
	for _, place := range places {
		to := filepath.Join(at, place, technique)
		if err := os.MkdirAll(filepath.Join(to, "src"), 0o755); err != nil {
			return err
		}
		from := filepath.Join(o.Data, "src", technique)
		if _, err := os.Stat(from); err == nil {
			if err := os.CopyFS(to, os.DirFS(from)); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("helpers of %s: %w", technique, err)
			}
		}
		if b, err := os.ReadFile(filepath.Join(o.Data, technique+".yaml")); err == nil {
			if err := os.WriteFile(filepath.Join(to, technique+".yaml"), b, 0o644); err != nil {
				return err
			}
		}
		for dir := to; dir != at && dir != filepath.Join(at, "/opt") && dir != filepath.Join(at, "/tmp"); dir = filepath.Dir(dir) {
			if err := give(dir, who); err != nil {
				return err
			}
		}
	}
	return nil
}

// give makes everything below dir the person's, writable as a checkout is.
func give(dir string, who account) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if d.IsDir() || strings.HasSuffix(name, ".sh") || strings.HasSuffix(name, ".py") {
			mode = 0o755
		}
		return errors.Join(os.Chmod(name, mode), os.Lchown(name, who.uid, who.uid))
	})
}

// build compiles the C helpers whose programs a test wants ready made; the data holds their source alone.
func build(t *test, who account) {
	technique, _, _ := strings.Cut(t.ID, "#")
	bin := filepath.Join(atomics, technique, "bin")
	if !strings.Contains(t.Command, bin) {
		return
	}
	const text = `cd "$1" && mkdir -p bin/linux && for f in src/*.c; do [ -e "$f" ] || continue; n=$(basename "$f" .c)
	gcc -w -no-pie -fno-stack-protector -o "bin/$n" "$f" || gcc -w -o "bin/$n" "$f"; done
	if [ -e bin/retAddr_overwrite_fullROPchain_inj ]; then cp bin/retAddr_overwrite_fullROPchain_inj bin/return_address_overwrite_fullROPchain; fi
	if [ "${1##*/}" = T1027.002 ] && command -v upx >/dev/null; then
		printf '#include <stdio.h>\nint main(void) { puts("packed"); }\n' | gcc -static -o bin/linux/test_upx -xc - && upx -q bin/linux/test_upx && cp bin/linux/test_upx bin/linux/test_upx_header_changed
		perl -0777 -pi -e 's/UPX!/YGR!/g' bin/linux/test_upx_header_changed
	fi`
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	_ = who.command(ctx, "bash", "-c", text, "build", filepath.Join(atomics, technique)).Run()
}

func device(name string, major, minor uint32) error {
	if err := unix.Mknod(name, unix.S_IFCHR|0o666, int(unix.Mkdev(major, minor))); err != nil {
		return fmt.Errorf("make %s: %w", name, err)
	}
	return os.Chmod(name, 0o666)
}

func readOnly(name string) error {
	if err := unix.Mount(name, name, "", unix.MS_BIND, ""); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return unix.Mount("", name, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// reduce takes the lost capabilities out of the three sets of every thread.
func reduce() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	for _, c := range lost {
		bit := ^(uint32(1) << (c % 32))
		d := &data[c/32]
		d.Effective, d.Permitted, d.Inheritable = d.Effective&bit, d.Permitted&bit, 0
	}
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&data[0])), 0); errno != 0 {
		return fmt.Errorf("drop capabilities: %w", errno)
	}
	return nil
}
