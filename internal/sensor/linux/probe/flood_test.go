package probe

import (
	"context"
	"encoding/binary"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/yagura-edr/yagura/internal/boot"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/probe/bpf"
)

// BenchmarkFlood writes 60,000 records a second into the critical ring for a minute, more than any machine ends
// processes, and counts what comes out: every one, each once, none counted as lost.
//
//	go test -run '^$' -bench Flood -benchtime 1x ./internal/sensor/linux/probe
func BenchmarkFlood(b *testing.B) {
	if os.Getuid() != 0 {
		b.Skip("needs root: loads BPF programs")
	}
	const rate, length = 60_000, time.Minute
	p, err := Open(b.Context(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	spec, err := bpf.LoadFlood()
	if err != nil {
		b.Fatal(err)
	}
	replace := maps.Clone(p.maps)
	maps.DeleteFunc(replace, func(name string, _ *ebpf.Map) bool { return spec.Maps[name] == nil })
	c, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: replace})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	came, lag := 0, make([]time.Duration, 0, rate)
	go func() {
		defer close(ended)
		_ = p.Run(ctx, func(e *event.Event) {
			if e.Kind == event.ProcessExit && e.Actor.PID == uint64(os.Getpid()) {
				if e.ExitCode != int64(came&0xff) && came > 0 {
					b.Errorf("record %d says %d: out of order or missing", came, e.ExitCode)
				}
				if came++; came%60 == 0 {
					lag = append(lag, time.Duration(boot.Now()-e.BootNS))
				}
			}
			p.Free(e)
		})
	}()
	before, err := p.Counters()
	if err != nil {
		b.Fatal(err)
	}
	made := 0
	for b.Loop() {
		for begin := time.Now(); time.Since(begin) < length; time.Sleep(time.Millisecond) {
			for due := int(time.Since(begin).Seconds() * rate); made < due; {
				n := min(due-made, 1000)
				args := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(n)), uint64(made))
				if _, err := c.Programs["flood"].Run(&ebpf.RunOptions{Context: args}); err != nil {
					b.Fatal(err)
				}
				made += n
			}
		}
	}
	after, err := p.Counters()
	if err != nil {
		b.Fatal(err)
	}
	cancel()
	<-ended
	if err := p.Close(); err != nil {
		b.Fatal(err)
	}
	slices.Sort(lag)
	b.ReportMetric(float64(made)/length.Seconds(), "records/s")
	b.ReportMetric(float64(made-came), "missing")
	b.ReportMetric(float64(after["process"].Lost()-before["process"].Lost()), "lost")
	b.ReportMetric(float64(lag[len(lag)*95/100].Microseconds())/1000, "p95-ms")
}
