//go:build !linux

package image

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// open opens nothing: how a file that runs is found, and told from one that took its place, is not known of this system.
func (w *Want) open() (*os.File, key, error) {
	return nil, key{}, fmt.Errorf("open image: %w on %s", errors.ErrUnsupported, runtime.GOOS)
}

// identify gives nothing: see open.
func identify(*os.File) (key, error) {
	return key{}, fmt.Errorf("stat image: %w on %s", errors.ErrUnsupported, runtime.GOOS)
}

// laneOf puts all files with those of whom nothing is known.
func laneOf(uint64) int { return stacked }
