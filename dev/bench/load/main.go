// Command load makes kernel events at a steady rate for benchmarks, in a mix like a busy host's: short processes, files
// made, written, renamed and removed, connections on the loopback. The work is spread over so many processes that none
// of them comes near the sensor's budget of a process (1,000 file events a second), or that budget would be measured.
// It makes nothing but a folder under the temporary directory, which it removes, and it stops by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// What one turn of each kind of work makes, in events of the sensor: fork, exec, exit; create (what its maker writes
// belongs to that), rename, delete; connect, accept and the closing of both ends.
const (
	perSpawn   = 3
	perFile    = 3
	perConnect = 4
)

// perWorker is how many events a second one process makes at most: many processes cost more than their events.
const perWorker = 600

// shares of the events, in percent: the rest are files.
const (
	spawnShare   = 25
	connectShare = 20
)

func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("load", flag.ContinueOnError)
	fs.SetOutput(stderr)
	rate := fs.Int("rate", 1000, "events a second to aim at")
	length := fs.Duration("for", 30*time.Second, "how long (at most 1h)")
	worker := fs.String("worker", "", "internal: folder of this worker")
	address := fs.String("address", "", "internal: where this worker connects to")
	if fs.Parse(args) != nil || *length > time.Hour || *rate < 1 {
		_, _ = fmt.Fprintln(stderr, "load: -rate must be positive and -for at most 1h")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *length)
	defer cancel()
	if *worker != "" {
		work(ctx, *worker, *address, float64(*rate))
		return 0
	}
	if err := lead(ctx, *rate, *length, stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "load: %v\n", err)
		return 1
	}
	return 0
}

// lead starts the workers and takes their connections.
func lead(ctx context.Context, rate int, length time.Duration, stdout io.Writer) error {
	root, err := os.MkdirTemp("", "yagura-load-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(root) }()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var taker, wg sync.WaitGroup
	taker.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	})
	n := max(1, (rate+perWorker-1)/perWorker)
	for i := range n {
		folder := filepath.Join(root, strconv.Itoa(i))
		if err := os.Mkdir(folder, 0o700); err != nil {
			return err
		}
		wg.Go(func() {
			_ = exec.CommandContext(ctx, self, "-worker", folder, "-address", l.Addr().String(), "-rate", strconv.Itoa(max(1, rate/n)), "-for", length.String()).Run()
		})
	}
	wg.Wait()
	_ = l.Close()
	taker.Wait()
	_, _ = fmt.Fprintf(stdout, "{\"asked_per_second\": %d, \"workers\": %d, \"seconds\": %.0f}\n", rate, n, length.Seconds())
	return nil
}

// work makes rate events a second until ctx ends.
func work(ctx context.Context, dir, address string, rate float64) {
	var wg sync.WaitGroup
	share := func(percent, per int) float64 { return rate * float64(percent) / 100 / float64(per) }
	wg.Go(func() {
		each(ctx, share(spawnShare, perSpawn), func(int) { spawn("/bin/true") })
	})
	wg.Go(func() {
		each(ctx, share(connectShare, perConnect), func(int) {
			if c, err := net.Dial("tcp", address); err == nil {
				_ = c.Close()
			}
		})
	})
	wg.Go(func() {
		each(ctx, share(100-spawnShare-connectShare, perFile), func(i int) {
			name := filepath.Join(dir, strconv.Itoa(i))
			if os.WriteFile(name, []byte("load"), 0o600) == nil && os.Rename(name, name+".done") == nil {
				_ = os.Remove(name + ".done")
			}
		})
	})
	wg.Wait()
}

// spawn runs a program to its end. Package exec would cost the two cores more than all that is measured.
func spawn(program string) {
	pid, err := syscall.ForkExec(program, []string{program}, &syscall.ProcAttr{})
	if err != nil {
		return
	}
	for {
		if _, err := syscall.Wait4(pid, nil, 0, nil); !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// each calls f n times a second until ctx ends, in bursts of 20 ms. What a busy machine made it miss by more than a
// second is left out, or the load would grow the more the slower everything is.
func each(ctx context.Context, n float64, f func(int)) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	begin, done := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due := int(time.Since(begin).Seconds() * n)
		done = max(done, due-int(n))
		for ; done < due && ctx.Err() == nil; done++ {
			f(done)
		}
	}
}
