// Command latency measures a running `yagura up` under load: kernel timestamp to live stream, kernel
// timestamp to searchable, memory as Pss and CPU of the server, its workers and the sensor. It reads the
// ready file of `up` and prints one JSON object. The clock is the host's own on both sides, so it must run
// on the host that the sensor watches.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"

	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/gen/console/v1/consolev1connect"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("latency", flag.ContinueOnError)
	fs.SetOutput(stderr)
	readyFile := fs.String("ready", "", "ready file of yagura up")
	data := fs.String("data", "", "its data directory")
	length := fs.Duration("for", 30*time.Second, "how long to measure")
	if fs.Parse(args) != nil || *readyFile == "" || *data == "" {
		_, _ = fmt.Fprintln(stderr, "latency: -ready and -data are needed")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, *readyFile, *data, *length, stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "latency: %v\n", err)
		return 1
	}
	return 0
}

type result struct {
	Seconds   float64          `json:"seconds"`
	Events    int              `json:"events"`
	PerSecond float64          `json:"events_per_second"`
	LiveMS    quantiles        `json:"kernel_to_live_ms"`
	SearchMS  quantiles        `json:"kernel_to_searchable_ms"`
	Processes map[string]usage `json:"processes"`
}

type quantiles struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

type usage struct {
	PssMB      float64 `json:"pss_mb"`
	CPUPercent float64 `json:"cpu_percent_of_a_core"`
}

func measure(ctx context.Context, readyFile, data string, length time.Duration, stdout io.Writer) error {
	b, err := os.ReadFile(readyFile)
	if err != nil {
		return err
	}
	var up struct {
		PID       int `json:"pid"`
		SensorPID int `json:"sensor_pid"`
	}
	if err := json.Unmarshal(b, &up); err != nil {
		return err
	}
	client := consolev1connect.NewConsoleClient(&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(data, "admin.sock"))
		},
	}}, "http://localhost")

	pids := map[string][]int{"server": {up.PID}, "sensor": sensorPIDs(up.SensorPID), "workers": children(up.PID, "worker")}
	before := map[string]float64{}
	for name, list := range pids {
		before[name] = cpuSeconds(list)
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()

	var mu sync.Mutex // guards live, searchable
	var live, searchable []float64
	events := 0
	sample := make(chan *consolev1.EventRow, 1) // full: this event is not sampled
	var wg sync.WaitGroup
	wg.Go(func() {
		stream, err := client.TailEvents(ctx, connect.NewRequest(&consolev1.TailEventsRequest{}))
		if err != nil {
			return
		}
		for stream.Receive() {
			row := stream.Msg()
			if row.Time == 0 { // not an event: so many were skipped because this reader was slow
				continue
			}
			late := float64(time.Now().UnixMicro()-row.Time) / 1000
			mu.Lock()
			live = append(live, late)
			events++
			mu.Unlock()
			select {
			case sample <- row:
			default:
			}
		}
	})
	wg.Go(func() {
		for ctx.Err() == nil {
			var row *consolev1.EventRow
			select {
			case <-ctx.Done():
				return
			case row = <-sample:
			}
			for ctx.Err() == nil {
				r, err := client.ListEvents(ctx, connect.NewRequest(&consolev1.ListEventsRequest{Ids: []string{row.Id}}))
				if err == nil && len(r.Msg.Events) == 1 {
					mu.Lock()
					searchable = append(searchable, float64(time.Now().UnixMicro()-row.Time)/1000)
					mu.Unlock()
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			select { // an old sample would flatter the next measurement
			case <-sample:
			default:
			}
			time.Sleep(200 * time.Millisecond)
		}
	})
	<-ctx.Done()
	seconds := time.Since(begin).Seconds()
	r := result{Seconds: seconds, Processes: map[string]usage{}}
	for name, list := range pids {
		r.Processes[name] = usage{PssMB: pss(list), CPUPercent: (cpuSeconds(list) - before[name]) / seconds * 100}
	}
	wg.Wait()
	r.Events, r.PerSecond = events, float64(events)/seconds
	r.LiveMS, r.SearchMS = summary(live), summary(searchable)
	enc := json.NewEncoder(stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func summary(v []float64) quantiles {
	if len(v) == 0 {
		return quantiles{}
	}
	slices.Sort(v)
	at := func(q float64) float64 { return v[min(len(v)-1, int(q*float64(len(v))))] }
	return quantiles{N: len(v), P50: at(0.5), P95: at(0.95), P99: at(0.99), Max: v[len(v)-1]}
}

// sensorPIDs gives the sensor itself when `up` started it through sudo.
func sensorPIDs(pid int) []int {
	if c := children(pid, "yagura-sensor"); len(c) > 0 && strings.Contains(cmdline(pid), "sudo") {
		return c
	}
	return []int{pid}
}

// children gives the children of pid whose command line contains word.
func children(pid int, word string) []int {
	var out []int
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		_, rest, ok := strings.Cut(string(b), ") ")
		part := strings.Fields(rest)
		if !ok || len(part) < 2 || part[1] != strconv.Itoa(pid) {
			continue
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err == nil && strings.Contains(cmdline(child), word) {
			out = append(out, child)
		}
	}
	return out
}

func cmdline(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.ReplaceAll(string(b), "\x00", " ")
}

func cpuSeconds(pids []int) float64 {
	var ticks float64
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		part := strings.Fields(rest)
		if len(part) > 12 {
			u, _ := strconv.ParseFloat(part[11], 64)
			s, _ := strconv.ParseFloat(part[12], 64)
			ticks += u + s
		}
	}
	return ticks / 100
}

func pss(pids []int) float64 {
	var kb float64
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
				v, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				kb += v
			}
		}
	}
	return kb / 1024
}
