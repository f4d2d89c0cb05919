package config

import (
	"os"
	"path/filepath"
)

// DefaultDir gives the default of data: /var/lib/yagura for root, else a folder below the user's data folder.
// It is all that is taken from the environment beside the language; configuration never comes from there.
func DefaultDir(env func(string) string) string {
	const system = "/var/lib/yagura"
	if os.Geteuid() == 0 {
		return system
	}
	if home := env("XDG_DATA_HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, "yagura")
	} else if home := env("HOME"); home != "" {
		return filepath.Join(home, ".local", "share", "yagura")
	}
	return system
}
