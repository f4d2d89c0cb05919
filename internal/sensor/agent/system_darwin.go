package agent

import "github.com/yagura-edr/yagura/internal/event"

const (
	thisOS = event.MacOS

	// DefaultFile is where the configuration is looked for when no --config names one.
	DefaultFile = "/etc/yagura/sensor.yaml"
)
