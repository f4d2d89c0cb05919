// Package uplink is the sensor's side of the wire (api/sensor/v1): it enrols a host, keeps its certificate
// fresh, hands the spool's batches to the server, brings what the server relays to the agent, and reports
// every 15 seconds. It believes only the CA and the authority that the enrolment token pinned. It decides
// nothing about commands and keeps no events; its one caller is the agent.
package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/command"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/gen/sensor/v1/sensorv1connect"
	"github.com/yagura-edr/yagura/internal/pause"
	"github.com/yagura-edr/yagura/internal/sensor/identity"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
)

// Protocol is the version of api/sensor/v1 that this sensor speaks.
const Protocol = 1

// Host is what the uplink asks the agent.
type Host interface {
	// Hello fills in what this host is; the uplink adds streams and clocks.
	Hello() *sensorv1.HelloRequest
	// Report fills in counters and capabilities.
	Report() *sensorv1.ReportRequest
	// Outcomes gives what is to be reported; Reported says that the server has it.
	Outcomes() []*sensorv1.Outcome
	Reported(outcomes []*sensorv1.Outcome)
	// Command takes a relayed command. It must be quick.
	Command(ctx context.Context, s command.Signed)
	// Nonce asks for a canary within five seconds. It must be quick.
	Nonce(ctx context.Context, nonce string)
	// List takes the newest operator list.
	List(ctx context.Context, list []byte)
	// Clock takes the server's time, as of now.
	Clock(server time.Time)
}

// Options of a link.
type Options struct {
	Identity *identity.Identity
	Spool    *spool.Spool
	Host     Host
	Proxy    Proxy
	Log      *slog.Logger
	Period   time.Duration // of reports, 15 s
	MaxWait  time.Duration // between attempts to connect, 20 s
}

// Link is the connection of one sensor to its server.
type Link struct {
	o      Options
	log    *slog.Logger
	http   *http.Transport
	client sensorv1connect.SensorsClient
	kick   chan struct{} // an outcome waits to be reported
	state  atomic.Pointer[State]
	book   book
}

// State says how the link is.
type State struct {
	Connected bool
	Since     time.Time // of Connected, either way
	Problem   string    // why not, one sentence
	Sent      uint64    // events accepted since the start
}

// New makes a link; Run connects it.
func New(o Options) (*Link, error) {
	if o.Period == 0 {
		o.Period = 15 * time.Second
	}
	if o.MaxWait == 0 {
		o.MaxWait = 20 * time.Second
	}
	l := &Link{o: o, log: o.Log, kick: make(chan struct{}, 1)}
	l.state.Store(&State{Since: time.Now()})
	var err error
	if l.http, err = transport(o.Identity.TLS(), o.Proxy, &l.book); err != nil {
		return nil, err
	}
	l.client = sensorv1connect.NewSensorsClient(&http.Client{Transport: l.http}, o.Identity.URL, connect.WithReadMaxBytes(1<<20))
	return l, nil
}

// State gives how the link is now.
func (l *Link) State() State { return *l.state.Load() }

// Known gives the addresses that a name had when it was last dialled.
func (l *Link) Known(host string) []netip.Addr { return l.book.get(host) }

func (l *Link) set(edit func(*State)) {
	for {
		old := l.state.Load()
		s := *old
		edit(&s)
		if l.state.CompareAndSwap(old, &s) {
			return
		}
	}
}

// ReportSoon makes the next report leave at once: an outcome waits.
func (l *Link) ReportSoon() {
	select {
	case l.kick <- struct{}{}:
	default: // one is on its way
	}
}

// Run keeps the link up until ctx ends, then signs off. It returns nil when ctx ended.
func (l *Link) Run(ctx context.Context) error {
	defer l.http.CloseIdleConnections()
	wait := backoff{most: l.o.MaxWait}
	for ctx.Err() == nil {
		start := time.Now()
		err := l.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(start) > time.Minute {
			wait.reset()
		}
		sentence := Explain(err)
		if l.State().Connected || l.State().Problem != sentence {
			l.log.WarnContext(ctx, "server cannot be reached, events stay in the spool", slog.String("err", sentence))
		}
		l.set(func(s *State) {
			if s.Connected {
				s.Since = time.Now()
			}
			s.Connected, s.Problem = false, sentence
		})
		// Connections that died under us must not be tried again.
		l.http.CloseIdleConnections()
		if !pause.For(ctx, wait.next(err)) {
			break
		}
	}
	l.signOff(context.WithoutCancel(ctx))
	return nil
}

// signOff drains what is ready and tells the server that silence is expected. Best effort, a few seconds.
func (l *Link) signOff(ctx context.Context) {
	if !l.State().Connected {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	for lane := range 3 {
		for {
			b, _, err := l.o.Spool.Try(ctx, spoolLane(lane))
			if b == nil || err != nil {
				break
			}
			if err := l.upload(ctx, b); err != nil {
				l.o.Spool.Again(b)
				break
			}
		}
	}
	if err := l.report(ctx, true); err != nil {
		l.log.WarnContext(ctx, "could not sign off", slog.String("err", Explain(err)))
	}
}

// session is one connection: hello, then everything at once until something says that it is over.
func (l *Link) session(ctx context.Context) error {
	if err := l.renewWhenDue(ctx); err != nil {
		return err
	}
	limits, err := l.hello(ctx)
	if err != nil {
		return err
	}
	l.set(func(s *State) {
		if !s.Connected {
			s.Since = time.Now()
		}
		s.Connected, s.Problem = true, ""
	})
	l.log.InfoContext(ctx, "connected", slog.String("server", l.o.Identity.URL))

	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(errOver)
	run := func(part func(context.Context) error) {
		wg.Go(func() {
			if err := part(ctx); err != nil {
				cancel(err)
			}
		})
	}
	for lane := range 3 {
		for range limits.inFlight {
			run(func(ctx context.Context) error { return l.send(ctx, spoolLane(lane)) })
		}
	}
	run(l.attend)
	run(l.reports)
	<-ctx.Done()
	return context.Cause(ctx)
}

var errOver = errors.New("the session is over")

type limits struct{ inFlight int }

func (l *Link) hello(ctx context.Context) (limits, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req := l.o.Host.Hello()
	req.Protocol, req.Stream = Protocol, l.o.Spool.Stream()
	for _, s := range l.o.Spool.Streams() {
		req.Streams = append(req.Streams, &sensorv1.StreamState{Stream: s.Stream, Lane: uint32(s.Lane), Last: s.Last})
	}
	res, err := l.client.Hello(ctx, connect.NewRequest(req))
	if err != nil {
		return limits{}, fmt.Errorf("hello: %w", err)
	}
	if res.Msg.ServerTime > 0 {
		l.o.Host.Clock(time.UnixMicro(res.Msg.ServerTime))
	}
	l.o.Spool.Reset(watermarks(res.Msg.Watermarks...))
	if len(res.Msg.OperatorList) > 0 {
		l.o.Host.List(ctx, res.Msg.OperatorList)
	}
	if res.Msg.Nonce != "" {
		l.o.Host.Nonce(context.WithoutCancel(ctx), res.Msg.Nonce)
	}
	return limits{inFlight: min(max(int(res.Msg.GetLimits().GetMaxInFlight()), 1), 4)}, nil
}

// reports sends the heartbeat. Two that fail in a row end the session.
func (l *Link) reports(ctx context.Context) error {
	tick := time.NewTicker(l.o.Period)
	defer tick.Stop()
	failed := 0
	for {
		if err := l.report(ctx, false); err == nil {
			failed = 0
		} else if failed++; failed > 1 || sessionOver(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-l.kick:
		}
		if l.o.Identity.RenewalDue() {
			if err := l.renewWhenDue(ctx); err != nil {
				l.log.WarnContext(ctx, "certificate not renewed, the old one still holds", slog.String("err", Explain(err)))
			}
		}
	}
}

// maxProblem bounds the sentence about the disk in a heartbeat.
const maxProblem = 512

func (l *Link) report(ctx context.Context, down bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	outcomes := l.o.Host.Outcomes() // before the counters: those must not be older than the acts that are told with them
	req := l.o.Host.Report()
	req.Outcomes = outcomes
	req.Stream, req.GoingDown = l.o.Spool.Stream(), down
	st := l.o.Spool.Stats()
	req.SpoolBytes, req.SpoolEvents = uint64(st.Bytes)+uint64(st.Memory), st.Events
	req.SpoolProblem = []byte(st.Problem[:min(len(st.Problem), maxProblem)])
	for lane, n := range st.Produced {
		req.Produced = append(req.Produced, &sensorv1.StreamState{Stream: req.Stream, Lane: uint32(lane), Last: n})
	}
	req.Counters = append(req.Counters,
		&sensorv1.Counter{Name: "spool.dropped", Value: st.Dropped},
		&sensorv1.Counter{Name: "spool.freed", Value: st.Freed},
		&sensorv1.Counter{Name: "spool.damaged", Value: st.Damaged})
	res, err := l.client.Report(ctx, connect.NewRequest(req))
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	l.o.Host.Reported(req.Outcomes)
	l.o.Spool.Advance(watermarks(res.Msg.Watermarks...)...)
	if res.Msg.ServerTime > 0 {
		l.o.Host.Clock(time.UnixMicro(res.Msg.ServerTime))
	}
	if res.Msg.Nonce != "" && !down {
		l.o.Host.Nonce(context.WithoutCancel(ctx), res.Msg.Nonce)
	}
	return nil
}

// aliveFor is how long an Attend stream may be silent; the server says something every 15 s.
const aliveFor = 50 * time.Second

// attend takes what the server relays. A stream that worked and broke ends the session, because the
// server may be another one now; where streams do not pass at all (some proxies hold them back), reports
// bring nonces and the rest of the session goes on.
func (l *Link) attend(ctx context.Context) error {
	wait := backoff{most: time.Minute}
	for {
		worked, err := l.attendOnce(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end was asked for
		}
		if worked || sessionOver(err) {
			return fmt.Errorf("attend: %w", err)
		}
		l.log.DebugContext(ctx, "attend stream does not pass", slog.String("err", Explain(err)))
		if !pause.For(ctx, wait.next(err)) {
			return nil
		}
	}
}

func (l *Link) attendOnce(ctx context.Context) (worked bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errOver)
	stream, err := l.client.Attend(ctx, connect.NewRequest(&sensorv1.AttendRequest{Stream: l.o.Spool.Stream()}))
	if err != nil {
		return false, err
	}
	defer stream.Close()
	dead := time.AfterFunc(aliveFor, func() { cancel(errSilent) })
	defer dead.Stop()
	for stream.Receive() {
		worked = true
		dead.Reset(aliveFor)
		switch item := stream.Msg().Item.(type) {
		case *sensorv1.AttendResponse_Command:
			l.o.Host.Command(ctx, signed(item.Command))
		case *sensorv1.AttendResponse_Nonce:
			l.o.Host.Nonce(ctx, item.Nonce)
		case *sensorv1.AttendResponse_OperatorList:
			l.o.Host.List(ctx, item.OperatorList)
		}
	}
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		return worked, cause
	}
	if err := stream.Err(); err != nil {
		return worked, err
	}
	return worked, errEnded
}

var (
	errSilent = errors.New("the server went silent")
	errEnded  = errors.New("the server ended the stream")
)

func signed(c *sensorv1.Command) command.Signed {
	s := command.Signed{Canonical: c.GetCanonical(), Arguments: c.GetArguments()}
	for _, g := range c.GetSignatures() {
		s.Signatures = append(s.Signatures, command.Signature{KeyID: g.GetKeyId(), Algorithm: g.GetAlgorithm(), Signature: g.GetSignature()})
	}
	return s
}

// backoff waits with full jitter: the time before the next attempt is drawn between 0 and a bound that doubles.
type backoff struct {
	bound, most time.Duration
}

func (b *backoff) reset() { b.bound = 0 }

func (b *backoff) next(err error) time.Duration {
	if d := retryAfter(err); d > 0 {
		return d + rand.N(d/4+time.Millisecond) //nolint:gosec // it spreads attempts
	}
	b.bound = min(max(2*b.bound, 250*time.Millisecond), b.most)
	return 20*time.Millisecond + rand.N(b.bound) //nolint:gosec // it spreads attempts
}

// Addresses lists this host's addresses that others could use.
func Addresses() (out [][]byte) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLoopback() || n.IP.IsLinkLocalUnicast() || len(out) >= 32 {
			continue
		}
		if v4 := n.IP.To4(); v4 != nil {
			out = append(out, v4)
		} else {
			out = append(out, n.IP)
		}
	}
	return out
}
