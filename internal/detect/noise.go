package detect

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// noise bounds how many detections one rule raises on one host in a minute. Over the bound an act that the rule has not
// found in that minute is still kept, as far as the host's share of those reaches: decoys must not hide another act. The
// rest is counted and told by doctor, never just gone.
type noise struct {
	limit int

	mu      sync.Mutex // guards below
	windows map[noiseKey]*noiseWindow
	held    map[noiseKey]*Suppressed
	seed    maphash.Seed
}

type noiseKey struct {
	tenant tenant.ID
	host   event.HostID
	rule   string
}

type noiseWindow struct {
	start int64
	n     int
	acts  map[uint64]bool // what the rule found, by actOf; of a host's own window: unused
}

const (
	noiseSpan = 60_000_000 // µs
	// maxWindows bounds memory; full: windows that ended go, and if none did, all of them.
	maxWindows = 20_000
	// maxNew bounds the detections of one host in a minute that are kept over the bound of their rules.
	maxNew = 240
)

// actOf gives what makes one act another than the next of the same rule: what ran, and what it was done to.
func (n *noise) actOf(e *event.Event) uint64 {
	var h maphash.Hash
	h.SetSeed(n.seed)
	for _, s := range []string{e.Actor.Path, e.Actor.CommandLine, e.Actor.UserID, e.Target.Path, e.File.Path, e.RemoteAddr.String(), e.Query, e.URL} {
		_, _ = h.WriteString(s)
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

func (n *noise) allow(t tenant.ID, h event.HostID, rule string, e *event.Event, now int64) bool {
	k := noiseKey{t, h, rule}
	n.mu.Lock()
	defer n.mu.Unlock()
	w := n.window(k, now)
	act := n.actOf(e)
	again := w.acts[act]
	if !again && len(w.acts) < n.limit+maxNew {
		w.acts[act] = true
	}
	if w.n++; w.n <= n.limit {
		return true
	}
	if !again {
		if all := n.window(noiseKey{t, h, ""}, now); all.n < maxNew { // no rule has an empty id
			all.n++
			return true
		}
	}
	s := n.held[k]
	if s == nil {
		if n.held == nil {
			n.held = map[noiseKey]*Suppressed{}
		}
		s = &Suppressed{Tenant: t, Host: h, RuleID: rule, From: now}
		n.held[k] = s
	}
	s.Count++
	s.To = now
	return false
}

// window gives the current window of a key. The lock is held.
func (n *noise) window(k noiseKey, now int64) *noiseWindow {
	w := n.windows[k]
	if w == nil {
		if n.windows == nil {
			n.windows, n.seed = map[noiseKey]*noiseWindow{}, maphash.MakeSeed()
		}
		if len(n.windows) >= maxWindows {
			for k, w := range n.windows {
				if now-w.start > noiseSpan {
					delete(n.windows, k)
				}
			}
			if len(n.windows) >= maxWindows {
				clear(n.windows)
			}
		}
		w = &noiseWindow{start: now, acts: map[uint64]bool{}}
		n.windows[k] = w
	}
	if d := now - w.start; d > noiseSpan || d < 0 {
		w.start, w.n = now, 0
		clear(w.acts)
	}
	return w
}

// take gives what was held back since the last time.
func (n *noise) take() []Suppressed {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.held) == 0 {
		return nil
	}
	out := make([]Suppressed, 0, len(n.held))
	for _, s := range n.held {
		out = append(out, *s)
	}
	n.held = nil
	return out
}

func (n *noise) putBack(held []Suppressed) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held == nil {
		n.held = map[noiseKey]*Suppressed{}
	}
	for _, s := range held {
		k := noiseKey{s.Tenant, s.Host, s.RuleID}
		if now := n.held[k]; now != nil {
			now.Count += s.Count
			now.From = s.From
			continue
		}
		n.held[k] = &s
	}
}

// hitCounts counts by rule.
type hitCounts struct {
	m sync.Map // rule id → *atomic.Uint64
}

func (h *hitCounts) add(rule string) {
	c, ok := h.m.Load(rule)
	if !ok {
		c, _ = h.m.LoadOrStore(rule, new(atomic.Uint64))
	}
	c.(*atomic.Uint64).Add(1) //nolint:forcetypeassert // the map holds nothing else
}

func (h *hitCounts) all() map[string]uint64 {
	out := map[string]uint64{}
	h.m.Range(func(k, v any) bool {
		out[k.(string)] = v.(*atomic.Uint64).Load() //nolint:forcetypeassert // the map holds nothing else
		return true
	})
	return out
}

// Latency is a histogram of microseconds in powers of √2.
type Latency struct {
	buckets [64]atomic.Uint64
	late    atomic.Uint64
}

// late is how long an event may be on its way. One that took longer lay in a spool while the server was out
// of reach, or is a recording: how long says nothing of how fast we are.
const late = int64(10 * time.Second / time.Microsecond)

// note takes an event's detection into account.
func (l *Latency) note(e *event.Event, now int64) {
	if e.Flags&event.FlagImported != 0 || e.Received-e.Time > late {
		l.late.Add(1)
		return
	}
	l.add(now - e.Time)
}

func (l *Latency) add(us int64) { l.buckets[latencyBucket(us)].Add(1) }

// Late gives how many detections are not in the histogram because their events came late.
func (l *Latency) Late() uint64 { return l.late.Load() }

func latencyBucket(us int64) int {
	i := 0
	for i < len(Latency{}.buckets)-1 && us >= latencyEdge(i) {
		i++
	}
	return i
}

// Quantile gives an upper bound of the q-quantile (0 < q ≤ 1) in µs, and how many were counted; 0, 0
// when none was.
func (l *Latency) Quantile(q float64) (us int64, n uint64) {
	var counts [64]uint64
	for i := range l.buckets {
		counts[i] = l.buckets[i].Load()
		n += counts[i]
	}
	if n == 0 {
		return 0, 0
	}
	want := uint64(q * float64(n))
	var sum uint64
	for i, c := range counts {
		if sum += c; sum >= max(want, 1) {
			return latencyEdge(i), n
		}
	}
	return latencyEdge(len(counts) - 1), n
}

// latencyEdge is what bucket i lies below: 64 µs times √2 to the power of i, so the last is 47 hours.
func latencyEdge(i int) int64 {
	edge := int64(64) << (i / 2)
	if i%2 == 1 {
		edge = edge * 181 / 128
	}
	return edge
}
