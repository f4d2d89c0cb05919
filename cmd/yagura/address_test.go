package main

import (
	"net"
	"os"
	"slices"
	"testing"
)

type listening string

func (l listening) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (l listening) Close() error              { return nil }
func (l listening) Addr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", string(l))
	if err != nil {
		panic(err)
	}
	return a
}

// A token made on a server with a hostname led to the address it listens on, which other hosts may not reach
// and the certificate did not name.
func TestTokensLeadOtherHostsToTheConfiguredName(t *testing.T) {
	self, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ listen, hostname, others, here string }{
		{"127.0.0.1:8444", "", "https://127.0.0.1:8444", "https://127.0.0.1:8444"},
		{"127.0.0.1:8444", "edr.example.com", "https://edr.example.com:8444", "https://127.0.0.1:8444"},
		{"0.0.0.0:8444", "edr.example.com", "https://edr.example.com:8444", "https://127.0.0.1:8444"},
		{"0.0.0.0:8444", "", "https://" + self + ":8444", "https://127.0.0.1:8444"},
		{"[::]:8444", "10.0.2.2", "https://10.0.2.2:8444", "https://127.0.0.1:8444"},
		{"[fd00::7]:8444", "", "https://[fd00::7]:8444", "https://[fd00::7]:8444"},
	} {
		p := &parts{sensors: listening(c.listen), hostname: c.hostname}
		if got := p.sensorURL(); got != c.others {
			t.Errorf("%s, hostname %q: tokens lead to %s; want %s", c.listen, c.hostname, got, c.others)
		}
		if got := p.localURL(); got != c.here {
			t.Errorf("%s, hostname %q: the local sensor goes to %s; want %s", c.listen, c.hostname, got, c.here)
		}
		if c.hostname != "" && !slices.Contains(p.sensorNames(), c.hostname) {
			t.Errorf("%s: the certificate names %q, not %q", c.listen, p.sensorNames(), c.hostname)
		}
	}
}
