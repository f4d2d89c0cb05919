//go:build duckdb && duckdb_arrow

package eventstore_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/yagura-edr/yagura/internal/event"
)

// fleet makes events as Linux sensors do, from a seed: some hundred programs with a long tail, command
// lines of which about half are unique, one parent in most of them, files and addresses with a long tail.
type fleet struct {
	r     *rand.Rand
	zipf  *rand.Zipf
	now   int64
	boot  map[int]uint64
	procs map[int][]event.Process
	names []string
}

func newFleet(seed uint64) *fleet {
	r := rand.New(rand.NewPCG(seed, 1))
	f := &fleet{r: r, zipf: rand.NewZipf(r, 1.3, 8, 800), now: 1_790_000_000_000_000, boot: map[int]uint64{}, procs: map[int][]event.Process{}}
	dirs := []string{"/usr/bin", "/usr/sbin", "/usr/lib/systemd", "/usr/local/bin", "/opt/app/bin", "/home/build/.cache/go-build"}
	for i := range 801 {
		f.names = append(f.names, fmt.Sprintf("%s/%s%d", dirs[i%len(dirs)], []string{"sh", "python3.", "node", "java", "kworker-helper", "postgres", "cron", "git", "cc1plus", "sed"}[i%10], i/10))
	}
	return f
}

func (f *fleet) process(host int) event.Process {
	list := f.procs[host]
	n := int(f.zipf.Uint64())
	f.boot[host] += uint64(1000 + f.r.IntN(40_000_000))
	pid := uint64(1000 + f.r.IntN(4_000_000))
	p := event.Process{
		Key: event.LinuxKey(f.boot[host], uint32(pid), uint32(host)), PID: pid, ExecID: uint64(1 + f.r.IntN(3)), StartNS: f.boot[host], Path: f.names[n],
		Cwd: []string{"/", "/root", "/srv/app", "/home/build/src"}[f.r.IntN(4)], UserID: []string{"0", "33", "1000"}[f.r.IntN(3)], UserName: []string{"root", "www-data", "build"}[f.r.IntN(3)],
		SessionID: fmt.Sprint(f.r.IntN(6)), Comm: fmt.Sprint("comm", n%300), VolumeID: "254:1", FileID: fmt.Sprint(262144 + n*17), Cgroup: []string{"cron.service", "session-1.scope", "docker-ab12.scope"}[f.r.IntN(3)],
	}
	p.EffectiveUserID = p.UserID
	for i := range p.SHA256 {
		p.SHA256[i] = byte(n*7 + i*13)
	}
	switch f.r.IntN(4) {
	case 0:
		p.CommandLine = p.Path + " --daemon"
	case 1:
		p.CommandLine = fmt.Sprintf("%s -c %s /tmp/build-%d/obj-%d.o -O2 -Wall -I/usr/include", p.Path, "x", f.r.IntN(100000), f.r.IntN(100000))
	default:
		p.CommandLine = fmt.Sprintf("%s run --id=%d", p.Path, f.r.IntN(2000))
	}
	if len(list) < 200 {
		f.procs[host] = append(list, p)
	} else {
		list[f.r.IntN(len(list))] = p
	}
	return p
}

// next gives one event of a host: 35 % files, 30 % network and DNS, 35 % processes.
func (f *fleet) next(host int) *event.Event {
	f.now += int64(f.r.IntN(400))
	if len(f.procs[host]) < 3 {
		f.process(host)
	}
	list := f.procs[host]
	f.boot[host] += uint64(f.r.IntN(3_000_000))
	e := &event.Event{
		OS: event.Linux, BootNS: f.boot[host], HostTime: f.now + int64(f.r.IntN(50)), Time: f.now, Received: f.now/1_000_000*1_000_000 + 400_000,
		Parent: list[f.r.IntN(len(list))], Ancestors: []string{"/usr/sbin/sshd", "/usr/lib/systemd/systemd"},
	}
	switch n := f.r.IntN(100); {
	case n < 12:
		e.Kind, e.Actor, e.HashState = event.ProcessExec, f.process(host), event.HashKnown
		return e
	case n < 35:
		e.Kind, e.ExitCode, e.CPUTime = event.ProcessExit, int64(f.r.IntN(3)), uint64(f.r.IntN(1e9))
	case n < 70:
		e.Kind = []event.Kind{event.FileCreate, event.FileModify, event.FileRename, event.FileDelete, event.FileChmod}[f.r.IntN(5)]
		e.File = event.File{
			Path: fmt.Sprintf("/srv/app/data/%d/%s-%d.tmp", f.r.IntN(50), []string{"cache", "log", "obj"}[f.r.IntN(3)], f.r.IntN(50_000)), VolumeID: "254:1", FileID: fmt.Sprint(f.r.IntN(10_000_000)),
			Size: uint64(f.r.IntN(1 << 20)), Mode: 0o100644, ModifiedTime: f.now - int64(f.r.IntN(1e9)), OwnerID: "1000", Links: 1,
		}
	case n < 90:
		e.Kind, e.Protocol, e.Initiated = event.NetConnect, "tcp", true
		e.LocalAddr, e.LocalPort = netip.AddrFrom4([4]byte{10, 0, byte(host >> 8), byte(host)}), uint64(32768+f.r.IntN(28000))
		e.RemoteAddr, e.RemotePort = netip.AddrFrom4([4]byte{byte(f.zipf.Uint64()), byte(f.r.IntN(4)), 7, 9}), []uint64{443, 80, 5432, 53}[f.r.IntN(4)]
		e.RemoteName = fmt.Sprintf("svc%d.example.net", f.zipf.Uint64())
	default:
		e.Kind, e.Query, e.QueryType = event.DNSQuery, fmt.Sprintf("host%d.example.org", f.zipf.Uint64()), 1
		e.Answers = []string{fmt.Sprintf("10.9.%d.%d", f.r.IntN(4), f.r.IntN(200))}
	}
	e.Actor = list[f.r.IntN(len(list))]
	return e
}
