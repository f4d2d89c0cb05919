package agent

import "github.com/yagura-edr/yagura/internal/event"

const (
	thisOS = event.Windows

	// DefaultFile is where the configuration is looked for when no --config names one.
	DefaultFile = "C:\\ProgramData\\Yagura\\sensor.yaml"
)
