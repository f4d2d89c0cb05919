package event_test

import (
	"net/netip"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
)

// samples are an event of nothing, one of most events, and the largest of the usual ones.
func samples() map[string]*event.Event {
	shell := event.Process{Key: event.Key{1}, PID: 4711, StartNS: 1e15, Path: "/usr/bin/sh", CommandLine: "sh -c true", UserID: "0", UserName: "root", Comm: "sh"}
	return map[string]*event.Event{
		"empty":   {},
		"exit":    {Kind: event.ProcessExit, OS: event.Linux, Time: 1e15, BootNS: 1e15, HostTime: 1e15, Actor: event.Process{Key: event.Key{1}, PID: 4711}},
		"exec":    {Kind: event.ProcessExec, OS: event.Linux, Time: 1e15, BootNS: 1e15, HostTime: 1e15, Actor: shell, Parent: shell, Ancestors: []string{"/usr/sbin/sshd", "/usr/lib/systemd/systemd"}},
		"connect": {Kind: event.NetConnect, OS: event.Linux, Time: 1e15, BootNS: 1e15, HostTime: 1e15, Actor: shell, LocalAddr: netip.MustParseAddr("192.0.2.1"), RemoteAddr: netip.MustParseAddr("192.0.2.2"), LocalPort: 40000, RemotePort: 443},
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, e := range samples() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var out []byte
			for b.Loop() {
				out = e.Append(out[:0])
			}
			b.SetBytes(int64(len(out)))
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, e := range samples() {
		wire := e.Append(nil)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var got event.Event
			for b.Loop() {
				if err := got.Decode(wire); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
