//go:build !linux

package agent

import (
	"context"
	"fmt"
)

// askers are not known of this system.
var askers []string

// ending says that every signal ends the sensor: this system tells of none.
func ending(uint64) bool { return true }

// stopping says that none stops it for a while.
func stopping(uint64) bool { return false }

func signalName(signal uint64) string { return fmt.Sprintf("signal %d", signal) }

// shuttingDown gives false: this system is not asked.
func shuttingDown(context.Context) bool { return false }
