//go:build !linux

package stream

import "errors"

// freeBytes is known on Linux, where the server runs.
func freeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }
