package agent

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
)

// facts are what this host is, read once.
type facts struct {
	version   string
	hostname  string
	kernel    string
	bootID    [16]byte
	bootTag   uint32
	machineID []byte // SHA-256
	self      event.Process
}

func readFacts(version string) facts {
	f := facts{version: version}
	f.hostname, _ = os.Hostname() // empty is an answer
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		f.kernel = unix.ByteSliceToString(u.Release[:])
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(boot)), "-", "")); err == nil && len(b) == 16 {
		f.bootID = [16]byte(b)
	}
	machine, _ := os.ReadFile("/etc/machine-id")
	if id := strings.TrimSpace(string(machine)); id != "" {
		sum := sha256.Sum256([]byte("yagura-machine-v1\n" + id))
		f.machineID = sum[:]
	}
	// The tag that process keys of this boot carry, as the probes make it.
	sum := sha256.Sum256([]byte(strings.TrimSpace(string(boot)) + "\n" + strings.TrimSpace(string(machine))))
	f.bootTag = binary.BigEndian.Uint32(sum[:])
	f.self = event.Process{PID: uint64(os.Getpid()), UserID: strconv.Itoa(os.Getuid()), EffectiveUserID: strconv.Itoa(os.Geteuid())}
	f.self.Path, _ = os.Executable()
	f.self.CommandLine = strings.Join(os.Args, " ")
	return f
}

// Facts for enrolment.
func Facts(version string) (hostname, machineID []byte) {
	f := readFacts(version)
	return []byte(f.hostname), f.machineID
}
