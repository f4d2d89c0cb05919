// Command latency measures a running `yagura up` or `yagura server` under load: kernel timestamp to live stream, kernel
// timestamp to searchable, memory as Pss and CPU of the server, its workers and the sensor. It reads the ready file and
// prints one JSON object. The clock is the host's own on both sides, so it must run on the host that the sensor watches,
// or beside dev/bench/flood, which uses this host's clock too.
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
	var m measurement
	fs.StringVar(&m.readyFile, "ready", "", "ready file of yagura up")
	fs.StringVar(&m.data, "data", "", "its data directory")
	fs.DurationVar(&m.length, "for", 30*time.Second, "how long to measure")
	fs.BoolVar(&m.search, "search", true, "measure how soon an event is found by its id; each try costs a query")
	kinds := fs.String("kinds", "", "tail only these kinds, with commas between: to tail everything is a load of its own")
	if fs.Parse(args) != nil || m.readyFile == "" || m.data == "" {
		_, _ = fmt.Fprintln(stderr, "latency: -ready and -data are needed")
		return 2
	}
	if *kinds != "" {
		m.kinds = strings.Split(*kinds, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := m.run(ctx, stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "latency: %v\n", err)
		return 1
	}
	return 0
}

type measurement struct {
	readyFile, data string
	length          time.Duration
	search          bool
	kinds           []string
	client          consolev1connect.ConsoleClient

	mu               sync.Mutex // guards what follows
	live, searchable []float64
	judged           []float64
	skipped          int
}

type result struct {
	Seconds   float64          `json:"seconds"`
	PerSecond float64          `json:"judged_events_per_second"`
	LiveMS    quantiles        `json:"kernel_to_live_ms"`
	Skipped   int              `json:"live_stream_skips"`
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

func (m *measurement) run(ctx context.Context, stdout io.Writer) error {
	b, err := os.ReadFile(m.readyFile)
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
	m.client = consolev1connect.NewConsoleClient(&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(m.data, "admin.sock"))
		},
	}}, "http://localhost", connect.WithAcceptCompression("gzip", nil, nil)) // packing the tail would be a load

	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, m.length)
	defer cancel()
	watch := newWatch(up.PID, up.SensorPID)
	sample := make(chan *consolev1.EventRow, 1) // full: this event is not sampled
	var wg sync.WaitGroup
	wg.Go(func() { watch.run(ctx) })
	wg.Go(func() { m.tail(ctx, sample) })
	wg.Go(func() { m.rate(ctx) })
	if m.search {
		wg.Go(func() { m.find(ctx, sample) })
	}
	wg.Wait()
	seconds := time.Since(begin).Seconds()
	r := result{Seconds: seconds, LiveMS: summary(m.live), Skipped: m.skipped, SearchMS: summary(m.searchable), PerSecond: mean(m.judged), Processes: watch.usage(seconds)}
	enc := json.NewEncoder(stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// tail notes how late each event comes through the stream that pages are fed from.
func (m *measurement) tail(ctx context.Context, sample chan<- *consolev1.EventRow) {
	stream, err := m.client.TailEvents(ctx, connect.NewRequest(&consolev1.TailEventsRequest{Kinds: m.kinds}))
	if err != nil {
		return
	}
	for stream.Receive() {
		row := stream.Msg()
		m.mu.Lock()
		if row.Time == 0 { // not an event: so many were skipped because this reader was slow
			m.skipped++
			m.mu.Unlock()
			continue
		}
		m.live = append(m.live, late(row))
		m.mu.Unlock()
		select {
		case sample <- row:
		default:
		}
	}
}

// late is how old an event is, in ms.
func late(row *consolev1.EventRow) float64 { return float64(time.Now().UnixMicro()-row.Time) / 1000 }

// rate asks how many events a second are judged; the server's figure is a mean of ten seconds.
func (m *measurement) rate(ctx context.Context) {
	for wait(ctx, 10*time.Second) {
		r, err := m.client.GetHome(ctx, connect.NewRequest(&consolev1.GetHomeRequest{}))
		if err == nil {
			m.judged = append(m.judged, float64(r.Msg.EventsPerSecond))
		}
	}
}

// find asks for one event after the other until the store has it.
func (m *measurement) find(ctx context.Context, sample <-chan *consolev1.EventRow) {
	for ctx.Err() == nil {
		select { // an old sample would flatter the measurement
		case <-sample:
		default:
		}
		var row *consolev1.EventRow
		select {
		case <-ctx.Done():
			return
		case row = <-sample:
		}
		for ctx.Err() == nil {
			r, err := m.client.ListEvents(ctx, connect.NewRequest(&consolev1.ListEventsRequest{Ids: []string{row.Id}}))
			if err == nil && len(r.Msg.Events) == 1 {
				m.searchable = append(m.searchable, late(row))
				break
			}
			wait(ctx, 100*time.Millisecond)
		}
		wait(ctx, 700*time.Millisecond)
	}
}

// wait reports whether ctx still lives after d.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func mean(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

func summary(v []float64) quantiles {
	if len(v) == 0 {
		return quantiles{}
	}
	slices.Sort(v)
	at := func(q float64) float64 { return v[min(len(v)-1, int(q*float64(len(v))))] }
	return quantiles{N: len(v), P50: at(0.5), P95: at(0.95), P99: at(0.99), Max: v[len(v)-1]}
}
