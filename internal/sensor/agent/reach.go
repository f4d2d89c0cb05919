package agent

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/yagura-edr/yagura/internal/sensor/contain"
)

// keepReachable names what an isolated host must still reach: the proxy when there is one on the way, else
// the server. Names are resolved now: DNS is closed while the host is isolated, and the uplink then dials
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
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		if addrs = a.link.Known(u.Hostname()); len(addrs) == 0 {
			return contain.Reach{}, fmt.Errorf("resolve %s: %w", u.Hostname(), err)
		}
	}
	return contain.Reach{Addrs: addrs, Probe: net.JoinHostPort(u.Hostname(), port)}, nil
}
