package sight_test

import (
	"context"
	"debug/elf"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/sight"
)

// Run them all, once each, with their tables:
//
//	go test -run '^$' -bench . -benchtime 1x ./internal/sensor/linux/sight

const stormSource = `
#include <sys/wait.h>
#include <unistd.h>
#include <stdlib.h>
int main(int argc, char **argv) {
	char *args[] = {argv[1], 0};
	for (int n = atoi(argv[2]); n > 0; n--) {
		pid_t pid = fork();
		if (pid == 0) { execv(argv[1], args); _exit(1); }
		int status;
		waitpid(pid, &status, 0);
		if (status) return 1;
	}
	return 0;
}`

// storm builds a program that forks and executes a tiny static one as often as it is told.
func storm(b *testing.B) (program, tiny string) {
	b.Helper()
	if os.Getuid() != 0 {
		b.Skip("needs root: loads BPF programs")
	}
	dir := b.TempDir()
	source := filepath.Join(dir, "storm.c")
	program, tiny = filepath.Join(dir, "storm"), filepath.Join(dir, "tiny")
	if err := os.WriteFile(source, []byte(stormSource), 0o600); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-O2", "-static", "-o", program, source).CombinedOutput(); err != nil {
		b.Skipf("needs gcc: %v\n%s", err, out)
	}
	tinySource := filepath.Join(dir, "tiny.c")
	if err := os.WriteFile(tinySource, []byte(`void _start(void){__asm__ volatile("mov $60,%eax; xor %edi,%edi; syscall");}`), 0o600); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-O2", "-static", "-nostdlib", "-o", tiny, tinySource).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	if f, err := elf.Open(tiny); err != nil {
		b.Fatal(err)
	} else {
		_ = f.Close()
	}
	return program, tiny
}

func timed(b *testing.B, argv ...string) time.Duration {
	b.Helper()
	begin := time.Now()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		b.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return time.Since(begin)
}

// BenchmarkPrograms prints what each kernel program costs per run under a mixed load.
func BenchmarkPrograms(b *testing.B) {
	program, tiny := storm(b)
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		b.Skip(err)
	}
	defer stats.Close()
	w, err := start(sight.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = w.stop() }()
	self, _ := os.Executable()
	for b.Loop() {
		timed(b, program, tiny, "5000")
		timed(b, self, "mass", b.TempDir(), "1500")
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_ = c.Close()
			}
		}()
		for range 1000 {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}
		_ = l.Close()
	}
	times := w.Sight.RunTimes()
	names := make([]string, 0, len(times))
	for name := range times {
		names = append(names, name)
	}
	slices.Sort(names)
	var out strings.Builder
	for _, name := range names {
		if t := times[name]; t.Runs > 0 {
			fmt.Fprintf(&out, "%-16s %9d runs %6d ns\n", name, t.Runs, t.Time.Nanoseconds()/int64(t.Runs))
		}
	}
	b.Log("\n" + out.String())
}

// median with the 95 % interval of a bootstrap.
func median(ratios []float64) (m, low, high float64) {
	mid := func(v []float64) float64 {
		s := slices.Sorted(slices.Values(v))
		return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
	}
	r := rand.New(rand.NewPCG(8123, 1))
	boot := make([]float64, 2000)
	draw := make([]float64, len(ratios))
	for i := range boot {
		for j := range draw {
			draw[j] = ratios[r.IntN(len(ratios))]
		}
		boot[i] = mid(draw)
	}
	slices.Sort(boot)
	return mid(ratios), boot[50], boot[1949]
}

// stormed times one storm under a sensor, or after one was opened and closed: loading leaves the machine's caches
// and clock in another state, and both sides shall begin in the same.
func stormed(b *testing.B, with bool, argv ...string) time.Duration {
	b.Helper()
	s, err := sight.Open(context.Background(), sight.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended, running := make(chan struct{}), make(chan struct{}, 1)
	go func() {
		defer close(ended)
		_ = s.Run(ctx, func(*event.Event) {
			select {
			case running <- struct{}{}:
			default:
			}
		})
	}()
	<-running
	stop := func() {
		cancel()
		<-ended
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	if !with {
		stop()
	} else {
		defer stop()
	}
	runtime.GC() // what loading left behind is not what running costs
	return timed(b, argv...)
}

// BenchmarkExecStorm compares an exec storm with and without the sensor in interleaved pairs, and pairs without and
// without as a control: 40 of them, and on until the control's interval lies in 1 ± 0.02 or patience ends. Where it
// does not, the figure says nothing.
func BenchmarkExecStorm(b *testing.B) {
	program, tiny := storm(b)
	const pairs, most, patience, execs = 40, 150, 8 * time.Minute, "1500"
	settled := func(low, high float64) bool { return math.Abs(low-1) <= 0.02 && math.Abs(high-1) <= 0.02 }
	var ratios, control []float64
	for b.Loop() {
		timed(b, program, tiny, execs) // warm
		for begin := time.Now(); len(ratios) < most && time.Since(begin) < patience; {
			var took [3]time.Duration // without, without, with; each comes first as often as the others
			for i := range took {
				k := (i + len(ratios)) % 3
				took[k] = stormed(b, k == 2, program, tiny, execs)
			}
			ratios = append(ratios, 2*float64(took[2])/float64(took[0]+took[1]))
			control = append(control, float64(took[1])/float64(took[0]))
			if len(ratios) >= pairs {
				if _, low, high := median(control); settled(low, high) {
					break
				}
			}
		}
	}
	m, low, high := median(ratios)
	cm, clow, chigh := median(control)
	b.ReportMetric(m, "ratio")
	verdict := fmt.Sprintf("x%.3f [%.3f, %.3f]", m, low, high)
	if !settled(clow, chigh) {
		verdict = "not measurable here: " + verdict
	}
	b.Logf("exec storm with the sensor: %s; control x%.3f [%.3f, %.3f]; %d pairs", verdict, cm, clow, chigh, len(ratios))
}

// BenchmarkMemory prints the Pss of a process that does nothing but watch.
func BenchmarkMemory(b *testing.B) {
	if os.Getuid() != 0 {
		b.Skip("needs root: loads BPF programs")
	}
	s, err := sight.Open(context.Background(), sight.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		_ = s.Run(ctx, func(*event.Event) {})
		cancel()
	}
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "Pss: %f kB", &kb); n == 1 {
			b.ReportMetric(kb/1024, "MiB-Pss")
		}
	}
}
