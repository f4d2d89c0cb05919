// Command faults soaks a server in what breaks servers: it lets sensors send without a pause, makes the clock jump, fills
// disk and inodes, breaks the workers, flips a byte of a segment and kills the server in between, and then counts. The
// sensors are real ones from the spool on (spool and uplink of the sensor; no kernel), and every event carries its own name.
//
// It prints one JSON line and exits 1 when an event was lost, is there twice or is another than was sent, when a fault was
// told by no row of `yagura doctor` within 90 s, or when one stayed after its cause had gone. dev/faults.sh builds what
// it needs and calls it; it is a test and nothing else.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// verdict is the JSON line.
type verdict struct {
	Seconds    int      `json:"seconds"`
	Seed       uint64   `json:"seed"`
	Produced   int      `json:"produced"`
	Stored     int      `json:"stored"`
	Shed       uint64   `json:"shed_and_reported"` // by the sensors' own bounds, each with its range; they are not stored and not lost
	Lost       int      `json:"lost"`
	Duplicates int      `json:"duplicates"`
	Altered    int      `json:"altered"`
	Silent     int      `json:"silent"`
	Unhealed   int      `json:"unhealed"`
	Kills      int      `json:"kills"`
	Faults     []result `json:"faults"`
}

// result is what became of one fault.
type result struct {
	Fault  string  `json:"fault"`
	Told   string  `json:"told,omitempty"` // the row that told it; empty: none did
	After  float64 `json:"told_s,omitempty"`
	Healed float64 `json:"healed_s,omitempty"` // after its cause had gone
	Note   string  `json:"note,omitempty"`
	Kills  int     `json:"kills,omitempty"` // kill -9 while it lasted
}

func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("faults", flag.ContinueOnError)
	fs.SetOutput(stderr)
	bin := fs.String("bin", "", "the server with the clock that can be moved")
	disk := fs.String("disk", "", "folder of a small file system for the server's data")
	listen := fs.String("listen", "127.0.0.1:21510", "console")
	sensors := fs.String("sensor-listen", "127.0.0.1:21511", "sensors")
	length := fs.Duration("for", 10*time.Minute, "start no fault after this")
	seed := fs.Uint64("seed", uint64(time.Now().UnixNano()), "order of the faults")
	hosts := fs.Int("hosts", 3, "sensors")
	rate := fs.Float64("rate", 20, "events a second of each")
	only := fs.String("only", "", "faults with this in their name alone")
	if fs.Parse(args) != nil || *bin == "" || *disk == "" {
		_, _ = fmt.Fprintln(stderr, "faults: -bin and -disk are needed; dev/faults.sh knows them")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	say := func(format string, a ...any) {
		_, _ = fmt.Fprintf(stderr, "%s %s\n", time.Now().UTC().Format("15:04:05"), fmt.Sprintf(format, a...))
	}
	v, err := soak(ctx, options{
		bin: *bin, disk: *disk, listen: *listen, sensors: *sensors, length: *length, seed: *seed, hosts: *hosts, rate: *rate, only: *only, say: say,
	})
	if err != nil {
		say("%v", err)
		return 1
	}
	if err := json.NewEncoder(stdout).Encode(v); err != nil {
		return 1
	}
	if v.Lost+v.Duplicates+v.Altered+v.Silent+v.Unhealed > 0 {
		return 1
	}
	return 0
}

type options struct {
	bin, disk, listen, sensors string
	length                     time.Duration
	seed                       uint64
	hosts                      int
	rate                       float64
	only                       string
	say                        func(format string, a ...any)
}

func soak(ctx context.Context, o options) (*verdict, error) {
	s, err := newServer(o)
	if err != nil {
		return nil, err
	}
	defer s.end()
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "yagura-faults-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	fleet, err := newFleet(ctx, s, filepath.Join(folder, "sensors"), o)
	if err != nil {
		return nil, err
	}
	defer fleet.end()
	v := &verdict{Seed: o.seed}
	begin := time.Now()
	random := rand.New(rand.NewPCG(o.seed, 9))
	if err := pause(ctx, 15*time.Second); err != nil { // something is sealed
		return nil, err
	}
	var list []fault
	for time.Since(begin) < o.length {
		if len(list) == 0 {
			for _, f := range faultsOf(s) {
				if strings.Contains(f.name, o.only) {
					list = append(list, f)
				}
			}
			random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		}
		f := list[0]
		list = list[1:]
		r, err := s.suffer(ctx, f, random)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		v.Faults = append(v.Faults, r)
		v.Kills += r.Kills
		if random.IntN(2) == 0 {
			o.say("kill -9")
			v.Kills++
			if err := s.again(ctx); err != nil {
				return nil, err
			}
		}
	}
	fleet.quiet()
	v.Seconds = int(time.Since(begin).Seconds())
	for _, r := range v.Faults {
		if r.Told == "" {
			v.Silent++
		}
		if r.Healed < 0 {
			v.Unhealed++
		}
	}
	return v, s.count(ctx, fleet, v)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
