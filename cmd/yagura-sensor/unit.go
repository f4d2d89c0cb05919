package main

import (
	"fmt"
	"os"
	"path/filepath"
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
	word := func(flag, value string, path bool) error {
		if path && value != "" { // the unit starts in another folder
			if value, err = filepath.Abs(value); err != nil {
				return fmt.Errorf("find this folder: %w", err)
			}
		}
		words = append(words, "--"+flag, unitWord(value))
		return nil
	}
	if c.File != agent.DefaultFile {
		if err := word("config", c.File, true); err != nil {
			return err
		}
	}
	given := c.given.Given()
	delete(given, "data")
	if s.config.Data != agent.Defaults().Data { // of the file, too: whoever reads the unit finds the folder
		given["data"] = []string{s.config.Data}
	}
	for _, k := range agent.Keys() {
		for _, value := range given[k.Path] {
			if err := word(k.Flag, value, k.Value == "DIR" || k.Value == "FILE"); err != nil {
				return err
			}
		}
	}
	start := strings.Join(append(words, "run"), " ")
	s.printf(unitText, start)
	return nil
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
