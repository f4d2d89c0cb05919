package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/boot"
	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
)

// fleet is sensors that see nothing and send what they are told to.
type fleet struct {
	all  []*sensor
	stop context.CancelFunc // of the making of events
	halt context.CancelFunc // of everything
	wg   sync.WaitGroup
	made sync.WaitGroup
}

type sensor struct {
	name  string
	boot  [16]byte
	spool *spool.Spool
	link  *uplink.Link

	mu   sync.Mutex // guards made
	made int        // events 0 to made-1 exist
}

func newFleet(ctx context.Context, s *server, folder string, o options) (*fleet, error) {
	f := &fleet{}
	base, halt := context.WithCancel(context.WithoutCancel(ctx))
	making, stop := context.WithCancel(base)
	f.halt, f.stop = halt, stop
	for i := range o.hosts {
		x, err := newSensor(ctx, s, filepath.Join(folder, strconv.Itoa(i)), fmt.Sprintf("soak-%d", i))
		if err != nil {
			f.end()
			return nil, err
		}
		f.all = append(f.all, x)
		f.wg.Go(func() { _ = x.spool.Run(base) })
		f.wg.Go(func() { _ = x.link.Run(base) })
		f.made.Go(func() { x.make(making, o.rate) })
	}
	return f, nil
}

// quiet ends the making of events; what is spooled goes on being sent.
func (f *fleet) quiet() { f.stop(); f.made.Wait() }

func (f *fleet) end() { f.stop(); f.halt(); f.made.Wait(); f.wg.Wait() }

func newSensor(ctx context.Context, s *server, dir, name string) (*sensor, error) {
	x := &sensor{name: name}
	if _, err := rand.Read(x.boot[:]); err != nil {
		return nil, err
	}
	text, err := s.token(ctx)
	if err != nil {
		return nil, err
	}
	token, err := command.ParseToken(text)
	if err != nil {
		return nil, err
	}
	machine := sha256.Sum256(x.boot[:])
	id, err := uplink.Enroll(ctx, filepath.Join(dir, "identity"), token, uplink.Facts{Hostname: []byte(name), Version: "soak", MachineID: machine[:]}, uplink.Proxy{})
	if err != nil {
		return nil, fmt.Errorf("enrol %s: %w", name, err)
	}
	log := slog.New(slog.DiscardHandler)
	if x.spool, err = spool.Open(filepath.Join(dir, "spool"), spool.Options{Boot: x.boot, Log: log}); err != nil {
		return nil, err
	}
	x.link, err = uplink.New(uplink.Options{Identity: id, Spool: x.spool, Host: x, Log: log, Period: 5 * time.Second, MaxWait: 3 * time.Second})
	return x, err
}

// nameOf is what an event says of itself: whose it is, its number, and a sum, so that an event that became another shows.
func nameOf(host string, n int) string {
	s := fmt.Sprintf("/soak/%s/%d", host, n)
	return fmt.Sprintf("%s/%08x", s, crc32.ChecksumIEEE([]byte(s)))
}

// isName says whether a name is one that a sensor here gave.
func isName(s string) bool {
	part := strings.Split(s, "/")
	if len(part) != 5 || part[1] != "soak" {
		return false
	}
	n, err := strconv.Atoi(part[3])
	return err == nil && nameOf(part[2], n) == s
}

func (x *sensor) make(ctx context.Context, rate float64) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	begin := time.Now()
	kinds := []event.Kind{event.ProcessExec, event.FileCreate, event.NetConnect}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		x.mu.Lock()
		for due := int(time.Since(begin).Seconds() * rate); x.made < due; x.made++ {
			now := boot.Now()
			e := &event.Event{Kind: kinds[x.made%len(kinds)], BootNS: now, HostTime: time.Now().UnixMicro()}
			pid := uint64(1000 + x.made%30000)
			e.Actor = event.Process{PID: pid, StartNS: now, Key: event.LinuxKey(now, uint32(pid), 1), Path: "/usr/bin/true", CommandLine: "true", Cwd: nameOf(x.name, x.made)}
			x.spool.Put(e)
		}
		x.mu.Unlock()
	}
}

func (x *sensor) count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.made
}

func (x *sensor) capabilities() (out []*sensorv1.Capability) {
	for _, c := range []string{"process", "file", "network", "dns", "memory"} {
		out = append(out, &sensorv1.Capability{Class: c, State: "full"})
	}
	return out
}

// Hello and the rest make x the uplink's host.
func (x *sensor) Hello() *sensorv1.HelloRequest {
	return &sensorv1.HelloRequest{
		Version: "soak", Os: "linux", Hostname: []byte(x.name), Kernel: "6.1.0", BootId: x.boot[:], BootNs: boot.Now(), WallTime: time.Now().UnixMicro(),
		Registry: registry.Version, Capabilities: x.capabilities(),
	}
}

func (x *sensor) Report() *sensorv1.ReportRequest {
	return &sensorv1.ReportRequest{BootNs: boot.Now(), WallTime: time.Now().UnixMicro(), Capabilities: x.capabilities()}
}

func (x *sensor) Outcomes() []*sensorv1.Outcome           { return nil }
func (x *sensor) Reported([]*sensorv1.Outcome)            {}
func (x *sensor) Command(context.Context, command.Signed) {}
func (x *sensor) Nonce(context.Context, string)           {}
func (x *sensor) List(context.Context, []byte)            {}
func (x *sensor) Clock(time.Time)                         {}
