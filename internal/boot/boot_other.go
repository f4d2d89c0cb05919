//go:build !linux

package boot

import (
	"errors"
	"fmt"
	"runtime"
)

// Now gives 0: this system is not asked.
func Now() uint64 { return 0 }

// ID gives nothing: this system is not asked.
func ID() string { return "" }

// Machine gives nothing: this system is not asked.
func Machine() (string, error) { return "", nil }

// Tag gives an error: this system is not asked.
func Tag() (uint32, error) {
	return 0, fmt.Errorf("boot id: %w on %s", errors.ErrUnsupported, runtime.GOOS)
}
