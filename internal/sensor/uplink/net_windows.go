package uplink

import (
	"errors"

	"golang.org/x/sys/windows"
)

// nobodyListens says whether a connection was refused: the host answers, and nothing is at the port.
func nobodyListens(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }

// noRoute says whether this host knows no way to another one.
func noRoute(err error) bool {
	return errors.Is(err, windows.WSAENETUNREACH) || errors.Is(err, windows.WSAEHOSTUNREACH)
}
