package boot

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Now gives the nanoseconds since the boot (CLOCK_BOOTTIME, as bpf_ktime_get_boot_ns gives them); 0 when the system
// does not tell.
func Now() uint64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return uint64(t.Nano())
}

// ID names this boot by the kernel's random id, a UUID in text; empty when the system does not tell.
func ID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Machine names this machine, as /etc/machine-id does; empty when it has none.
func Machine() (string, error) {
	b, err := os.ReadFile("/etc/machine-id")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("machine id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// Tag tells this boot of this machine from every other: 4 bytes of a hash over both ids. Process keys carry it.
func Tag() (uint32, error) {
	boot := ID()
	if boot == "" {
		return 0, errors.New("boot id: the kernel does not tell it")
	}
	machine, err := Machine()
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256([]byte(boot + "\n" + machine))
	return binary.BigEndian.Uint32(sum[:]), nil
}
