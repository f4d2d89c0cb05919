package coverage

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// part is one act of the canary. Each must travel from its own hook to us.
type part uint8

const (
	partExec part = iota
	partCreate
	partDelete
	partConnect
	parts
)

func (p part) String() string {
	return [...]string{"process start", "file creation", "file removal", "connection"}[p]
}

// class gives the event class that a part proves.
func (p part) class() string {
	return [...]string{"process", "file", "file", "network"}[p]
}

func partOf(k event.Kind) (part, bool) {
	switch k {
	case event.ProcessExec:
		return partExec, true
	case event.FileCreate:
		return partCreate, true
	case event.FileDelete:
		return partDelete, true
	case event.NetConnect:
		return partConnect, true
	default:
		return 0, false
	}
}

// Bounds of what is remembered of canaries.
const (
	maxRuns   = 16 // of a host
	maxSights = 8  // processes that claim one nonce
	runLife   = 10 * time.Minute
	// A canary starts within seconds of its nonce; the slack is for clocks.
	nonceLife = 5 * time.Minute
)

// run is one nonce and what was seen of it.
type run struct {
	nonce    string
	issued   int64
	noticed  int64     // when we first knew of it: later than issued after a restart of the server
	reported event.Key // the process the sensor named; zero until it did
	sights   []*sight
	counted  [parts]bool
	ended    bool
}

// sight is one process that carried the nonce.
type sight struct {
	key  event.Key
	seen [parts]bool
	exec event.Stamped // its first event: the evidence if it was not the sensor's
	at   [parts]int64
	told bool
	// noticed is when we first heard of it.
	noticed int64
}

// Nonces carry their own proof, so that a server that restarted still knows which it gave: time, random,
// and a MAC over both and the host.
func (c *Coverage) makeNonce(h event.HostID, at int64) string {
	var b [32]byte
	binary.BigEndian.PutUint64(b[0:], uint64(at))
	_, _ = rand.Read(b[8:16]) // never fails
	copy(b[16:], c.mac(h, b[:16]))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (c *Coverage) mac(h event.HostID, b []byte) []byte {
	m := hmac.New(sha256.New, c.secret[:])
	m.Write([]byte("yagura-canary-v1\n"))
	m.Write(h[:])
	m.Write(b)
	return m.Sum(nil)[:16]
}

// checkNonce says when we gave a nonce to a host; false when we did not.
func (c *Coverage) checkNonce(h event.HostID, nonce string) (issued int64, ok bool) {
	if len(nonce) != 43 {
		return 0, false
	}
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(b) != 32 || !hmac.Equal(b[16:], c.mac(h, b[:16])) {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(b)), true
}

func openSecret(file string) (s [32]byte, err error) {
	b, err := os.ReadFile(file)
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && len(b) != len(s): // a new one costs the canaries under way, once
		_, _ = rand.Read(s[:]) // never fails
		if err := os.WriteFile(file, s[:], 0o600); err != nil {
			return s, fmt.Errorf("keep: %w", err)
		}
		return s, nil
	case err != nil:
		return s, fmt.Errorf("read: %w", err)
	}
	return [32]byte(b), nil
}

// NextNonce gives the nonce that a connected host should run now, or how long to wait before asking
// again.
func (c *Coverage) NextNonce(id event.HostID) (nonce string, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[id]
	if h == nil || h.revoked {
		return "", canaryPeriod
	}
	at := now()
	if due := h.issued + canaryPeriod.Microseconds() - at; due > 0 {
		return "", time.Duration(due) * time.Microsecond
	}
	h.issued = at
	if h.watched == 0 {
		h.watched = at
	}
	r := h.addRun(c.makeNonce(id, at), at, at)
	return r.nonce, 0
}

func (h *host) addRun(nonce string, issued, at int64) *run {
	r := &run{nonce: nonce, issued: issued, noticed: at}
	if len(h.runs) >= maxRuns {
		h.runs = append(h.runs[:0], h.runs[1:]...)
	}
	h.runs = append(h.runs, r)
	return r
}

func (h *host) run(nonce string) *run {
	for _, r := range h.runs {
		if r.nonce == nonce {
			return r
		}
	}
	return nil
}

// looksLikeCanary says whether a process is, or plays, the canary, and with which nonce.
func looksLikeCanary(p *event.Process) (nonce string, yes bool) {
	if path.Base(p.Path) != "yagura-sensor" {
		return "", false
	}
	f := strings.Fields(p.CommandLine)
	if len(f) < 2 || f[1] != "canary" {
		return "", false
	}
	if len(f) > 2 {
		nonce = f[2]
	}
	return nonce, true
}

// seeCanary judges one event that may belong to a canary. The lock is held.
func (c *Coverage) seeCanary(h *host, e event.Stamped, at int64) {
	v := e.Event
	if v.Kind == event.SensorCanary {
		c.canaryReported(h, e, at)
		return
	}
	p, ok := partOf(v.Kind)
	if !ok || v.Actor.Key == (event.Key{}) {
		return
	}
	for _, r := range h.runs {
		if s := r.sight(v.Actor.Key); s != nil {
			s.see(p, min(v.Time, at))
			c.settle(h, r, at)
			return
		}
	}
	nonce, yes := looksLikeCanary(&v.Actor)
	if !yes {
		return
	}
	issued, ours := c.checkNonce(h.id, nonce)
	if !ours {
		c.impostor(e, "it carries a nonce that this server never gave to this host")
		return
	}
	if v.Time-issued > nonceLife.Microseconds() || issued-v.Time > nonceLife.Microseconds() {
		c.impostor(e, "its nonce belongs to another time")
		return
	}
	r := h.run(nonce)
	if r == nil {
		r = h.addRun(nonce, issued, at)
	}
	if r.reported != (event.Key{}) && r.reported != v.Actor.Key {
		c.impostor(e, "the sensor named another process for its nonce")
		return
	}
	if len(r.sights) >= maxSights {
		c.impostor(e, "too many processes carry its nonce")
		return
	}
	s := &sight{key: v.Actor.Key, exec: e, noticed: at}
	s.see(p, min(v.Time, at))
	r.sights = append(r.sights, s)
	c.settle(h, r, at)
}

// canaryReported takes the sensor's word for which process it started for a nonce.
func (c *Coverage) canaryReported(h *host, e event.Stamped, at int64) {
	key := e.Event.Target.Key
	issued, ours := c.checkNonce(h.id, e.Event.Nonce)
	if !ours || key == (event.Key{}) {
		c.impostor(e, "the sensor reported a canary for a nonce that this server never gave it")
		return
	}
	r := h.run(e.Event.Nonce)
	if r == nil {
		r = h.addRun(e.Event.Nonce, issued, at)
	}
	if r.reported != (event.Key{}) && r.reported != key {
		c.impostor(e, "the sensor reported two processes for one nonce")
		return
	}
	r.reported = key
	if r.sight(key) == nil {
		r.sights = append(r.sights, &sight{key: key, exec: e, noticed: at})
	}
	c.settle(h, r, at)
}

func (r *run) sight(k event.Key) *sight {
	for _, s := range r.sights {
		if s.key == k {
			return s
		}
	}
	return nil
}

func (s *sight) see(p part, at int64) {
	if !s.seen[p] {
		s.seen[p], s.at[p] = true, at
	}
}

// settle counts the parts of the process that the sensor named, each once, if they came in time, and
// calls every other process that carried the nonce what it is.
func (c *Coverage) settle(h *host, r *run, at int64) {
	if r.reported == (event.Key{}) {
		return
	}
	for _, s := range r.sights {
		if s.key != r.reported && !s.told {
			s.told = true
			c.impostor(s.exec, "the sensor named another process for its nonce")
		}
	}
	if at-r.issued > canaryMissed.Microseconds() || h.silent {
		return // too late to prove that we see now
	}
	s := r.sight(r.reported)
	changed := false
	for p := range parts {
		if s.seen[p] && !r.counted[p] {
			r.counted[p], changed = true, true
			h.proven[p] = max(h.proven[p], max(s.at[p], r.issued))
			delete(h.missed, p)
		}
	}
	if !changed {
		return
	}
	if whole := h.whole(r); whole {
		h.passed = at
		c.proofs[h.id] = Proof{h.tenant, h.id, at}
	}
	c.evaluate(h, at)
}

// whole says whether every part that the host can show was counted.
func (h *host) whole(r *run) bool {
	for p := range parts {
		if h.expects(p) && !r.counted[p] {
			return false
		}
	}
	return true
}

// expects says whether a part can come at all: a class that the sensor itself calls blind is no canary's
// business.
func (h *host) expects(p part) bool {
	d, ok := h.declared[p.class()]
	return ok && d.state != Blind
}

// passedThisTime says whether each part came through since the host connected.
func (h *host) passedThisTime() bool {
	any := false
	for p := range parts {
		if h.expects(p) {
			any = true
			if h.proven[p] == 0 {
				return false
			}
		}
	}
	return any
}

// judgeCanary notes the parts that were not proven for 90 s and says whether that is news.
func (h *host) judgeCanary(at int64) (news bool) {
	if h.watched == 0 {
		return false
	}
	for p := range parts {
		last := max(h.proven[p], h.watched)
		if _, known := h.missed[p]; !known && h.expects(p) && at-last >= canaryMissed.Microseconds() {
			h.missed[p] = last
			news = true
		}
	}
	return news
}

// expireRuns ends runs that are over. A process that carried a nonce which the sensor never claimed was
// not started by the sensor.
func (c *Coverage) expireRuns(h *host, at int64) {
	kept := h.runs[:0]
	for _, r := range h.runs {
		age := at - max(r.issued, r.noticed)
		if age > canaryMissed.Microseconds() && !h.silent {
			r.ended = true
			for _, s := range r.sights {
				// The sensor's word may lie behind the exec in what it still has to send: after a break, and on
				// a host that is short of everything.
				late := min(at-s.noticed, at-h.watched) <= canaryMissed.Microseconds() || h.watched == 0
				if r.reported == (event.Key{}) && !s.told && !late {
					s.told = true
					c.impostor(s.exec, "the sensor did not start it: it named no process for its nonce")
				}
			}
		}
		if age < runLife.Microseconds() {
			kept = append(kept, r)
		}
	}
	clear(h.runs[len(kept):])
	h.runs = kept
}

// maxRaised bounds the detections that wait for the desk; beyond it they are dropped, and the ones
// waiting say enough.
const maxRaised = 1000

// impostor raises a high detection: something played the canary, perhaps to hide among the detections
// that nobody looks at.
func (c *Coverage) impostor(e event.Stamped, why string) {
	if len(c.raised) >= maxRaised {
		return
	}
	d := impostorDetection
	d.ID = detection.NewID(d.RuleID, d.RuleVersion, e.ID)
	if h := c.hosts[e.ID.Host]; h != nil {
		d.Tenant = h.tenant
	}
	d.Event, d.Detected = e, now()
	d.Matched = []detection.Match{{Field: "canary", Value: why, Selection: "nonce"}}
	c.raised = append(c.raised, d)
}
