package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
)

// What a host can have made (docs/limits.md). Its word on how much it lost cannot be checked, so it is held
// against what a machine can do.
const (
	fastest  = 200_000          // events a second and lane; the quickest sensor measured decodes 107,000 on one core
	headroom = 60 * time.Second // before its enrolment counts, for clocks and for the first burst
	earliest = 24 * time.Hour   // before its enrolment an event of a watched host is dated at most; earlier ones are of now
	lossSpan = 24 * time.Hour   // loss claims of one host are summed over it
	tellEach = 10 * time.Second // a claim of one kind renews its words at most so often
)

// claim is a kind of thing that no sensor of ours says.
type claim string

const (
	claimImported claim = "imported" // events of a watched host that say they are a recording
	claimLoss     claim = "loss"     // losses beyond what the host can have had
	claimNumber   claim = "number"   // sequence numbers beyond it
	claimStream   claim = "stream"   // streams beyond what starts of a sensor can begin
)

// claims counts the refused ones of a host since the server started. The source's lock guards it.
type claims struct {
	n      map[claim]uint64
	told   map[claim]time.Time
	lost   uint64 // claimed and believed within lossSpan from lostAt
	lostAt int64
}

// reach gives the highest sequence number that a lane of a host can have come to.
func (s *Service) reach(id fleet.Identity, at int64) uint64 {
	h, _ := s.o.Fleet.Host(id.Tenant, id.Host)
	return made(at - h.Enrolled)
}

// made gives how many events a lane can make in a span of µs.
func made(span int64) uint64 {
	return uint64(max(span, 0)+headroom.Microseconds()) / 1e6 * fastest
}

// judge takes back what events of a batch claim and cannot be: that they are a recording, which only the token of
// its host can say, and losses that the host cannot have had. The event stays, says what it said, and counts nothing.
func (s *Service) judge(ctx context.Context, u *upload, events []*event.Event) {
	h, _ := s.o.Fleet.Host(u.id.Tenant, u.id.Host)
	most := made(u.received - h.Enrolled)
	var imported, losses uint64
	for _, e := range events {
		if e.Flags&event.FlagImported != 0 && !h.Recording {
			e.Flags &^= event.FlagImported
			imported++
		}
		n := uint64(0)
		switch e.Kind {
		case event.Dropped:
			if e.Last >= e.First && e.First > 0 {
				n = e.Last - e.First + 1
			}
			n = max(n, e.Count)
		case event.SensorLoss, event.SensorThrottle:
			n = e.Count
		default:
			continue
		}
		if e.Last <= most && u.src.lose(n, made(min(u.received-h.Enrolled, lossSpan.Microseconds())), u.received) {
			continue
		}
		losses++
		e.Reason = fmt.Sprintf("refused by the server, more than this host can have had: %d events (%d to %d) lost: %s", n, e.First, e.Last, e.Reason)
		e.First, e.Last, e.Count = 0, 0, 0
	}
	if imported > 0 {
		s.tell(ctx, u.id, u.src, claimImported, imported)
	}
	if losses > 0 {
		s.tell(ctx, u.id, u.src, claimLoss, losses)
	}
}

// within dates what a watched host says happened before it was one: its boot's clock is its own word, which may reach
// back 400 days, and each day costs files.
func (s *Service) within(u *upload, events []*event.Event) {
	h, _ := s.o.Fleet.Host(u.id.Tenant, u.id.Host)
	if h.Recording {
		return
	}
	for _, e := range events {
		if e.Time < h.Enrolled-earliest.Microseconds() {
			e.Time = u.received
		}
	}
}

// lose adds a loss to what the host claimed within lossSpan, unless the sum is more than most.
func (src *source) lose(n, most uint64, at int64) bool {
	src.mu.Lock()
	defer src.mu.Unlock()
	c := &src.claims
	if at-c.lostAt > lossSpan.Microseconds() || at < c.lostAt {
		c.lost, c.lostAt = 0, at
	}
	if n > most || c.lost > most-n {
		return false
	}
	c.lost += n
	return true
}

// tell counts refused claims and shows them as a fault of the host.
func (s *Service) tell(ctx context.Context, id fleet.Identity, src *source, what claim, n uint64) {
	src.mu.Lock()
	c := &src.claims
	if c.n == nil {
		c.n, c.told = map[claim]uint64{}, map[claim]time.Time{}
	}
	c.n[what] += n
	all, now := c.n[what], time.Now()
	due := now.Sub(c.told[what]) >= tellEach
	if due {
		c.told[what] = now
	}
	src.mu.Unlock()
	if !due {
		return
	}
	s.log.WarnContext(ctx, "claims of a host refused", slog.Any("tenant", id.Tenant), slog.Any("host", id.Host), slog.String("claim", string(what)), slog.Uint64("n", all))
	s.o.Coverage.Report(context.WithoutCancel(ctx), faultClaim(id, what, all))
}

var saidClaim = map[claim]detection.Said{
	claimImported: {
		En: "It marked %d events as a recording, which would let it choose their times. They were kept as events of now.",
		Ja: "%d 件のイベントを「再生された記録」と偽り、時刻を自由に決めようとしました。通常のイベントとして保存しています。",
	},
	claimLoss: {
		En: "It reported losses that it cannot have had, %d times. They are kept as events and count as no loss.",
		Ja: "起こり得ない件数の欠損を %d 回報告しました。イベントとしては残し、欠損には数えていません。",
	},
	claimNumber: {
		En: "It used event numbers that it cannot have come to, %d times. Those batches were refused.",
		Ja: "到達し得ないイベント番号を %d 回使いました。該当するバッチは受け付けていません。",
	},
	claimStream: {
		En: "It began more event streams than a sensor that starts again and again can, %d of them refused.",
		Ja: "再起動を繰り返すセンサーでも始め得ない数のストリームを始めました(%d 件を拒否)。",
	},
}

// faultClaim is one fault for each kind of claim, so that none takes the words of another.
func faultClaim(id fleet.Identity, what claim, n uint64) coverage.Fault {
	said := saidClaim[what]
	return coverage.Fault{
		Tenant: id.Tenant, Host: id.Host, Kind: "claim-" + string(what), Class: coverage.ClassTamper, Severity: detection.High,
		What: detection.Said{En: fmt.Sprintf("This host says what no sensor says. "+said.En, n), Ja: fmt.Sprintf("このホストは、正規のセンサーが送らない内容を送っています。"+said.Ja, n)},
		Fix: detection.Said{
			En: "Somebody with root on the host may hold its key: look at its incidents and at who signed in there, then revoke it and enrol it again.",
			Ja: "ホストの root 権限を持つ第三者が鍵を使っている可能性があります。インシデントとログインを調べ、このホストを失効させて登録し直してください。",
		},
	}
}
