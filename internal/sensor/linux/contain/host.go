package contain

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// Host acts on this host, as the agent wants it.
type Host struct{}

var _ sense.Containment = Host{}

// Isolator makes an isolator of this host, or of one cgroup of it.
func (Host) Isolator(o sense.IsolationOptions) sense.Isolator {
	own := Options{StateFile: o.StateFile, Cgroup: o.Cgroup, Keep: o.Keep, Tell: o.Tell, Log: o.Log}
	if o.Cgroup != "" {
		own.Probe = func(ctx context.Context, to sense.Target) string { return ProbeInside(ctx, o.Cgroup, to) }
		own.Means = "cgroup" // nftables would cut the whole host, not this cgroup
	}
	return New(own)
}

// Processes acts on processes of the boot with that tag.
func (Host) Processes(bootTag uint32, tree sense.Tree) sense.Processes {
	return &Processes{BootTag: bootTag, Tree: tree}
}

// ProbeInside sends the packet that proves an isolation from inside a cgroup: this process itself may stand outside of it. The
// program runs itself once more, with the verb probe.
func ProbeInside(ctx context.Context, cgroup string, to sense.Target) string {
	dir, err := os.Open(cgroup)
	if err != nil {
		return err.Error()
	}
	defer dir.Close()
	// An isolation that is not proven is taken down again: a host that is slow because it is under attack must
	// have the time to start a process.
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "probe", to.Addr.String(), to.Device) //nolint:gosec // ourselves, with an address and port
	cmd.Args[0] = "yagura-sensor"
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	out, err := cmd.Output()
	if err != nil {
		return fmt.Sprintf("the probe did not run: %v", err)
	}
	return strings.TrimSpace(string(out))
}
