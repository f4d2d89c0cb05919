package clock

import (
	"time"

	"github.com/yagura-edr/yagura/internal/boot"
)

// machine reads the clocks of this machine.
func machine() Reading {
	r := Reading{Wall: time.Now().Round(0), Up: time.Duration(boot.Now()), Boot: boot.ID()}
	if r.Up == 0 || r.Boot == "" {
		return process()
	}
	return r
}
