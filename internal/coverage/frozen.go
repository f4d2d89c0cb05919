package coverage

import (
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// frozen makes a detection of a sensor that was stopped for a while and went on: by its own word, when it can speak again.
func (c *Coverage) frozen(h *host, e event.Stamped) {
	v := e.Event
	if v.ToNS <= v.FromNS || h.recording || len(c.raised) >= maxRaised {
		return
	}
	dark := time.Duration(min(v.ToNS-v.FromNS, 1<<62))
	if until, _ := c.planned(h.tenant, h.id); until > v.Time-dark.Microseconds() {
		return
	}
	d := frozenDetection
	d.Severity = detection.Low
	if dark > restartTime {
		d.Severity = detection.High
	}
	d.ID, d.Tenant, d.Event, d.Detected = detection.NewID(d.RuleID, d.RuleVersion, e.ID), h.tenant, e, now()
	d.Matched = []detection.Match{
		{Field: "reason", Value: or(v.Reason, unknownWho), Selection: "frozen"},
		{Field: "unwatched", Value: dark.Round(time.Millisecond).String(), Selection: "frozen"},
	}
	d.Todo = withHost(d.Todo, h.id)
	c.raised = append(c.raised, d)
}

var frozenDetection = detection.Detection{
	RuleID: "yagura-sensor-frozen", RuleVersion: "1",
	Title: detection.Said{En: "The sensor was frozen for a while, and nobody had ordered it", Ja: "予告のないセンサーの一時停止"},
	Why: detection.Said{
		En: "A sensor that is frozen (SIGSTOP, a frozen control group, a debugger) sees nothing and ends no word, and goes on as if nothing had been. No operator had signed a maintenance of this host. The matched fields say who sent the signal, if one was seen, and for how long the host was unwatched. What the kernel had kept meanwhile is told late; a loss is told as one.",
		Ja: "一時停止させられたセンサー(SIGSTOP、cgroup の凍結、デバッガー)は何も見ず、何も告げないまま、後で何事もなかったように動き出します。このホストの保守は、どの運用者の署名でも予告されていません。一致した値は、シグナルの送り主(分かる場合)と、監視されていなかった時間です。その間にカーネルが保持していたものは遅れて届き、失われた分は欠損として示されます。",
	},
	Todo: detection.Said{
		En: "Ask the user who is named. If no signal was seen, look for a frozen control group (`cat /sys/fs/cgroup/**/cgroup.freeze`), a debugger, and a hypervisor that paused the machine. Take what the host did in that time as unknown: look at what ran before and after, and isolate it. Next time sign it first: `yagura respond maintenance HOST --for 1h`.",
		Ja: "示されたユーザーに確かめてください。シグナルが見えていなければ、凍結された cgroup(`cat /sys/fs/cgroup/**/cgroup.freeze`)、デバッガー、マシンを止めたハイパーバイザーを調べてください。その間の動作は不明とみなし、前後に動いたものを調べ、ホストをネットワーク隔離してください。次からは先に `yagura respond maintenance HOST --for 1h` で予告してください。",
	},
	ATTACK: []string{"T1562.001", "tactic:defense-evasion"}, Author: "Yagura", Licence: "Apache-2.0",
}
