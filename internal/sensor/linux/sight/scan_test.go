package sight_test

import (
	"net"
	"os/exec"
	"strconv"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
)

// A shell's own loop, a program started for each port, and one program: each is one scan. The ports are those of nobody here.
func TestScanIsOneEvent(t *testing.T) {
	w := watch(t)
	for name, line := range map[string]string{
		"a shell's loop":       "for p in $(seq 7001 7040); do (exec 3<>/dev/tcp/127.0.0.1/$p) 2>/dev/null; done; true",
		"a program for a port": "for p in $(seq 7001 7040); do bash -c \"exec 3<>/dev/tcp/127.0.0.1/$p\" 2>/dev/null; done; true",
		"one process":          "for p in $(seq 7001 7040); do exec 3<>/dev/tcp/127.0.0.1/$p; done 2>/dev/null; true",
		"one port of many":     "for i in $(seq 1 40); do (exec 3<>/dev/tcp/127.0.1.$i/7001) 2>/dev/null; done; true",
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("/usr/bin/bash", "-c", line)
			_ = cmd.Run()
			pid := uint64(cmd.Process.Pid)
			mine := func(e *event.Event) bool {
				return e.Kind == event.NetScan && (e.Actor.PID == pid || e.Parent.PID == pid)
			}
			e := w.find(t, "scan", mine)
			if e.Count < 15 || !e.RemoteAddr.IsLoopback() || e.RemotePort < 7001 {
				t.Errorf("%d destinations, last %s:%d", e.Count, e.RemoteAddr, e.RemotePort)
			}
			w.find(t, "exit", func(e *event.Event) bool { return e.Kind == event.ProcessExit && e.Actor.PID == pid })
			n := 0
			w.has(func(e *event.Event) bool {
				if mine(e) {
					n++
				}
				return false
			})
			if n != 1 {
				t.Errorf("%d events; want one", n)
			}
		})
	}
}

func TestManyConnectionsThatAnswerAreNoScan(t *testing.T) {
	w := watch(t)
	var ports string
	for range 30 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports += " " + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	cmd := exec.Command("/usr/bin/bash", "-c", "for p in"+ports+"; do exec 3<>/dev/tcp/127.0.0.1/$p; done")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pid := uint64(cmd.Process.Pid)
	w.find(t, "exit", func(e *event.Event) bool { return e.Kind == event.ProcessExit && e.Actor.PID == pid })
	if w.has(func(e *event.Event) bool { return e.Kind == event.NetScan && e.Actor.PID == pid }) {
		t.Error("told as a scan")
	}
}
