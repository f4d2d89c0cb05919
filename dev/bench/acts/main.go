// Command acts makes file events at a steady rate, for benchmarks of the sensor: ACTS RATE SECONDS FOLDER. Each of
// its processes makes at most 500 events a second, below the sensor's budget of a process, so that nothing is
// throttled. It is no load for any other purpose.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const perProcess = 500

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "acts:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("use: acts RATE SECONDS FOLDER")
	}
	rate, err1 := strconv.Atoi(args[0])
	seconds, err2 := strconv.Atoi(args[1])
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if rate > perProcess {
		return spread(rate, args[1], args[2])
	}
	name := filepath.Join(args[2], strconv.Itoa(os.Getpid()))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	made := 0
	for begin := time.Now(); time.Since(begin) < time.Duration(seconds)*time.Second; <-tick.C {
		// A file made and removed is two events.
		for due := int(time.Since(begin).Seconds() * float64(rate)); made < due; made += 2 {
			f, err := os.Create(name)
			if err != nil {
				return err
			}
			if err := errors.Join(f.Close(), os.Remove(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// spread starts as many processes as the rate needs and waits for them.
func spread(rate int, seconds, folder string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	n := rate / perProcess
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			errs[i] = exec.Command(self, strconv.Itoa(perProcess), seconds, folder).Run()
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
