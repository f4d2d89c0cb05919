package agent

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// keepReachable names what an isolated host must still reach: the proxy when there is one on the way, else
// the server; of either only the port that sensors speak to. Names are resolved now: DNS is closed while the host is isolated, and the uplink then dials
// the addresses that it knew last.
func (a *Agent) keepReachable(ctx context.Context) (sense.Reach, error) {
	u, err := url.Parse(a.id.URL)
	if err != nil {
		return sense.Reach{}, fmt.Errorf("address of the server: %w", err)
	}
	proxy, err := a.o.Config.UplinkProxy()
	if err != nil {
		return sense.Reach{}, err
	}
	if p, err := proxy.For(u); err != nil {
		return sense.Reach{}, err
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
			return sense.Reach{}, fmt.Errorf("resolve %s: %w", u.Hostname(), err)
		}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return sense.Reach{}, fmt.Errorf("the port of %s is not known", u.Redacted())
	}
	return sense.Reach{Addrs: addrs, Port: uint16(number), Probe: net.JoinHostPort(u.Hostname(), port)}, nil
}
