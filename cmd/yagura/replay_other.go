//go:build !linux

package main

import (
	"errors"

	"github.com/yagura-edr/yagura/internal/event"
)

// upload needs the sensor's spool, which needs Linux.
func (*shell) upload(string, []*event.Event) (event.HostID, error) {
	return event.HostID{}, errors.New("replay runs on Linux only: copy the recording to the server and replay it there")
}
