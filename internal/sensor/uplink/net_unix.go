//go:build !windows

package uplink

import (
	"errors"
	"syscall"
)

// nobodyListens says whether a connection was refused: the host answers, and nothing is at the port.
func nobodyListens(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// noRoute says whether this host knows no way to another one.
func noRoute(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH)
}
