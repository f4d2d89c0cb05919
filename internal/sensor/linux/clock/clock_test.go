package clock

import (
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/boot"
)

func TestBothClocksAreThoseOfTheSystem(t *testing.T) {
	const slack = uint64(5 * time.Second) // a machine that is short of processor time
	c := New()
	before, wall := boot.Now(), time.Now().UnixMicro()
	at := c.Boot()
	host := c.Host(at)
	if after := boot.Now(); at+slack < before || at > after+slack {
		t.Errorf("Boot = %d; the kernel says %d to %d", at, before, after)
	}
	if late := host - wall; late < -int64(slack/1000) || late > int64(slack/1000) {
		t.Errorf("Host(Boot) is %d µs from the host's clock", late)
	}
	if c.Host(at+1000)-c.Host(at) != 1 {
		t.Error("a microsecond of the boot's clock is none of the host's")
	}
}
