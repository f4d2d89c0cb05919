package scan_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/scan"
)

func connect(pid, parent int, addr string, port int, at time.Duration) *event.Event {
	key := func(n int) event.Key { return event.LinuxKey(uint64(n), uint32(n), 1) }
	return &event.Event{
		Kind: event.NetConnect, BootNS: uint64(at), Initiated: true, RemoteAddr: netip.MustParseAddr(addr), RemotePort: uint64(port),
		Actor: event.Process{Key: key(pid), PID: uint64(pid), StartNS: uint64(at)}, Parent: event.Process{Key: key(parent), PID: uint64(parent)},
	}
}

func host(i int) string { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String() }

func TestScans(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name string
		n    int
		act  func(i int) (*event.Event, bool)
		want int
	}{
		{"ports of one host by one process", 1000, func(i int) (*event.Event, bool) {
			return connect(9, 8, "10.0.0.1", i+1, time.Duration(i)*s/100), i%50 != 0
		}, 1},
		{"ports of one host by a loop of nc", 100, func(i int) (*event.Event, bool) {
			return connect(100+i, 8, "10.0.0.1", i+1, time.Duration(i)*s/10), i%50 != 0
		}, 1},
		{"one port of many hosts", 200, func(i int) (*event.Event, bool) { return connect(9, 8, host(i), 22, time.Duration(i)*s/10), i%5 != 0 }, 1},
		{"one port of many hosts by a loop of ssh", 40, func(i int) (*event.Event, bool) { return connect(100+i, 8, host(i), 22, time.Duration(i)*s), i%2 != 0 }, 1},
		{"a scan in each of four windows", 200, func(i int) (*event.Event, bool) { return connect(9, 8, "10.0.0.1", i+1, time.Duration(i)*s), true }, 4},
		{"a scanner whose parent has other children that fail", 100, func(i int) (*event.Event, bool) {
			pid := 9
			if i < 5 {
				pid = 10
			}
			return connect(pid, 8, "10.0.0.1", i+1, time.Duration(i)*s/20), true
		}, 1},
		{"a crawler", 500, func(i int) (*event.Event, bool) { return connect(9, 8, host(i), 443, time.Duration(i)*s/20), i%10 == 0 }, 0},
		{"a monitor that finds a few hosts down", 60, func(i int) (*event.Event, bool) { return connect(9, 8, host(i), 443, time.Duration(i)*s/20), i%5 == 0 }, 0},
		{"passive FTP", 200, func(i int) (*event.Event, bool) {
			return connect(9, 8, "10.0.0.1", 20000+i, time.Duration(i)*s/20), false
		}, 0},
		{"a client that tries a dead server again and again", 500, func(i int) (*event.Event, bool) { return connect(9, 8, "10.0.0.1", 5432, time.Duration(i)*s/20), true }, 0},
		{"fourteen ports", 14, func(i int) (*event.Event, bool) { return connect(9, 8, "10.0.0.1", i+1, time.Duration(i)*s/20), true }, 0},
		{"slowly", 60, func(i int) (*event.Event, bool) { return connect(9, 8, "10.0.0.1", i+1, time.Duration(i)*10*s), true }, 0},
		{"all services of a host, by their parent", 100, func(i int) (*event.Event, bool) {
			return connect(100+i, 1, "10.0.0.1", i+1, time.Duration(i)*s/20), true
		}, 0},
		{"old daemons below one parent", 100, func(i int) (*event.Event, bool) {
			e := connect(100+i, 8, "10.0.0.1", i+1, time.Hour+time.Duration(i)*s/20)
			e.Actor.StartNS = 1
			return e, true
		}, 0},
	} {
		tab, got := scan.New(), 0
		for i := range c.n {
			e, failed := c.act(i)
			if found := tab.See(e, failed); found != nil {
				got++
				if found.Kind != event.NetScan || found.Count < 15 || found.RemoteAddr != e.RemoteAddr || found.RemotePort != e.RemotePort || found.Actor.Key != e.Actor.Key || found.Reason == "" {
					t.Errorf("%s: %+v", c.name, found)
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: %d scans; want %d", c.name, got, c.want)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	tab := scan.New()
	for i := range 100_000 {
		tab.See(connect(i+10, i+200_000, host(i%65536), i%60000, time.Second), false)
	}
	if n := tab.Len(); n > 1024 {
		t.Errorf("%d windows kept; want at most 1024", n)
	}
}
