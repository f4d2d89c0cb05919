//go:build linux && amd64

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// TestATamperedMapIsADetection writes into the running sensor's maps from outside, by bpf(2), as root would: at first its
// own number where the sensor's stood, which made it invisible; then an entry of the table of handlers is removed. What is
// possible is told, and what is done afterwards is seen.
func TestATamperedMapIsADetection(t *testing.T) {
	needRoot(t)
	t.Parallel()
	h := startHouse(t)
	h.reporting()
	pid := sensorStatus(h).PID
	start := time.Now()
	written := 0
	for name, fd := range mapsOf(t, pid) {
		switch name {
		case "settings":
			value := make([]byte, 64)
			if err := element(1, fd, 0, value); err != nil { // look up
				t.Fatal(err)
			}
			binary.LittleEndian.PutUint32(value, uint32(os.Getpid()))
			if err := element(2, fd, 0, value); err == nil { // update
				written++
			}
		case "handlers":
			if err := element(3, fd, 2, nil); err == nil { // delete: openings of files
				written++
			}
		default:
			if err := element(2, fd, 0, make([]byte, 1<<20)); err == nil {
				t.Errorf("map %s can be written from outside", name)
			}
		}
	}
	if written != 2 {
		t.Errorf("%d maps were written; want settings and handlers", written)
	}
	h.eventually(time.Minute, "two detections of it", func() error {
		out := h.cli(0, "detections", "--limit", "1000", "--json")
		if n := strings.Count(out, `"Sensor tampered with"`); n < 2 {
			return fmt.Errorf("%d detections:\n%s", n, out)
		}
		return nil
	})
	t.Logf("told %.1f s after the first write", time.Since(start).Seconds())
	if _, err := os.ReadFile("/etc/shadow"); err != nil {
		t.Fatal(err)
	}
	h.eventually(time.Minute, "a read of a secret by who tried to hide", func() error {
		out := h.cli(0, "events", "list", "--kind", "file.read_credential", "--json")
		if !strings.Contains(out, fmt.Sprintf(`%d`, os.Getpid())) {
			return errors.New("no event of it")
		}
		return nil
	})
}

// TestALiftedIsolationIsADetection detaches both programs of an isolation from outside: within seconds the host is isolated
// again, and it is told.
func TestALiftedIsolationIsADetection(t *testing.T) {
	needRoot(t)
	config := filepath.Join(t.TempDir(), "sensor.yaml")
	if err := os.WriteFile(config, []byte("cgroup: "+childCgroup(t)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := startHouse(t, "--sensor-config", config)
	host := h.reporting()
	h.cli(exitOK, "respond", "isolate", host, "--for", "10m", "--reason", "test")
	start := time.Now()
	for _, name := range []string{"isolate_out", "isolate_in"} {
		l, err := link.LoadPinnedLink(filepath.Join(h.data, "sensor", "bpf", name), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Detach(); err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	}
	h.eventually(time.Minute, "a detection of it", func() error {
		if out := h.cli(exitOK, "detections"); !strings.Contains(out, "Sensor tampered with") {
			return fmt.Errorf("detections:\n%s", out)
		}
		return nil
	})
	t.Logf("told %.1f s after the programs were detached", time.Since(start).Seconds())
	if st := sensorStatus(h).Isolation; !st.Active || !st.Due || st.Problem != "" {
		t.Errorf("status %+v; want isolated again", st)
	}
	if out := h.cli(exitOK, "hosts"); !strings.Contains(out, ", isolated") {
		t.Errorf("hosts:\n%s", out)
	}
	h.cli(exitOK, "respond", "release", host, "--reason", "test")
}

// mapsOf opens the maps that a process holds, by their numbers.
func mapsOf(t *testing.T, pid int) map[string]int {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fdinfo", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		id := 0
		for line := range strings.Lines(string(b)) {
			_, _ = fmt.Sscanf(line, "map_id: %d", &id)
		}
		if id == 0 {
			continue
		}
		m, err := ebpf.NewMapFromID(ebpf.MapID(id))
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = m.Close() })
		info, err := m.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Type == ebpf.RingBuf {
			continue // it has no elements
		}
		all[info.Name] = m.FD()
	}
	if len(all) < 10 {
		t.Fatalf("%d maps; the sensor has more", len(all))
	}
	return all
}

// element is bpf(2) on an element of a map.
func element(cmd, fd int, key uint32, value []byte) error {
	keys := make([]byte, 64)
	binary.LittleEndian.PutUint32(keys, key)
	attr := [16]uint64{uint64(fd), uint64(uintptr(unsafe.Pointer(&keys[0])))}
	if value != nil {
		attr[2] = uint64(uintptr(unsafe.Pointer(&value[0])))
	}
	if _, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(unsafe.Pointer(&attr[0])), unsafe.Sizeof(attr)); errno != 0 {
		return errno
	}
	return nil
}
