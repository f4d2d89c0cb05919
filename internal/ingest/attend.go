package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/response"
	"github.com/yagura-edr/yagura/internal/tenant"
)

const (
	maxSkew     = 5 * time.Second
	alivePeriod = 15 * time.Second
	maxListed   = 256 // addresses, counters or outcomes that one call may carry
	maxInFlight = 4

	maxCapabilities = 16 // that one call may declare: there are five classes
	reportedAge     = 2 * time.Second
)

// Enroll turns a token into a certificate.
func (s *Service) Enroll(ctx context.Context, req *connect.Request[sensorv1.EnrollRequest]) (*connect.Response[sensorv1.EnrollResponse], error) {
	m := req.Msg
	e, err := s.o.Fleet.Enroll(ctx, fleet.Enrolment{Secret: m.Secret, Request: m.Csr, Hostname: m.Hostname, OS: m.Os, Version: m.Version, Machine: m.MachineId})
	if err != nil {
		s.enrolmentRefused(ctx, req.Peer().Addr, err)
		return nil, refused(err)
	}
	if e.Twin != nil {
		s.o.Coverage.Report(ctx, faultTwin(fleet.Identity{Tenant: e.Twin.Tenant, Host: e.Twin.ID}, e.Host.ID))
	}
	s.changed(e.Host.Tenant)
	return connect.NewResponse(&sensorv1.EnrollResponse{
		HostId: e.Host.ID.String(), TenantId: e.Host.Tenant.String(), Certificate: e.Certificate, Ca: s.o.Fleet.CA(),
		AuthorityKey: s.o.Relay.Authority(e.Host.Tenant), OperatorList: s.o.Relay.OperatorList(e.Host.Tenant),
	}), nil
}

// Renew gives a new certificate.
func (s *Service) Renew(ctx context.Context, req *connect.Request[sensorv1.RenewRequest]) (*connect.Response[sensorv1.RenewResponse], error) {
	_, der, err := s.o.Fleet.Renew(ctx, req.Msg.Csr)
	if err != nil {
		return nil, refused(err)
	}
	return connect.NewResponse(&sensorv1.RenewResponse{Certificate: der}), nil
}

// Hello opens a connection.
func (s *Service) Hello(ctx context.Context, req *connect.Request[sensorv1.HelloRequest]) (*connect.Response[sensorv1.HelloResponse], error) {
	at, back := s.wall.now() // first: what follows would count as the way's delay
	id, err := s.identify(ctx)
	if err != nil {
		return nil, err
	}
	m := req.Msg
	if len(m.BootId) > 64 || len(m.Addresses) > maxListed || m.Stream == 0 {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("the greeting is out of bounds: boot id up to 64 bytes, lists up to 256 entries, a stream that is not 0"))
	}
	sight, err := capabilities(m.Capabilities)
	if err != nil {
		return nil, err
	}
	src, err := s.source(ctx, id)
	if err != nil {
		return nil, s.internal(ctx, id, err)
	}
	if err := s.learn(ctx, id, src, append(asked(m.Streams), lanesOf(m.Stream)...), 0); err != nil {
		return nil, s.internal(ctx, id, err)
	}
	if !src.begin(m.Stream, at) {
		s.tell(ctx, id, src, claimStream, 1)
		return nil, retry(time.Minute, errStarts)
	}
	returned := src.booted(m.BootId)
	s.moved(ctx, id, src, src.greet(m.BootId, m.Stream, int64(m.BootNs/1000), at, back))
	if err := s.keepClock(ctx, id, src, m.BootId, at); err != nil {
		return nil, s.internal(ctx, id, err)
	}
	skew := m.WallTime - at
	was := s.o.Fleet.Arrive(id, fleet.Greeting{Hostname: m.Hostname, OS: m.Os, Kernel: m.Kernel, Version: m.Version, BootID: m.BootId, Addresses: m.Addresses, ClockSkew: skew})
	s.skew(ctx, id, m.WallTime, at)
	host, _ := s.o.Fleet.Host(id.Tenant, id.Host)
	s.meet(ctx, id, src, m.Stream, m.BootId, m.BootNs, m.WallTime, at)
	s.introduce(ctx, id, src, was, host, returned)
	src.holds(m.Stream, m.Streams)
	s.o.Coverage.Connected(ctx, id.Tenant, id.Host, event.Text(string(m.Hostname)), host.Recording, sight)
	nonce, _ := s.o.Coverage.NextNonce(id.Host)
	answer := &sensorv1.HelloResponse{
		Protocol: Protocol, Version: s.o.Version, ServerTime: now(), Nonce: nonce, OperatorList: s.o.Relay.OperatorList(id.Tenant),
		Limits: &sensorv1.Limits{MaxBatchBytes: event.MaxBatchBytes, MaxBatchEvents: event.MaxBatchEvents, MaxInFlight: maxInFlight},
	}
	for _, l := range event.Lanes {
		answer.Watermarks = append(answer.Watermarks, src.watermark(lane{m.Stream, l}))
	}
	answer.Watermarks = append(answer.Watermarks, src.watermarks(m.Streams, m.Stream)...)
	s.changed(id.Tenant)
	return connect.NewResponse(answer), nil
}

// asked gives the lanes a sensor names, at most as many as are remembered.
func asked(states []*sensorv1.StreamState) (out []lane) {
	for _, x := range states[:min(len(states), maxLanes)] {
		if x.Lane <= uint32(event.Bulk) {
			out = append(out, lane{x.Stream, event.Lane(x.Lane)})
		}
	}
	return out
}

func lanesOf(stream uint64) (out []lane) {
	for _, l := range event.Lanes {
		out = append(out, lane{stream, l})
	}
	return out
}

// watermarks gives the marks of the lanes a sensor names, but for those of one stream.
func (src *source) watermarks(states []*sensorv1.StreamState, but uint64) []*sensorv1.Watermark {
	var out []*sensorv1.Watermark
	for _, x := range states[:min(len(states), maxLanes)] {
		if x.Stream != but && x.Lane <= uint32(event.Bulk) {
			out = append(out, src.watermark(lane{x.Stream, event.Lane(x.Lane)}))
		}
	}
	return out
}

// Report is the heartbeat.
func (s *Service) Report(ctx context.Context, req *connect.Request[sensorv1.ReportRequest]) (*connect.Response[sensorv1.ReportResponse], error) {
	at, back := s.wall.now()
	id, err := s.identify(ctx)
	if err != nil {
		return nil, err
	}
	m := req.Msg
	if len(m.Outcomes) > maxListed || len(m.Counters) > maxListed || len(m.Produced) > maxLanes {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("the heartbeat is out of bounds: lists up to 256 entries"))
	}
	sight, err := capabilities(m.Capabilities)
	if err != nil {
		return nil, err
	}
	src, err := s.source(ctx, id)
	if err != nil {
		return nil, s.internal(ctx, id, err)
	}
	moved, steady := src.hear(m.Stream, int64(m.BootNs/1000), at, back)
	s.moved(ctx, id, src, moved)
	if steady {
		s.o.Coverage.Clear(ctx, id.Tenant, id.Host, "boot-clock")
	}
	if !m.GoingDown {
		s.contact(ctx, id, at, false)
	}
	s.meet(ctx, id, src, m.Stream, nil, m.BootNs, m.WallTime, at)
	s.settled(ctx, id)
	skew := m.WallTime - at
	if m.WallTime == 0 {
		skew = 0
	}
	s.o.Fleet.Reported(id.Host, skew, m.SpoolEvents, m.SpoolBytes)
	s.o.Coverage.Reported(ctx, id.Tenant, id.Host, sight, m.GoingDown)
	s.skew(ctx, id, m.WallTime, at)
	s.disk(ctx, id, m)
	for _, x := range m.Outcomes {
		s.outcome(ctx, id, src, x)
	}
	if !m.GoingDown {
		s.contained(ctx, id, m.Counters)
	}
	if err := s.learn(ctx, id, src, append(asked(m.Produced), lanesOf(m.Stream)...), reportedAge); err != nil {
		return nil, s.internal(ctx, id, err)
	}
	s.numbers(ctx, id, src, m, at)
	answer := &sensorv1.ReportResponse{ServerTime: now(), Watermarks: src.watermarks(m.Produced, 0)}
	if !m.GoingDown {
		answer.Nonce, _ = s.o.Coverage.NextNonce(id.Host)
	}
	return connect.NewResponse(answer), nil
}

func (s *Service) outcome(ctx context.Context, id fleet.Identity, src *source, x *sensorv1.Outcome) {
	o := command.Outcome{Nonce: x.Nonce, State: command.State(x.State), Detail: string(x.Detail), Proof: x.Proof, Time: time.UnixMicro(x.Time)}
	err := s.o.Relay.Outcome(ctx, id.Host, id.Certificate.PublicKey, o, x.Signature)
	var foreign *response.Foreign
	switch {
	case errors.As(err, &foreign):
		s.o.Coverage.Report(ctx, faultForeign(id, s.said(foreign.Error())))
	case err != nil && s.mayLog(ctx, id, src):
		s.log.WarnContext(ctx, "outcome refused", slog.Any("tenant", id.Tenant), slog.Any("host", id.Host), slog.Any("err", err))
	case err != nil:
	case o.State == command.Refused && refusedForTime(o.Proof):
		s.o.Coverage.Report(ctx, faultOrderClock(id, s.said(event.Text(o.Detail))))
	case o.State == command.Done:
		s.o.Coverage.Clear(ctx, id.Tenant, id.Host, "order-clock")
	}
}

// refusedForTime says whether a host refused an order for its time. No order that has ended leaves here, so the clocks
// are far apart.
func refusedForTime(proof []byte) bool {
	var p struct {
		Reason command.Reason `json:"reason"`
	}
	return json.Unmarshal(proof, &p) == nil && (p.Reason == command.Expired || p.Reason == command.NotYetValid)
}

// moved tells of a clock that was set: of a boot's clock forward against ours, which by itself runs
// forward with it. A machine that was paused only falls behind.
func (s *Service) moved(ctx context.Context, id fleet.Identity, src *source, by int64) {
	if by == 0 {
		return
	}
	may := s.mayLog(ctx, id, src)
	switch {
	case by < 0:
		if may {
			s.log.WarnContext(ctx, "the boot clock of a host moved against the server's", slog.Any("tenant", id.Tenant), slog.Any("host", id.Host), slog.Duration("duration", time.Duration(by)*time.Microsecond))
		}
		s.o.Coverage.Report(ctx, faultBootClock(id, -by))
	case may:
		s.log.InfoContext(ctx, "the boot clock of a host stood still", slog.Any("tenant", id.Tenant), slog.Any("host", id.Host), slog.Duration("duration", time.Duration(by)*time.Microsecond))
	}
}

// skew reports a host clock that is off by more than five seconds, and the end of that.
func (s *Service) skew(ctx context.Context, id fleet.Identity, host, server int64) {
	if host == 0 {
		return // the sensor did not say; 1970 is no clock that runs
	}
	if d := host - server; d > maxSkew.Microseconds() || d < -maxSkew.Microseconds() {
		s.o.Coverage.Report(ctx, faultClock(id, host, server))
	} else {
		s.o.Coverage.Clear(ctx, id.Tenant, id.Host, "clock-skew")
	}
}

// maxProblem bounds what a sensor says of its disk, in bytes.
const maxProblem = 512

// disk notes whether the sensor can keep events while it cannot send them.
func (s *Service) disk(ctx context.Context, id fleet.Identity, m *sensorv1.ReportRequest) {
	if len(m.SpoolProblem) > 0 && !m.GoingDown {
		s.o.Coverage.Report(ctx, faultDisk(id, s.said(event.Text(string(m.SpoolProblem)))))
	} else {
		s.o.Coverage.Clear(ctx, id.Tenant, id.Host, "spool")
	}
}

// Attend streams what the server has for one sensor until either side ends it.
func (s *Service) Attend(ctx context.Context, req *connect.Request[sensorv1.AttendRequest], out *connect.ServerStream[sensorv1.AttendResponse]) error {
	id, err := s.identify(ctx)
	if err != nil {
		return err
	}
	src, err := s.source(ctx, id)
	if err != nil {
		return s.internal(ctx, id, err)
	}
	cut, leave := src.attend()
	defer leave()
	s.online.Add(1)
	defer s.online.Add(-1)
	s.attending(ctx, id, req.Msg.Stream, now())
	news, stop := s.o.Relay.Listen(id.Host)
	defer stop()
	alive := time.NewTicker(alivePeriod)
	defer alive.Stop()
	next := time.NewTimer(0)
	defer next.Stop()
	sent := map[string]bool{}
	list := ""
	// The first word tells both sides that the stream stands.
	if err := out.Send(&sensorv1.AttendResponse{Item: &sensorv1.AttendResponse_Alive{Alive: true}}); err != nil {
		return err
	}
	for {
		if l := string(s.o.Relay.OperatorList(id.Tenant)); l != list {
			list = l
			if err := out.Send(&sensorv1.AttendResponse{Item: &sensorv1.AttendResponse_OperatorList{OperatorList: []byte(l)}}); err != nil {
				return err
			}
		}
		for _, d := range s.o.Relay.Pending(id.Host) {
			if sent[d.Nonce] {
				continue
			}
			if err := out.Send(&sensorv1.AttendResponse{Item: &sensorv1.AttendResponse_Command{Command: wire(d.Signed)}}); err != nil {
				return err
			}
			sent[d.Nonce] = true
			s.o.Relay.Sent(ctx, id.Host, d.Nonce)
		}
		select {
		case <-ctx.Done():
			return connect.NewError(connect.CodeCanceled, context.Cause(ctx))
		case <-s.stop:
			return connect.NewError(connect.CodeUnavailable, errStopping)
		case <-cut:
			return connect.NewError(connect.CodeUnavailable, errAttended)
		case <-id.Revoked():
			return refused(fleet.ErrRevoked)
		case <-news:
		case <-next.C:
			nonce, wait := s.o.Coverage.NextNonce(id.Host)
			if nonce != "" {
				if err := out.Send(&sensorv1.AttendResponse{Item: &sensorv1.AttendResponse_Nonce{Nonce: nonce}}); err != nil {
					return err
				}
				_, wait = s.o.Coverage.NextNonce(id.Host)
			}
			next.Reset(max(wait, 10*time.Millisecond))
		case <-alive.C:
			if s.o.Fleet.Over(id.Certificate) {
				return refused(fleet.ErrExpired)
			}
			s.attending(ctx, id, req.Msg.Stream, now()-lingers)
			if err := out.Send(&sensorv1.AttendResponse{Item: &sensorv1.AttendResponse_Alive{Alive: true}}); err != nil {
				return err
			}
		}
	}
}

func wire(c command.Signed) *sensorv1.Command {
	out := &sensorv1.Command{Canonical: c.Canonical, Arguments: c.Arguments}
	for _, x := range c.Signatures {
		out.Signatures = append(out.Signatures, &sensorv1.Signature{KeyId: x.KeyID, Algorithm: x.Algorithm, Signature: x.Signature})
	}
	return out
}

// capabilities reads what a sensor says of its sight. A class that does not exist refuses the call: its name would
// become a column of everybody's Home.
func capabilities(in []*sensorv1.Capability) ([]coverage.Capability, error) {
	if len(in) > maxCapabilities {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("%d capabilities are declared, at most %d are taken: one for each class, and one for each change of it", len(in), maxCapabilities))
	}
	out := make([]coverage.Capability, len(in))
	for i, c := range in {
		state := coverage.State(c.State)
		if !coverage.IsClass(c.Class) || !coverage.Declarable(state) {
			return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("capability %.40q in state %.40q does not exist: classes are %s; if the sensor is newer than this server, update the server first", c.Class, c.State, strings.Join(coverage.Classes(), ", ")))
		}
		out[i] = coverage.Capability{Class: c.Class, State: state, Reason: event.Text(string(c.Reason[:min(len(c.Reason), maxProblem)]))}
	}
	return out, nil
}

func (s *Service) changed(t tenant.ID) {
	if s.o.OnChange != nil {
		s.o.OnChange(t, "hosts")
	}
}
