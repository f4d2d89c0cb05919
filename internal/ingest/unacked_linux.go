package ingest

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// unacked is how long what was sent may stay without the other machine's word that it arrived. The kernel gives that word,
// not the sensor: a frozen sensor keeps its connection, and one that ended while the line was cut does not. Without a
// bound such a connection stood for a quarter of an hour, and looked like a second sensor beside the one that started anew.
const unacked = 20 * time.Second

// bound sets it for every connection of a listener.
func bound(l net.Listener) error {
	t, ok := l.(*net.TCPListener)
	if !ok {
		return nil
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return fmt.Errorf("bound connections: %w", err)
	}
	var serr error
	if err := raw.Control(func(fd uintptr) {
		serr = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacked.Milliseconds()))
	}); err != nil {
		return fmt.Errorf("bound connections: %w", err)
	}
	if serr != nil {
		return fmt.Errorf("bound connections: %w", serr)
	}
	return nil
}
