package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/yagura-edr/yagura/internal/settings"
)

// Config is a configuration with the origin of each value.
type Config struct {
	Server
	settings.Origin
}

// Keys gives every key of Server in its order.
func Keys() []settings.Key { return settings.Keys(Server{}) }

// Load reads and merges; every mistake that it finds is in the error, one a line: see settings.Explain.
func Load(in settings.Input) (*Config, error) {
	in.Forms = settings.Forms{"host": wrongHost}
	c := &Config{}
	var err error
	if c.Origin, err = settings.Load(&c.Server, in); err != nil {
		return nil, err
	}
	return c, nil
}

// Find gives the configuration file of a data directory: DIR/server.yaml, else /etc/yagura/server.yaml,
// else none.
func Find(data string) string {
	for _, p := range []string{filepath.Join(data, "server.yaml"), "/etc/yagura/server.yaml"} {
		if _, err := os.Stat(p); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return p // one that cannot be read is named by Load; passing over it would be a silent failure
		}
	}
	return ""
}

// Print writes the configuration in force as YAML, its heading in a language.
func (c *Config) Print(w io.Writer, lang string) error { return c.Origin.Print(w, lang, c.Server) }

// JSON gives the values and origins by key, for `config print --json`.
func (c *Config) JSON() map[string]settings.Value { return c.Origin.JSON(c.Server) }
