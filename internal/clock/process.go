package clock

import (
	"strconv"
	"time"
)

var began = time.Now()

// process takes the start of this process for a boot, where the system does not tell of its own.
func process() Reading {
	now := time.Now()
	return Reading{Wall: now.Round(0), Up: now.Sub(began), Boot: "process " + strconv.FormatInt(began.UnixNano(), 10)}
}
