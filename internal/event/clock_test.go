package event_test

import (
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
)

func TestClockIsUTCAndSaysSo(t *testing.T) {
	for us, want := range map[int64]string{0: "1970-01-01 00:00:00 UTC", 1_796_083_199_999_999: "2026-11-30 23:59:59 UTC", -1: "1969-12-31 23:59:59 UTC"} {
		if got := event.Clock(us); got != want {
			t.Errorf("Clock(%d) = %s; want %s", us, got, want)
		}
	}
}
