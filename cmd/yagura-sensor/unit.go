package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/yagura-edr/yagura/internal/sensor/agent"
)

type unitVerb struct{}

// Help shows examples.
func (*unitVerb) Help() string {
	return "It starts this very file with the configuration in use; write it, then `systemctl enable --now yagura-sensor`.\n\nExamples:\n  yagura-sensor unit | sudo tee /etc/systemd/system/yagura-sensor.service\n  sudo systemctl enable --now yagura-sensor"
}

// unitText is the unit of systemd. The sensor keeps what it has seen on SIGTERM, within seconds; it is started again
// whatever ended it, without limit; out of memory takes it last.
const unitText = `[Unit]
Description=Yagura sensor
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=%s
Restart=always
RestartSec=1
TimeoutStopSec=30
LimitMEMLOCK=infinity
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
`

// Run prints the unit.
func (*unitVerb) Run(s *shell, c *cli) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	words := []string{unitWord(self)}
	for _, f := range []struct {
		name  string
		value *string
		path  bool // the unit starts in another folder
	}{
		{"config", unless(c.Config, agent.DefaultFile), true},
		{"data", unless(s.config.Data, agent.Defaults().Data), true},
		{"proxy", c.Proxy, false},
		{"proxy-user", c.ProxyUser, false},
		{"proxy-password-file", c.ProxyPassword, true},
		{"no-proxy", c.NoProxy, false},
		{"cgroup", c.Cgroup, true},
		{"log-level", c.LogLevel, false},
	} {
		if f.value == nil {
			continue
		}
		value := *f.value
		if f.path && value != "" {
			if value, err = filepath.Abs(value); err != nil {
				return fmt.Errorf("find this folder: %w", err)
			}
		}
		words = append(words, "--"+f.name, unitWord(value))
	}
	if c.SpoolMaxBytes != nil {
		words = append(words, "--spool-max-bytes", strconv.FormatInt(*c.SpoolMaxBytes, 10))
	}
	for _, word := range c.Forbid {
		words = append(words, "--forbid", unitWord(word))
	}
	start := strings.Join(append(words, "run"), " ")
	s.printf(unitText, start)
	return nil
}

// unless gives a value that is not the usual one.
func unless(value, usual string) *string {
	if value == usual {
		return nil
	}
	return &value
}

// unitWord quotes a word for ExecStart, where % and $ have meanings of their own.
func unitWord(w string) string {
	out, plain := []byte{}, w != ""
	for _, c := range []byte(w) {
		switch c {
		case '%':
			out = append(out, "%%"...)
		case '$':
			out = append(out, "$$"...)
		case '"', '\\':
			out, plain = append(out, '\\', c), false
		default:
			if c <= ' ' || c == '\'' || c == ';' {
				plain = false
			}
			out = append(out, c)
		}
	}
	if plain {
		return string(out)
	}
	return `"` + string(out) + `"`
}
