package ingest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/ingest"
)

// childFolder in the environment turns this test program into a server on that folder.
const childFolder = "YAGURA_INGEST_TEST_CHILD"

// TestServerChild is no test of its own: TestTwentyKillsLoseAndDoubleNothing starts it to kill it.
func TestServerChild(t *testing.T) {
	dir := os.Getenv(childFolder)
	if dir == "" {
		t.Skip("started by TestTwentyKillsLoseAndDoubleNothing")
	}
	s := &server{dir: dir, manifest: &manifest{settled: map[event.HostID][]ingest.Settled{}}, desk: &desk{}, listen: os.Getenv(childFolder + "_LISTEN")}
	var err error
	if s.authority, err = command.LoadAuthority(filepath.Join(dir, "authority")); err != nil {
		t.Fatal(err)
	}
	s.tenant = s.authority.Tenant
	s.open(t, 256<<20)
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is gone
	s.stop()
}

// child starts a server process; the returned function kills it.
func child(t *testing.T, dir, listen string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestServerChild$")
	cmd.Env = append(os.Environ(), childFolder+"="+dir, childFolder+"_LISTEN="+listen)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	ready := false
	for !ready && lines.Scan() {
		ready = lines.Text() == "ready"
	}
	if !ready {
		t.Error("the server did not come up")
	}
	return sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		_ = in.Close()
	})
}

func TestTwentyKillsLoseAndDoubleNothing(t *testing.T) {
	const kills = 20
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := start(t)
	sensors := []*sensor{s.enrol(t), s.enrol(t)}
	s.stop()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var produced [2][3]uint64
	var accepted atomic.Uint64
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop.Store(true)
	for i, x := range sensors {
		x.SensorsClient = s.client(x.cert, x.key)
		for _, lane := range event.Lanes {
			pick := rand.New(rand.NewPCG(seed, uint64(i)<<8|uint64(lane)+1))
			wg.Go(func() { // one lane of one sensor: it sends a batch until it is answered, then the next
				next := uint64(1)
				for !stop.Load() {
					n := 1 + pick.IntN(40)
					m := x.batch(t, lane, next, made(next, n))
					for tried := 0; ; tried++ {
						ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
						r, err := x.Upload(ctx, connect.NewRequest(m))
						cancel()
						if err == nil {
							if r.Msg.Watermark.AcceptedThrough != next+uint64(n)-1 {
								t.Errorf("%s %s: accepted through %d; want %d", x.host, lane, r.Msg.Watermark.AcceptedThrough, next+uint64(n)-1)
								return
							}
							break
						}
						if tried > 2000 {
							t.Errorf("%s %s: %v", x.host, lane, err)
							return
						}
						time.Sleep(10 * time.Millisecond)
					}
					next += uint64(n)
					produced[i][lane] = next - 1
					accepted.Add(uint64(n))
				}
			})
		}
	}
	for range kills {
		kill := child(t, s.dir, s.addr)
		time.Sleep(time.Duration(20+random.IntN(300)) * time.Millisecond)
		kill()
	}
	kill := child(t, s.dir, s.addr)
	stop.Store(true)
	wg.Wait()
	kill()
	s.open(t, 256<<20)
	got := map[event.HostID]*[3]uint64{}
	for id := range s.stored(t) { // fails on its own when an id is there twice
		if got[id.Host] == nil {
			got[id.Host] = new([3]uint64)
		}
		got[id.Host][id.Lane]++
	}
	for i, x := range sensors {
		if got[x.host] == nil || *got[x.host] != produced[i] {
			t.Errorf("%s: stored %v; acknowledged %v", x.host, got[x.host], produced[i])
		}
	}
	t.Logf("%d kills, %d events acknowledged and stored once", kills, accepted.Load())
}
