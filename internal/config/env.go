package config

import (
	"os"
	"path/filepath"
	"strings"
)

// Language gives ja or en from the environment, in the order of setlocale(3): the first of LC_ALL,
// LC_MESSAGES and LANG that is set decides.
func Language(env func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := env(name); v != "" {
			if l, _, _ := strings.Cut(strings.ToLower(v), "_"); strings.HasPrefix(l, "ja") && (len(l) == 2 || l[2] == '.') {
				return "ja"
			}
			return "en"
		}
	}
	return "en"
}

// Environment is what the programs take from outside; configuration never comes from there.
type Environment struct {
	Language string // ja or en
	Color    bool   // false with NO_COLOR or TERM=dumb
	DataDir  string // default of data: /var/lib/yagura for root, else below the user's data folder
}

// Environ reads the environment through env; nil means that of the process.
func Environ(env func(string) string) Environment {
	if env == nil {
		env = os.Getenv
	}
	e := Environment{Language: Language(env), Color: env("NO_COLOR") == "" && env("TERM") != "dumb", DataDir: "/var/lib/yagura"}
	if os.Geteuid() == 0 {
		return e
	}
	if home := env("XDG_DATA_HOME"); filepath.IsAbs(home) {
		e.DataDir = filepath.Join(home, "yagura")
	} else if home := env("HOME"); home != "" {
		e.DataDir = filepath.Join(home, ".local", "share", "yagura")
	}
	return e
}
