// Command flood loads a running server with events of many synthetic sensors over the real protocol: each enrols, has a
// certificate and a TLS connection of its own, says Hello, holds Attend open, sends heartbeats, and uploads batches made
// of shapes that our sensor was seen to send, or of a recording (NDJSON of `yagura-sensor watch`). Times in them are now.
// It prints one JSON object. It is for benchmarks and for nothing else.
package main

import (
	"bufio"
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
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/zstd"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/gen/console/v1/consolev1connect"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("flood", flag.ContinueOnError)
	fs.SetOutput(stderr)
	data := fs.String("data", "", "data directory of the server")
	hosts := fs.Int("hosts", 50, "sensors")
	rate := fs.Int("rate", 5000, "events a second, of all of them together")
	length := fs.Duration("for", 2*time.Minute, "how long (at most 1h)")
	recording := fs.String("recording", "", "take the shapes from this recording")
	if fs.Parse(args) != nil || *data == "" || *hosts < 1 || *rate < 1 || *length > time.Hour {
		_, _ = fmt.Fprintln(stderr, "flood: -data is needed, -hosts and -rate must be positive, -for at most 1h")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := flood(ctx, *data, *hosts, *rate, *length, *recording, stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "flood: %v\n", err)
		return 1
	}
	return 0
}

func flood(ctx context.Context, data string, hosts, rate int, length time.Duration, recording string, stdout io.Writer) error {
	var tape []*event.Event
	if recording != "" {
		var err error
		if tape, err = read(recording); err != nil {
			return err
		}
	}
	console := consolev1connect.NewConsoleClient(&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(data, "admin.sock"))
		},
	}}, "http://localhost")
	r, err := console.CreateEnrolToken(ctx, connect.NewRequest(&consolev1.CreateEnrolTokenRequest{Uses: uint32(hosts), TtlSeconds: 600}))
	if err != nil {
		return err
	}
	token, err := command.ParseToken(r.Msg.Token)
	if err != nil {
		return err
	}
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return err
	}
	count := &counts{failures: map[string]int{}}
	var fleet []*host
	for i := range hosts {
		h, err := enrol(ctx, token, i, count, pack)
		if err != nil {
			return err
		}
		if err := h.hello(ctx); err != nil {
			return err
		}
		if tape != nil {
			h.source = &played{tape: tape, at: i * len(tape) / hosts, boot: uint32(i)}
		}
		fleet = append(fleet, h)
	}
	before, begin := cpu(), time.Now()
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var wg sync.WaitGroup
	for i, h := range fleet {
		wg.Go(func() {
			// Sensors do not tick together.
			time.Sleep(time.Duration(i) * 500 * time.Millisecond / time.Duration(hosts))
			h.run(ctx, float64(rate)/float64(hosts))
		})
	}
	<-ctx.Done()
	took := time.Since(begin).Seconds()
	wg.Wait()
	enc := json.NewEncoder(stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(count.result(hosts, took, cpu()-before))
}

// counts is what all hosts together did.
type counts struct {
	made, accepted, bytes, uploads, late, lost, quarantined atomic.Int64

	mu       sync.Mutex // guards what follows
	took     []float64  // of each upload, ms
	failures map[string]int
}

func (c *counts) upload(events, size int, took time.Duration, quarantined string) {
	c.accepted.Add(int64(events))
	c.bytes.Add(int64(size))
	c.uploads.Add(1)
	if quarantined != "" {
		c.quarantined.Add(int64(events))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, float64(took.Microseconds())/1000)
}

func (c *counts) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.failures) < 20 {
		c.failures[err.Error()]++
	}
}

type result struct {
	Hosts            int            `json:"hosts"`
	Seconds          float64        `json:"seconds"`
	Made             int64          `json:"events_made"`
	Accepted         int64          `json:"events_accepted"`
	PerSecond        float64        `json:"events_accepted_per_second"`
	Lost             int64          `json:"events_given_up"`
	Quarantined      int64          `json:"events_quarantined"`
	Uploads          int64          `json:"uploads"`
	UploadsPerSecond float64        `json:"uploads_per_second"`
	BytesPerEvent    float64        `json:"bytes_per_event_on_the_wire"`
	Waited           int64          `json:"flushes_that_found_the_lane_busy"`
	UploadMS         [4]float64     `json:"upload_ms_p50_p95_p99_max"`
	Failures         map[string]int `json:"failures"`
	CPUPercent       float64        `json:"own_cpu_percent_of_a_core"`
}

func (c *counts) result(hosts int, seconds, used float64) result {
	r := result{Hosts: hosts, Seconds: seconds, Made: c.made.Load(), Accepted: c.accepted.Load(), Lost: c.lost.Load(), Quarantined: c.quarantined.Load(), Uploads: c.uploads.Load(), Waited: c.late.Load(), Failures: c.failures, CPUPercent: used / seconds * 100}
	r.PerSecond, r.UploadsPerSecond = float64(r.Accepted)/seconds, float64(r.Uploads)/seconds
	if r.Accepted > 0 {
		r.BytesPerEvent = float64(c.bytes.Load()) / float64(r.Accepted)
	}
	if n := len(c.took); n > 0 {
		slices.Sort(c.took)
		r.UploadMS = [4]float64{c.took[n/2], c.took[n*95/100], c.took[n*99/100], c.took[n-1]}
	}
	return r
}

// cpu is what this process has used, in seconds.
func cpu() float64 {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// played gives a recording again and again, with the times of now. Every host has its own processes: keys get the
// host's number and, each time round, a new one.
type played struct {
	tape  []*event.Event
	at    int
	round uint64
	boot  uint32
}

func (p *played) next(bootNS uint64) *event.Event {
	e := *p.tape[p.at]
	if p.at++; p.at == len(p.tape) {
		p.at = 0
		p.round++
	}
	for _, x := range []*event.Process{&e.Actor, &e.Parent, &e.Target} {
		if x.Key != (event.Key{}) {
			x.PID += p.round % 1000
			x.Key = event.LinuxKey(x.StartNS+p.round, uint32(x.PID), p.boot)
		}
	}
	e.BootNS, e.HostTime = bootNS, time.Now().UnixMicro()
	return &e
}

// read takes what our sensor says of hosts from a recording; what it says of itself stays out.
func read(name string) ([]*event.Event, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, event.MaxJSONLine)
	var tape []*event.Event
	for lines.Scan() {
		e, err := event.FromJSON(lines.Bytes())
		if err != nil {
			return nil, err
		}
		if e.Kind.Group() != event.SensorLoss.Group() || e.Kind.Class() != event.SensorLoss.Class() {
			tape = append(tape, e)
		}
	}
	if err := lines.Err(); err != nil || len(tape) == 0 {
		return nil, fmt.Errorf("%s holds no event: %w", name, err)
	}
	return tape, nil
}
