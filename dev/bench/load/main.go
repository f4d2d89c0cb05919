// Command load makes kernel events at a steady rate for benchmarks: short processes that each make,
// write and remove a file. It makes nothing but a folder under the temporary directory, which it removes,
// and it stops by itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("load", flag.ContinueOnError)
	fs.SetOutput(stderr)
	rate := fs.Int("rate", 1000, "events a second to aim at")
	length := fs.Duration("for", 30*time.Second, "how long (at most 1h)")
	workers := fs.Int("workers", 8, "processes that share the file work")
	child := fs.Int("child", 0, "internal: cycles a second of this worker")
	dir := fs.String("dir", "", "internal: folder of this worker")
	if fs.Parse(args) != nil || *length > time.Hour || *rate < 1 || *workers < 1 {
		_, _ = fmt.Fprintln(stderr, "load: -rate and -workers must be positive and -for at most 1h")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *length)
	defer cancel()
	if *child > 0 {
		files(ctx, *dir, *child)
		return 0
	}
	root, err := os.MkdirTemp("", "yagura-load-")
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "load: %v\n", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(root) }()
	self, err := os.Executable()
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "load: %v\n", err)
		return 1
	}
	// A fifth of the events come from processes (3 each), the rest from files (3 each).
	execs := max(1, *rate/15)
	cycles := max(1, (*rate-3*execs)/3 / *workers)
	var wg sync.WaitGroup
	for i := range *workers {
		wg.Go(func() {
			folder := filepath.Join(root, strconv.Itoa(i))
			if os.Mkdir(folder, 0o700) != nil {
				return
			}
			_ = exec.CommandContext(ctx, self, "-child", strconv.Itoa(cycles), "-dir", folder, "-for", length.String()).Run()
		})
	}
	var made atomic.Int64
	wg.Go(func() {
		each(ctx, execs, func() {
			if exec.CommandContext(ctx, "/bin/true").Run() == nil {
				made.Add(1)
			}
		})
	})
	wg.Wait()
	_, _ = fmt.Fprintf(stdout, "{\"execs\": %d, \"file_cycles_per_second\": %d, \"seconds\": %.0f}\n", made.Load(), cycles**workers, length.Seconds())
	return 0
}

// files makes, writes and removes a file, n times a second.
func files(ctx context.Context, dir string, n int) {
	i := 0
	each(ctx, n, func() {
		i++
		name := filepath.Join(dir, strconv.Itoa(i))
		if os.WriteFile(name, []byte("load"), 0o600) == nil {
			_ = os.Remove(name)
		}
	})
}

// each calls f n times a second until ctx ends, catching up in bursts of 10 ms.
func each(ctx context.Context, n int, f func()) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	begin, done := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := int(time.Since(begin).Seconds() * float64(n)); done < due && ctx.Err() == nil; done++ {
			f()
		}
	}
}
