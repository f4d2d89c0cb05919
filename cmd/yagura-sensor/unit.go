package main

import (
	"fmt"
	"os"

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
func (*unitVerb) Run(s *shell) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	start := unitWord(self)
	if s.file != agent.DefaultFile {
		start += " --config " + unitWord(s.file)
	}
	if s.config.Data != agent.Defaults().Data {
		start += " --data " + unitWord(s.config.Data)
	}
	start += " run"
	s.printf(unitText, start)
	return nil
}

// unitWord quotes a word for ExecStart, where % and $ have meanings of their own.
func unitWord(w string) string {
	out, plain := []byte{}, true
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
