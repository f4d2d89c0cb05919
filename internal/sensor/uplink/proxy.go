package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Proxy says how to leave the network. It comes from the sensor's configuration alone, never from the
// environment of whoever started it.
type Proxy struct {
	URL      string // http://proxy:3128; empty: directly
	User     string
	Password string
	Except   string // like NO_PROXY: names, .domains, addresses, networks, each with an optional port; * for all
}

// LogValue keeps the password out of logs.
func (p Proxy) LogValue() slog.Value {
	u, err := p.parse()
	if u == nil || err != nil {
		return slog.StringValue("")
	}
	return slog.StringValue(u.Redacted())
}

func (p Proxy) parse() (*url.URL, error) {
	if p.URL == "" {
		return nil, nil
	}
	s := p.URL
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		// The address may carry a password: never repeat it.
		return nil, fmt.Errorf("the proxy's address is not of the form http://HOST:PORT: correct proxy in the sensor's configuration")
	}
	if p.User != "" {
		u.User = url.UserPassword(p.User, p.Password)
	}
	return u, nil
}

// For gives the proxy on the way to a server, nil when the way is direct.
func (p Proxy) For(server *url.URL) (*url.URL, error) {
	u, err := p.parse()
	if u == nil || err != nil || p.exempt(server) {
		return nil, err
	}
	return u, nil
}

func (p Proxy) exempt(server *url.URL) bool {
	host := strings.ToLower(strings.TrimSuffix(server.Hostname(), "."))
	port := server.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[server.Scheme]
	}
	addr, _ := netip.ParseAddr(host)
	for one := range strings.FieldsFuncSeq(p.Except, func(r rune) bool { return r == ',' || r == ' ' }) {
		one = strings.ToLower(one)
		if one == "*" {
			return true
		}
		if net, err := netip.ParsePrefix(one); err == nil {
			if addr.IsValid() && net.Contains(addr.Unmap()) {
				return true
			}
			continue
		}
		if h, pt, err := splitPort(one); err == nil && pt != "" {
			if pt != port {
				continue
			}
			one = h
		}
		if a, err := netip.ParseAddr(strings.Trim(one, "[]")); err == nil {
			if addr.IsValid() && a.Unmap() == addr.Unmap() {
				return true
			}
			continue
		}
		one = strings.TrimPrefix(one, "*")
		if bare := strings.TrimPrefix(one, "."); host == bare && one == bare || strings.HasSuffix(host, "."+bare) {
			return true
		}
	}
	return false
}

func splitPort(s string) (host, port string, err error) {
	if strings.Count(s, ":") > 1 && !strings.HasPrefix(s, "[") {
		return s, "", nil // a bare IPv6 address
	}
	if !strings.Contains(s, ":") {
		return s, "", nil
	}
	return net.SplitHostPort(s)
}

// book remembers the addresses that names had last, for when no name can be resolved any more: an isolated
// host has no DNS. It holds the server and the proxy, nothing else.
type book struct {
	mu    sync.Mutex // guards known
	known map[string][]netip.Addr
}

func (b *book) get(host string) []netip.Addr {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known[host]
}

func (b *book) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	conn, err := d.DialContext(ctx, network, address)
	host, port, serr := net.SplitHostPort(address)
	if serr != nil {
		return conn, err
	}
	if err == nil {
		if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
			b.mu.Lock()
			if b.known == nil || len(b.known) >= 8 {
				b.known = map[string][]netip.Addr{}
			}
			b.known[host] = []netip.Addr{a.AddrPort().Addr().Unmap()}
			b.mu.Unlock()
		}
		return conn, nil
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		for _, a := range b.get(host) {
			if conn, derr := d.DialContext(ctx, network, net.JoinHostPort(a.String(), port)); derr == nil {
				return conn, nil
			}
		}
	}
	return nil, err
}

func transport(conf *tls.Config, p Proxy, b *book) (*http.Transport, error) {
	if _, err := p.parse(); err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:                 func(r *http.Request) (*url.URL, error) { return p.For(r.URL) },
		DialContext:           b.dial,
		TLSClientConfig:       conf,
		ForceAttemptHTTP2:     true, // and HTTP/1.1 where the server or the way has no h2
		TLSHandshakeTimeout:   10 * time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   4,
		MaxConnsPerHost:       24, // HTTP/1.1: 3 lanes of 4, attend, report, and some air
		ResponseHeaderTimeout: 0,  // each call has its own deadline
		OnProxyConnectResponse: func(_ context.Context, proxy *url.URL, _ *http.Request, res *http.Response) error {
			switch res.StatusCode {
			case http.StatusOK:
				return nil
			case http.StatusProxyAuthRequired:
				return &ProxyError{Proxy: proxy.Host, Status: res.Status, err: ErrProxyAuth}
			}
			return &ProxyError{Proxy: proxy.Host, Status: res.Status}
		},
	}, nil
}
