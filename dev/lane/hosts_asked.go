package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

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
	err = nil
	if edges == 0 {
		err = errors.New("none")
	}
	h.r.row("an edge from ga to gb", err)
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

// obey gives orders while the clock of ga goes from 3 s behind to 3 s ahead, and some with it far off: none may be refused.
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
		// The way on which its clock is set stays open.
		verb := []string{"isolate", a.id, "--for", "5m", "--allow", addressHost}
		if i%2 == 1 {
			verb = []string{"release", a.id}
		}
		if err := order(verb...); err != nil {
			h.r.row("orders reach ga", err)
			return
		}
	}
	far := []time.Duration{11 * time.Minute, 2 * time.Hour, -3 * time.Hour, 0}
	for _, off := range far {
		_, _ = a.do(a.root, "/lane/lane clock "+strconv.FormatInt(time.Now().Add(off).UnixMicro(), 10))
		if err := order("release", a.id); err != nil {
			h.r.row("orders reach ga with its clock at "+off.String(), err)
		}
	}
	total := 0
	for _, n := range refused {
		total += n
	}
	h.r.say("orders: %d of %d not done (%v), the slowest took %s; clock of ga from -3 s to +3 s, then at +11 min, +2 h and -3 h", total, h.orders+len(far), refused, slow.Round(time.Millisecond))
	var err error
	if total > 0 {
		err = fmt.Errorf("%d not done", total)
	}
	h.r.row("every order is obeyed, whatever the clock of ga says", err)
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
		return fmt.Errorf("state %s, %s; still there: %v (%v)", x.State, x.Detail, strings.Contains(out, "sleep 4711"), err) //nolint:errorlint // it may be nil
	}
	return nil
}
