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
	"github.com/yagura-edr/yagura/internal/sensor/sight"
)

// Run them all, once each, with their tables:
//
//	go test -run '^$' -bench . -benchtime 1x ./internal/sensor/sight

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

// BenchmarkExecStorm compares an exec storm with and without the sensor: 40 interleaved pairs, and 40 pairs
// without and without as a control. Where the control leaves 1 ± 0.02 the figure says nothing.
func BenchmarkExecStorm(b *testing.B) {
	program, tiny := storm(b)
	const pairs, execs = 40, "300"
	var ratios, control []float64
	for b.Loop() {
		timed(b, program, tiny, execs) // warm
		for range pairs {
			first := timed(b, program, tiny, execs)
			second := timed(b, program, tiny, execs)
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
			runtime.GC() // what loading left behind is not what running costs
			with := timed(b, program, tiny, execs)
			cancel()
			<-ended
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			ratios = append(ratios, float64(with)/float64(second))
			control = append(control, float64(second)/float64(first))
		}
	}
	m, low, high := median(ratios)
	cm, clow, chigh := median(control)
	b.ReportMetric(m, "ratio")
	verdict := fmt.Sprintf("x%.3f [%.3f, %.3f]", m, low, high)
	if math.Abs(clow-1) > 0.02 || math.Abs(chigh-1) > 0.02 {
		verdict = "not measurable here: " + verdict
	}
	b.Logf("exec storm with the sensor: %s; control x%.3f [%.3f, %.3f]", verdict, cm, clow, chigh)
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
