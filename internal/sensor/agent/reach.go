package agent

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/yagura-edr/yagura/internal/sensor/linux/contain"
)

// keepReachable names what an isolated host must still reach: the proxy when there is one on the way, else
// the server; of either only the port that sensors speak to. Names are resolved now: DNS is closed while the host is isolated, and the uplink then dials
// the addresses that it knew last.
func (a *Agent) keepReachable(ctx context.Context) (contain.Reach, error) {
	u, err := url.Parse(a.id.URL)
	if err != nil {
		return contain.Reach{}, fmt.Errorf("address of the server: %w", err)
	}
	proxy, err := a.o.Config.UplinkProxy()
	if err != nil {
		return contain.Reach{}, err
	}
	if p, err := proxy.For(u); err != nil {
		return contain.Reach{}, err
	} else if p != nil {
		u = p
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	// An isolation that is not proven is taken down again: a host that is slow because it is under attack must
	// have the time to start a process.
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		if addrs = a.link.Known(u.Hostname()); len(addrs) == 0 {
			return contain.Reach{}, fmt.Errorf("resolve %s: %w", u.Hostname(), err)
		}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return contain.Reach{}, fmt.Errorf("the port of %s is not known", u.Redacted())
	}
	return contain.Reach{Addrs: addrs, Port: uint16(number), Probe: net.JoinHostPort(u.Hostname(), port)}, nil
}

// probeInside sends the packet that proves an isolation from inside the configured cgroup: this process
// itself may stand outside of it.
func (a *Agent) probeInside(ctx context.Context, to contain.Target) string {
	dir, err := os.Open(a.o.Config.Cgroup)
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
