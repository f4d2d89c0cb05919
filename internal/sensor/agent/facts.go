package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strconv"
	"strings"

	"github.com/yagura-edr/yagura/internal/boot"
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
	f.kernel = kernelRelease()
	if b, err := hex.DecodeString(strings.ReplaceAll(boot.ID(), "-", "")); err == nil && len(b) == 16 {
		f.bootID = [16]byte(b)
	}
	if id, _ := boot.Machine(); id != "" { // a host without one is told apart by its other facts
		sum := sha256.Sum256([]byte("yagura-machine-v1\n" + id))
		f.machineID = sum[:]
	}
	f.bootTag, _ = boot.Tag() // 0: the probes say why they cannot start
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
