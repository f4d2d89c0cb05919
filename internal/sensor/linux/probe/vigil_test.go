package probe

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
)

// BenchmarkVigil is what the sensor spends every five seconds on looking whether somebody changed its kernel side.
//
//	go test -run '^$' -bench Vigil -count 10 ./internal/sensor/linux/probe
func BenchmarkVigil(b *testing.B) {
	if os.Getuid() != 0 {
		b.Skip("needs root: loads BPF programs")
	}
	p, err := Open(b.Context(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	look := func() {
		p.watch.next = 0
		p.watch.keep(b.Context(), p, p.clock.Boot(), func(e *event.Event) { b.Errorf("told: %s %s", e.Subject, e.Reason) })
	}
	look() // the first one looks at every program of the host
	before := cpu()
	n := 0
	for b.Loop() {
		look()
		n++
	}
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(n), "µs-CPU/op")
}

// cpu is what this process has used.
func cpu() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}
