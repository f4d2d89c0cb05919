package coverage

import (
	"fmt"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// A sensor that is stopped is the quietest way to blind a host. It counts as meant only when an operator signed a
// maintenance of the host. A package that replaces the sensor starts it again at once, and a host that is booted comes
// back: neither wakes anybody, and both are told.
const (
	restartTime = time.Minute
	bootTime    = 5 * time.Minute
	unknownWho  = "nobody knows who"
)

// The states in which a sensor tells its end.
const (
	stateShutDown = "shutdown" // its host goes down
	stateServer   = "server"   // the server beside it, which had started it, ended
)

// stop is the end of a sensor by its own word, not yet judged.
type stop struct {
	event event.Stamped
	seen  int64
	cause Cause  // Stopped or ShutDown
	who   string // for people
}

func newStop(e event.Stamped, seen int64) *stop {
	s := &stop{e, seen, Stopped, event.Clip(or(event.Show(e.Event.Reason), unknownWho), maxReason)}
	if e.Event.State == stateShutDown {
		s.cause = ShutDown
	}
	return s
}

// restore takes an open row that says the host is silent.
func (h *host) restore(r *Row) {
	switch r.Cause {
	case Stopped, ShutDown:
		h.off, h.ended, h.who = r.From, r.Cause, r.Reason
	case Planned:
		h.off, h.ended, h.until = r.From, Stopped, 1 // look again whether it still holds
	case Replayed:
		h.off, h.ended = r.From, Stopped
	default:
	}
}

func (c *Coverage) planned(t tenant.ID, id event.HostID) (until int64, by string) {
	if c.o.Planned == nil {
		return 0, ""
	}
	return c.o.Planned(t, id)
}

// plan is the maintenance of a host, as of now.
type plan struct {
	until int64
	by    string
}

func (c *Coverage) plan(k Known) plan {
	until, by := c.planned(k.Tenant, k.Host)
	return plan{until, by}
}

// upgraded says whether a row is the moment in which a sensor was stopped and started, or may still be.
func upgraded(r Row, at int64) bool {
	if r.To != 0 {
		at = r.To
	}
	return r.State == Silent && r.off() && at-r.From < patience(r.Cause).Microseconds()
}

// off says whether the sensor itself said that it ends.
func (r *Row) off() bool { return r.Cause == Stopped || r.Cause == ShutDown }

// stopped takes the word of a sensor that it ends.
func (c *Coverage) stopped(h *host, e event.Stamped, at int64) {
	if e.Event.State == stateServer && e.Event.Time < c.start {
		return // and the server did end
	}
	s := newStop(e, at)
	if began := h.began - e.Event.Time; began > 0 { // it came late, out of a spool: the next start is known already
		c.raiseStop(h, s, began)
		return
	}
	if h.stop != nil && h.stop.event.ID != e.ID {
		c.raiseStop(h, h.stop, 0)
	}
	h.stop = s
	if h.off == 0 || e.Event.Time < h.off-restartTime.Microseconds() {
		return
	}
	h.ended, h.who = s.cause, s.who
	for _, r := range h.open {
		if r.State == Silent && r.Cause == Stopped && r.Reason == "" {
			r.Cause, r.Reason = s.cause, s.who
			c.dirty[r.ID] = *r
		}
	}
}

// started ends the time in which a stopped sensor may still come back.
func (c *Coverage) started(h *host, e event.Stamped) {
	h.began = max(h.began, e.Event.Time)
	if s := h.stop; s != nil && e.Event.Time >= s.event.Event.Time {
		h.stop = nil
		c.raiseStop(h, s, max(1, e.Event.Time-s.event.Event.Time))
	}
}

// judgeStop raises the stop of a sensor that did not come back, or whose start was not told.
func (c *Coverage) judgeStop(h *host, at int64) {
	if s := h.stop; s != nil && at-s.seen > patience(s.cause).Microseconds() {
		h.stop = nil
		c.raiseStop(h, s, 0)
	}
}

// patience is how long a sensor that said that it ends may take to come back.
func patience(c Cause) time.Duration {
	if c == ShutDown {
		return bootTime
	}
	return restartTime
}

// raiseStop makes a detection of the end of a sensor that nobody ordered. dark is how long the host was unwatched, in
// µs; 0: it still is.
func (c *Coverage) raiseStop(h *host, s *stop, dark int64) {
	e := s.event
	if until, _ := c.planned(h.tenant, h.id); until > e.Event.Time || h.recording || len(c.raised) >= maxRaised {
		return
	}
	d := stopDetection
	d.Severity = detection.High
	switch {
	case dark > 0 && dark <= patience(s.cause).Microseconds():
		d.Severity = detection.Low
	case s.cause == ShutDown:
		d.Severity = detection.Medium
	}
	d.ID, d.Tenant, d.Event, d.Detected = detection.NewID(d.RuleID, d.RuleVersion, e.ID), h.tenant, e, now()
	d.Todo = withHost(d.Todo, h.id)
	d.Matched = []detection.Match{{Field: "reason", Value: s.who, Selection: "stop"}}
	if dark > 0 {
		d.Matched = append(d.Matched, detection.Match{Field: "unwatched", Value: time.Duration(dark * 1000).Round(time.Millisecond).String(), Selection: "stop"})
	}
	c.raised = append(c.raised, d)
}

var stopDetection = detection.Detection{
	RuleID: "yagura-sensor-stopped", RuleVersion: "1",
	Title: detection.Said{En: "The sensor was stopped, and nobody had ordered it", Ja: "予告のないセンサーの停止"},
	Why: detection.Said{
		En: "Whoever wants to work unseen stops the sensor first. No operator had signed a maintenance of this host. What the matched field says is the sensor's own last word: the process that stopped it, or that nobody knows.",
		Ja: "見られずに動こうとする者は、まずセンサーを止めます。このホストの保守は、どの運用者の署名でも予告されていません。一致した値はセンサーが停止の直前に報告したもので、停止させたプロセスを示します(不明の場合もあります)。",
	},
	Todo: detection.Said{
		En: "Ask the user who is named. If it was no upgrade and no administrator, take what the host did in that time as unknown: look at what ran before and after, and isolate it. Next time sign it first: `yagura respond maintenance HOST --for 1h`.",
		Ja: "示されたユーザーに確かめてください。更新でも管理者の操作でもなければ、その間の動作は不明とみなし、前後に動いたものを調べ、ホストをネットワーク隔離してください。次からは先に `yagura respond maintenance HOST --for 1h` で予告してください。",
	},
	ATTACK: []string{"T1562.001", "T1489", "tactic:defense-evasion"}, Author: "Yagura", Licence: "Apache-2.0",
}

// saidSilent says that a host is silent, how bad that is, and what to do.
func saidSilent(name string, r Row, at int64, p plan, ja func(string) string) (severity detection.Severity, what, fix detection.Said) {
	who := or(r.Reason, unknownWho)
	switch {
	case r.Cause == Planned && p.until > at:
		severity = detection.Low
		what.En = fmt.Sprintf("%s: the sensor is stopped since %s, in a maintenance that %s ordered until %s; the host is unwatched.", name, event.Clock(r.From), p.by, event.Clock(p.until))
		what.Ja = fmt.Sprintf("%s: %s の予告による保守(%s まで)のため、センサーは %s から停止しています。このホストは監視されていません。", name, p.by, event.Clock(p.until), event.Clock(r.From))
		fix.En = "Nothing until then. A host that is still silent afterwards is told like any other."
		fix.Ja = "それまで対応は不要です。期限後も報告がなければ、ほかのホストと同様に通知します。"
	case r.off() && at-r.From < patience(r.Cause).Microseconds():
		severity = detection.Low
		what.En = fmt.Sprintf("%s: the sensor was stopped at %s (%s); it may be starting anew.", name, event.Clock(r.From), who)
		what.Ja = fmt.Sprintf("%s: センサーは %s に停止しました(%s)。再起動中の可能性があります。", name, event.Clock(r.From), ja(who))
		fix.En = "Wait a moment: an upgrade starts it again. If it stays away this becomes an alarm."
		fix.Ja = "しばらくお待ちください。更新であれば再び起動します。戻らなければ警報になります。"
	case r.off():
		severity = detection.High
		if r.Cause == ShutDown {
			severity = detection.Medium
		}
		what.En = fmt.Sprintf("%s: the sensor was stopped at %s, and nobody had ordered it (%s). The host is unwatched since.", name, event.Clock(r.From), who)
		what.Ja = fmt.Sprintf("%s: 予告がないのに、センサーが %s に停止しました(%s)。以後このホストは監視されていません。", name, event.Clock(r.From), ja(who))
		fix.En = "Find out who stopped it and why, then start it: `systemctl start yagura-sensor`. Before a stop that is meant sign `yagura respond maintenance HOST --for 1h`."
		fix.Ja = "誰がなぜ止めたかを調べ、`systemctl start yagura-sensor` で起動してください。意図した停止の前には `yagura respond maintenance HOST --for 1h` で予告してください。"
	default:
		severity = detection.High
		what.En = fmt.Sprintf("%s is silent: no sign of life since %s. What happened there since cannot be known.", name, event.Clock(r.From))
		what.Ja = fmt.Sprintf("%s は報告が途絶しています。%s 以降、応答がありません。それ以後の出来事は不明です。", name, event.Clock(r.From))
		fix.En = "See whether the host is up and reaches the server; on it, `systemctl status yagura-sensor` and `yagura-sensor check`."
		fix.Ja = "ホストが起動してサーバーに届くかを確認してください。ホスト上では `systemctl status yagura-sensor` と `yagura-sensor check` を実行します。"
	}
	return severity, what, fix
}

// heardSinceStart says whether a host spoke since this server started. The table alone knows only what was before.
func (c *Coverage) heardSinceStart(id event.HostID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[id]
	return h != nil && h.heard >= c.start
}

// wait makes of what was seen before the server started what is known now: nothing.
func (h *HostHealth) wait() {
	h.State = "waiting"
	for i := range h.Cells {
		if c := &h.Cells[i]; c.State != Unknown {
			c.State, c.Reason = Unknown, "the host was not heard since the server started"
		}
	}
}
