package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// BenchmarkStartAfterAKill starts a server that was killed: first with 1,000,000 events in its log that were
// neither judged nor stored, then with all of them sealed. It reports how long until the console answers, until
// the stories are read back and until everything is searchable and sealed, and the server's most memory. Run it by
// `make bench-start`; YAGURA_EVENTS sets another number.
func BenchmarkStartAfterAKill(b *testing.B) {
	if !hasStore {
		b.Skip("needs a build with an event store")
	}
	n := 1_000_000
	if s := os.Getenv("YAGURA_EVENTS"); s != "" {
		if _, err := fmt.Sscan(s, &n); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() { // once: it takes minutes
		dir := b.TempDir()
		c, kill := served(b, dir)
		// A host of its own makes the tenant's authority, which names the tenant.
		if _, errOut, code := c.in("en", strings.NewReader(watched(1, time.Now().UnixMicro()-3600e6, 1)[0]), "replay", "-"); code != exitOK {
			b.Fatal(errOut)
		}
		kill()
		owner := ownerOf(b, c.data)
		fillLog(b, filepath.Join(c.data, "log"), owner, n)
		for _, state := range []string{"unsealed", "sealed"} {
			began := time.Now()
			c, kill = served(b, dir)
			b.ReportMetric(time.Since(began).Seconds(), state+"-ready-s")
			r, err := http.Get(c.ready.URL)
			if err != nil {
				b.Fatal(err)
			}
			_ = r.Body.Close()
			b.ReportMetric(time.Since(began).Seconds(), state+"-console-s")
			for warm, whole := false, false; !warm || !whole; time.Sleep(200 * time.Millisecond) {
				if out, _, _ := c.in("en", nil, "doctor", "--json"); !warm && !strings.Contains(out, "reads stored events back") && strings.Contains(out, `"store"`) {
					warm = true
					b.ReportMetric(time.Since(began).Seconds(), state+"-stories-s")
				}
				var m consolev1.Store
				if out, _, _ := c.in("en", nil, "store", "--json"); !whole && json.Unmarshal([]byte(out), &m) == nil && m.Rows >= int64(n) {
					whole = true
					b.ReportMetric(time.Since(began).Seconds(), state+"-whole-s")
				}
				if time.Since(began) > 10*time.Minute {
					b.Fatalf("%s: not whole after 10 min: %d of %d events, stories %v", state, m.Rows, n, warm)
				}
			}
			b.ReportMetric(float64(mostMemory(c.ready.PID))/1024, state+"-MiB")
			time.Sleep(6 * time.Second) // the log is purged
			kill()
		}
	}
}

func served(b *testing.B, dir string) (*counter, func()) {
	b.Helper()
	c, end, err := serveIn(dir)
	if err != nil {
		b.Fatal(err)
	}
	return c, end
}

// ownerOf gives the tenant of a data folder.
func ownerOf(b *testing.B, data string) tenant.ID {
	b.Helper()
	certs, _ := filepath.Glob(filepath.Join(data, "ca", "tenant", "*.pem"))
	if len(certs) != 1 {
		b.Fatalf("tenants: %v", certs)
	}
	t, err := tenant.Parse(strings.TrimSuffix(filepath.Base(certs[0]), ".pem"))
	if err != nil {
		b.Fatal(err)
	}
	return t
}

// fillLog appends n events of 50 hosts, as if ingest had taken them a moment before the server died.
func fillLog(b *testing.B, dir string, owner tenant.ID, n int) {
	b.Helper()
	l, err := stream.Open(b.Context(), stream.Options{Dir: dir, MaxBytes: 8 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	const hosts, each = 50, 500
	var next [hosts]uint64
	random := rand.New(rand.NewPCG(1, 2))
	begin := time.Now().Add(-time.Hour).UnixMicro()
	for at := 0; at < n; at += each {
		h := at / each % hosts
		host := event.HostID{1, 0x92, 0, 0, 0, 0, 0x70, 0, 0x90, 15: byte(h)}
		events := make([]*event.Event, min(each, n-at))
		for i := range events {
			id := next[h] + uint64(i) + 1
			e := &event.Event{
				Kind: []event.Kind{event.ProcessExec, event.ProcessExit, event.FileCreate, event.NetConnect}[random.IntN(4)], OS: event.Linux,
				Time: begin + int64(at+i)*3600, Received: begin + int64(at+i)*3600, HostTime: begin + int64(at+i)*3600, BootNS: id * 1000,
				Actor:  event.Process{Key: event.LinuxKey(id/4, uint32(id/4), 1), PID: id / 4 % 4_000_000, Path: fmt.Sprintf("/usr/bin/tool-%d", random.IntN(300)), CommandLine: fmt.Sprintf("tool --job %d --out /tmp/%x", id, random.Uint32()), UserName: "root"},
				Parent: event.Process{Key: event.LinuxKey(1, 1, 1), PID: 1, Path: "/usr/lib/systemd/systemd"},
			}
			if e.Kind == event.FileCreate {
				e.File.Path = fmt.Sprintf("/var/lib/app/%d/%x", random.IntN(50), random.Uint32())
			}
			events[i] = e
		}
		content, err := stream.Pack(events)
		if err != nil {
			b.Fatal(err)
		}
		batch := stream.Batch{Tenant: owner, Host: host, Stream: 7, Lane: event.Critical, First: next[h] + 1, Count: len(events), Received: begin + int64(at)*3600, Content: content}
		if _, err := l.Append(b.Context(), stream.ShardOf(host), []stream.Batch{batch}); err != nil {
			b.Fatal(err)
		}
		next[h] += uint64(len(events))
	}
}

// mostMemory gives the most resident memory that a process ever had, in KiB; 0 where the system does not tell.
func mostMemory(pid int) (kib int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	_, _ = fmt.Sscan(after, &kib)
	return kib
}
