package ingest_test

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
)

// BenchmarkUpload sends batches of 500 process starts from 16 sensors, four in flight each, over TLS on
// the loopback into the real log, and counts events for each second of processor time: the server's and
// the clients' together, since both run here. The batches are made before.
func BenchmarkUpload(b *testing.B) {
	const size = 500
	s := start(b)
	s.stop()
	s.open(b, 8<<30)
	var sensors [16]*sensor
	for i := range sensors {
		sensors[i] = s.enrol(b)
		// The events are older than the greeting, as all are that a sensor sends.
		if _, err := sensors[i].Hello(b.Context(), connect.NewRequest(&sensorv1.HelloRequest{Protocol: 1, Os: "linux", BootId: sensors[i].boot[:], BootNs: 1100e9, WallTime: time.Now().UnixMicro(), Stream: 7})); err != nil {
			b.Fatal(err)
		}
	}
	ready := make([]*sensorv1.UploadRequest, 64)
	for i := range ready {
		ready[i] = sensors[0].batch(b, event.Critical, 1, realistic(uint64(i)*size, size))
	}
	b.ReportMetric(float64(len(ready[0].Content))/size, "wire-B/event")
	var next [len(sensors)]atomic.Uint64
	var turn atomic.Uint64
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	began := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		me := int(turn.Add(1)) % len(sensors)
		for pb.Next() {
			n := next[me].Add(1) - 1
			r := ready[n%uint64(len(ready))]
			m := &sensorv1.UploadRequest{Stream: 7, Lane: r.Lane, First: n*size + 1, Count: size, Content: r.Content, Sha256: r.Sha256, BootId: sensors[me].boot[:]}
			if _, err := sensors[me].Upload(b.Context(), connect.NewRequest(m)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := time.Duration(after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano())
	b.ReportMetric(float64(b.N)*size/cpu.Seconds(), "events/cpu-s")
	b.ReportMetric(float64(b.N)*size/time.Since(began).Seconds(), "events/s")
}

// realistic gives process starts with the fields that a sensor fills.
func realistic(from uint64, n int) []*event.Event {
	out := made(from, n)
	for i, e := range out {
		e.Actor = event.Process{
			Key: event.LinuxKey(from+uint64(i), uint32(i), 9), PID: 1000 + uint64(i), StartNS: 1e12 + uint64(i)*1e6, Path: "/usr/lib/gcc/x86_64-linux-gnu/12/cc1", CommandLine: "/usr/lib/gcc/x86_64-linux-gnu/12/cc1 -quiet -imultiarch x86_64-linux-gnu file" + e.Actor.CommandLine + ".c -o /tmp/cc.s",
			Cwd: "/home/build/project", UserID: "1000", UserName: "build", EffectiveUserID: "1000", SessionID: "4", LoginUserID: "1000", TTY: "pts/3", VolumeID: "254:1", FileID: "262145", Comm: "cc1", Cgroup: "session-4.scope",
		}
		e.Parent = event.Process{Key: event.LinuxKey(from/7, uint32(i/7), 9), PID: 900, Path: "/usr/bin/gcc-12", CommandLine: "gcc -c file.c", UserID: "1000", UserName: "build"}
		e.Ancestors = []string{"/usr/bin/make", "/usr/bin/bash", "/usr/sbin/sshd"}
		e.HashState = event.HashKnown
	}
	return out
}
