//go:build !linux

package private

import (
	"fmt"
	"os"
	"path/filepath"
)

// Umask does nothing: it is for servers and sensors, which run on Linux only.
func Umask() {}

// Make makes the folder, readable by its owner. Servers and sensors run on Linux only, where it checks more.
func Make(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make %s: %w", dir, err)
	}
	return filepath.Abs(dir)
}

// Check says why a folder is not to be written in.
func Check(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	return nil
}

// ReadFile reads a small file of a data folder.
func ReadFile(path string) ([]byte, error) { return os.ReadFile(path) }
