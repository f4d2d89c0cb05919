// Package clock turns time since boot, which kernel records carry, into what the host's clock says. It is read for every record, so it
// makes no system call. Packages decode and probe stamp events with it; what time it is elsewhere is not its matter.
package clock

import (
	"sync/atomic"
	"time"

	"github.com/yagura-edr/yagura/internal/boot"
)

// Clock is safe for use from many goroutines. The zero value has both clocks at 0.
type Clock struct {
	host0 atomic.Int64 // what is added to boot time for the host's clock
	boot0 atomic.Int64 // boot time at begin; moves when the host was suspended
	begin time.Time    // monotonic
}

// New makes a clock that is right now. Set keeps it so: call it every second.
func New() *Clock {
	c := &Clock{begin: time.Now()}
	c.Set()
	return c
}

// Set asks the kernel how long ago the boot was, and the host what time it is.
func (c *Clock) Set() {
	boot := int64(boot.Now())
	c.boot0.Store(boot - int64(time.Since(c.begin)))
	c.host0.Store(time.Now().UnixNano() - boot)
}

// Boot gives the nanoseconds since boot, suspend included as of the last Set.
func (c *Clock) Boot() uint64 { return uint64(c.boot0.Load() + int64(time.Since(c.begin))) }

// Host gives what the host's clock said at a time since boot, in µs UTC.
func (c *Clock) Host(bootNS uint64) int64 { return (int64(bootNS) + c.host0.Load()) / 1000 }
