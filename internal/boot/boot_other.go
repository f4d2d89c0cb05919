//go:build !linux

package boot

// Now gives 0: this system is not asked.
func Now() uint64 { return 0 }

// ID gives nothing: this system is not asked.
func ID() string { return "" }
