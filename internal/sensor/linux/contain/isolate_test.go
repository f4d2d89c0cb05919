package contain

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

func TestIsolateCutsAllButTheServerAndProvesIt(t *testing.T) {
	for _, means := range []string{"cgroup", "nftables"} {
		t.Run(means, func(t *testing.T) {
			h, _ := bed(t, means)
			h.text("dial " + otherAddr + " keep")
			a := h.act("isolate 60")
			if a.Err != "<nil>" || a.Proof.Means != means || !a.Proof.Proven || a.Proof.DeniedProbe != probeDenied || a.Proof.Counter == 0 || !strings.HasPrefix(a.Proof.AllowedProbe, "connected") {
				t.Fatalf("Isolate = %+v; want denied and allowed probe proven", a)
			}
			t.Logf("%+v", a.Proof)
			if s := h.text("dial " + serverAddr); s != "<nil>" {
				t.Errorf("the server cannot be reached: %s", s)
			}
			if s := h.text("loopback"); s != "<nil>" {
				t.Errorf("the loopback is cut: %s", s)
			}
			if s := h.text("dial " + otherAddr); s == "<nil>" {
				t.Error("another address can be reached")
			}
			if s := h.text("old"); s == "<nil>" {
				t.Error("a connection from before still carries data")
			}
			var st sense.Isolation
			h.say("state", &st)
			if !st.Active || st.Denied <= a.Proof.Counter-1 {
				t.Errorf("state %+v; want active with a growing counter", st)
			}
			r := h.act("release")
			if r.Err != "<nil>" || r.Proof.DeniedProbe != probeLeft {
				t.Errorf("Release = %+v", r)
			}
			if s := h.text("dial " + otherAddr); s != "<nil>" {
				t.Errorf("after the release: %s", s)
			}
			if s := h.text("close"); s != "<nil>" {
				t.Errorf("close: %s", s)
			}
		})
	}
}

func TestIsolationEndsByItself(t *testing.T) {
	for _, means := range []string{"cgroup", "nftables"} {
		t.Run(means, func(t *testing.T) {
			h, _ := bed(t, means)
			if a := h.act("isolate 1.5"); a.Err != "<nil>" {
				t.Fatalf("Isolate = %+v", a)
			}
			if s := h.text("dial " + otherAddr); s == "<nil>" {
				t.Error("not isolated")
			}
			var s string
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
				if s = h.text("dial " + otherAddr); s == "<nil>" {
					break
				}
			}
			if s != "<nil>" {
				t.Errorf("the host is still isolated: %s", s)
			}
			h.text("close")
		})
	}
}

func TestIsolationSurvivesARestartOfTheSensor(t *testing.T) {
	for _, means := range []string{"cgroup", "nftables"} {
		for name, kill := range map[string]bool{"stopped": false, "killed": true} {
			t.Run(means+" "+name, func(t *testing.T) {
				if _, err := exec.LookPath("nsenter"); err != nil {
					t.Skip("nsenter is not here")
				}
				h, restart := bed(t, means)
				if a := h.act("isolate 60"); a.Err != "<nil>" {
					t.Fatalf("Isolate = %+v", a)
				}
				h = restart(kill)
				// Before the new sensor has done anything: the barrier held by itself.
				if s := h.text("dial " + otherAddr); s == "<nil>" {
					t.Error("the host was open while no sensor ran")
				}
				var up string
				h.say("up", &up) // its interface is up already; this starts the isolator
				var st sense.Isolation
				for deadline := time.Now().Add(5 * time.Second); !st.Active && time.Now().Before(deadline); {
					h.say("state", &st)
				}
				if !st.Active || st.Means != means {
					t.Errorf("state after the restart %+v; want active", st)
				}
				if s := h.text("dial " + otherAddr); s == "<nil>" {
					t.Error("the host is open after the restart")
				}
				if s := h.text("dial " + serverAddr); s != "<nil>" {
					t.Errorf("the server cannot be reached after the restart: %s", s)
				}
				if r := h.act("release"); r.Err != "<nil>" {
					t.Errorf("Release = %+v", r)
				}
				if s := h.text("dial " + otherAddr); s != "<nil>" {
					t.Errorf("after the release: %s", s)
				}
				h.text("close")
			})
		}
	}
}

func TestIsolateTimes(t *testing.T) {
	h, _ := bed(t, "cgroup")
	var in, out []float64
	for range 20 {
		a, r := h.act("isolate 60"), h.act("release")
		if a.Err != "<nil>" || r.Err != "<nil>" {
			t.Fatal(a, r)
		}
		in, out = append(in, a.Proof.Millis), append(out, r.Proof.Millis)
	}
	slices.Sort(in)
	slices.Sort(out)
	t.Logf("isolate to proven over 20: median %.2f ms, p95 %.2f ms, worst %.2f ms; release: median %.2f ms, p95 %.2f ms", in[10], in[18], in[19], out[10], out[18])
	h.text("close")
}

func TestAHostIsNeverLost(t *testing.T) {
	o := Options{StateFile: filepath.Join(t.TempDir(), "s"), Log: slog.New(slog.DiscardHandler)}
	for name, keep := range map[string]func(context.Context) (sense.Reach, error){
		"no address":  func(context.Context) (sense.Reach, error) { return sense.Reach{}, nil },
		"no resolver": func(context.Context) (sense.Reach, error) { return sense.Reach{}, errors.New("cannot resolve") },
	} {
		o.Keep = keep
		if _, err := New(o).Isolate(t.Context(), time.Hour, nil); err == nil {
			t.Errorf("%s: the host was isolated from its own server", name)
		}
	}
	o.Keep = func(context.Context) (sense.Reach, error) {
		return sense.Reach{Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.5")}}, nil
	}
	if _, err := New(o).Isolate(t.Context(), time.Hour, []string{"everything"}); err == nil {
		t.Error("an address that is none was taken")
	}
}

func TestCheckTimes(t *testing.T) {
	for _, means := range []string{"cgroup", "nftables"} {
		h, _ := bed(t, means)
		if a := h.act("isolate 60"); a.Err != "<nil>" {
			t.Fatal(a)
		}
		t.Logf("CPU of a check, %s, over 200: %s", means, h.text("cost"))
		h.act("release")
		h.text("close")
	}
}
