package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/gen/sensor/v1/sensorv1connect"
	"github.com/yagura-edr/yagura/internal/stream"
)

// newSiege starts a whole server of its own, to be attacked. limit is a line of bash before it, such as "ulimit -n 1500".
func newSiege(t *testing.T, limit string, args ...string) *counter {
	t.Helper()
	if !hasStore {
		t.Skip("needs a build with an event store")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := &counter{program: self}
	c.t, c.data = t, filepath.Join(dir, "data")
	file := filepath.Join(dir, "ready.json")
	all := append([]string{"-c", limit + "\n" + `exec "$0" "$@"`, self, "up", "--no-sensor", "--data", c.data, "--listen", "127.0.0.1:0", "--sensor-listen", "127.0.0.1:0", "--ready-file", file}, args...)
	cmd := exec.Command("bash", all...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.SysProcAttr = endsWithParent()
	if c.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = c.log, c.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			b, _ := os.ReadFile(c.log.Name())
			t.Logf("log of the server:\n%s", b[max(0, len(b)-6000):])
		}
	})
	c.eventually(2*time.Minute, "the server is ready", func() error {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return json.Unmarshal(b, &c.ready)
	})
	return c
}

// intruder is what root on an enrolled host can be with the host's key and no sensor: a client that says what it likes.
type intruder struct {
	sensorv1connect.SensorsClient

	c      *counter
	host   event.HostID
	tls    *tls.Config
	stream uint64
	boot   []byte
	next   [3]uint64 // sequence number by lane
}

// intrude enrols a host as its sensor would and gives its key to the intruder.
func (c *counter) intrude(t *testing.T, name string) *intruder {
	t.Helper()
	var made struct{ Token string }
	out, said, code := c.in("en", nil, "enroll", "token", "--this-host", "--json")
	if code != exitOK || json.Unmarshal([]byte(out), &made) != nil {
		t.Fatalf("enroll token: exit %d: %s%s", code, out, said)
	}
	token, err := command.ParseToken(made.Token)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	machine := sha256.Sum256(csr)
	r, err := c.stranger().Enroll(t.Context(), connect.NewRequest(&sensorv1.EnrollRequest{Secret: token.Secret, Csr: csr, Hostname: []byte(name), Os: "linux", Version: "v", MachineId: machine[:]}))
	if err != nil {
		t.Fatal(err)
	}
	x := &intruder{c: c, boot: machine[:16], next: [3]uint64{1, 1, 1}, stream: random()}
	if x.host, err = event.ParseHostID(r.Msg.HostId); err != nil {
		t.Fatal(err)
	}
	x.tls = unchecked()
	x.tls.Certificates = []tls.Certificate{{Certificate: [][]byte{r.Msg.Certificate}, PrivateKey: key}}
	x.SensorsClient = c.client(x.tls)
	return x
}

func unchecked() *tls.Config { return &tls.Config{InsecureSkipVerify: true} } // the attacker checks nobody

func (c *counter) client(conf *tls.Config) sensorv1connect.SensorsClient {
	return sensorv1connect.NewSensorsClient(&http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: conf}}, c.ready.SensorURL)
}

// stranger is somebody without a certificate.
func (c *counter) stranger() sensorv1connect.SensorsClient { return c.client(unchecked()) }

func random() uint64 {
	n, err := rand.Int(rand.Reader, new(big.Int).SetUint64(1<<63))
	if err != nil {
		panic(err)
	}
	return n.Uint64() + 1
}

// greeting is a Hello as a whole sensor's, up for an hour.
func (x *intruder) greeting() *sensorv1.HelloRequest {
	m := &sensorv1.HelloRequest{Protocol: 1, Version: "v", Os: "linux", Hostname: []byte("h"), BootId: x.boot, BootNs: 3600e9, WallTime: time.Now().UnixMicro(), Stream: x.stream, Registry: 1}
	for _, class := range event.Classes() {
		m.Capabilities = append(m.Capabilities, &sensorv1.Capability{Class: class, State: "full"})
	}
	return m
}

func (x *intruder) hello(t *testing.T) {
	t.Helper()
	if _, err := x.Hello(t.Context(), connect.NewRequest(x.greeting())); err != nil {
		t.Fatalf("Hello: %v", err)
	}
}

// send uploads one batch under the next numbers of its lane.
func (x *intruder) send(ctx context.Context, lane event.Lane, events ...*event.Event) error {
	content, err := stream.Pack(events)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	m := &sensorv1.UploadRequest{Stream: x.stream, Lane: uint32(lane), First: x.next[lane], Count: uint32(len(events)), Content: content, Sha256: sum[:], BootId: x.boot}
	if _, err = x.Upload(ctx, connect.NewRequest(m)); err == nil {
		x.next[lane] += uint64(len(events))
	}
	return err
}

// listed is an event as `events list --json` prints it.
type listed struct {
	Time   int64
	Kind   string
	Fields map[string]string
}

// events gives what the store has of the intruder's host.
func (x *intruder) events(args ...string) (out []listed, err error) {
	text, said, code := x.c.in("en", nil, append([]string{"events", "list", "--host", x.host.String(), "--limit", "1000", "--json"}, args...)...)
	if code != exitOK {
		return nil, fmt.Errorf("events list: exit %d: %s", code, said)
	}
	for line := range strings.Lines(text) {
		var e listed
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		out = append(out, e)
	}
	return out, nil
}

// faults gives what doctor says.
func (c *counter) faults(language string) string {
	out, said, _ := c.in(language, nil, "doctor")
	return out + said
}

func (c *counter) segments(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(c.data, "segments", "*", "*", "*", "*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func ran(args string) *event.Event {
	return &event.Event{Kind: event.ProcessExec, OS: event.Linux, Actor: event.Process{Key: event.LinuxKey(random(), 7, 1), PID: 100, Path: "/usr/bin/true", CommandLine: "true " + args}}
}
