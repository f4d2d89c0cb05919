package main

import (
	"net"
	"os"
	"strconv"
)

// sensorURL is where sensors of other hosts find this server; enrolment tokens carry it. The configured name
// goes first; a server that listens on every address is known by its host's name.
func (p *parts) sensorURL() string { return urlOf(p.sensorNames()[0], p.sensors.Addr()) }

// localURL is where the sensor of this very host finds the server, whatever others call it.
func (p *parts) localURL() string {
	at := p.sensors.Addr()
	if host, everywhere := hostOf(at); !everywhere {
		return urlOf(host, at)
	}
	return urlOf("127.0.0.1", at)
}

// sensorNames lists the names that the certificate for sensors must carry, the one for tokens first.
func (p *parts) sensorNames() []string {
	var names []string
	if p.hostname != "" {
		names = append(names, p.hostname)
	}
	host, everywhere := hostOf(p.sensors.Addr())
	if !everywhere {
		return append(names, host)
	}
	if name, err := os.Hostname(); err == nil && name != "" {
		return append(names, name)
	}
	return append(names, "localhost")
}

func hostOf(a net.Addr) (host string, everywhere bool) {
	host, _, _ = net.SplitHostPort(a.String())
	ip := net.ParseIP(host)
	return host, ip != nil && ip.IsUnspecified()
}

func urlOf(host string, a net.Addr) string {
	port := 0
	if tcp, ok := a.(*net.TCPAddr); ok {
		port = tcp.Port
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(port))
}
