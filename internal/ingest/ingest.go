// Package ingest is the door through which everything from a host comes: it serves api/sensor/v1,
// checks who is calling and whether a batch is sane and new, stamps it with the server's time and
// tenant, and answers once it is fsynced in the log. It judges nothing (package detect does), keeps no
// position of the log (the manifest does) and believes no payload about who sent it. cmd/yagura runs it.
package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/zstd"

	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/door"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/gen/sensor/v1/sensorv1connect"
	"github.com/yagura-edr/yagura/internal/response"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Protocol is the version of api/sensor/v1 that this server speaks. A newer sensor speaks it too.
const Protocol = 1

// Log is where accepted batches go. *stream.Log is one.
type Log interface {
	Append(ctx context.Context, shard int, batches []stream.Batch) (seq uint64, err error)
	State(shard int) (first, last uint64, bytes int64)
	Reader(shard int, from uint64) *stream.Reader
}

// Manifest says what is safe in the store for good. The control database implements it.
type Manifest interface {
	// Cursors gives, for each shard, the last record of the log that was sealed.
	Cursors(ctx context.Context) ([stream.Shards]uint64, error)
	// Settled gives the sequence numbers of some lanes of a host that need no resending: sealed, or reported as
	// dropped. It costs what was asked for, however much else the host has.
	Settled(ctx context.Context, t tenant.ID, h event.HostID, of []Settled) ([]Settled, error)
}

// Settled is what of one stream and lane is done with; without ranges it names a lane.
type Settled struct {
	Stream uint64
	Lane   event.Lane
	Ranges seq.Set
}

// Quarantined is a batch that was taken and not believed.
type Quarantined struct {
	Tenant   tenant.ID
	Host     event.HostID
	ID       string // q-…
	Stream   uint64
	Lane     event.Lane
	First    uint64
	Events   uint64
	Lost     uint64 // events that exist nowhere else
	Received int64
	Reason   string
	File     string // below the quarantine folder, empty when it was not kept
}

// Cellar keeps the list of quarantined batches. The control database implements it.
type Cellar interface {
	SaveQuarantine(ctx context.Context, q Quarantined) error
}

// Options of New.
type Options struct {
	Fleet      *fleet.Fleet
	Coverage   *coverage.Coverage
	Relay      *response.Relay
	Log        Log
	Manifest   Manifest
	Cellar     Cellar
	Quarantine string        // folder
	Gather     time.Duration // longest wait for company in a log record; 0: 20 ms
	Version    string        // of the server
	Logger     *slog.Logger
	Faults     *fault.Board                   // told of crowds before the listener; may be nil
	OnChange   func(t tenant.ID, what string) // hosts; may be nil

	Japanese func(english string) string // what a sensor or this package says, in Japanese; nil: it stays English
}

// Service implements sensorv1connect.SensorsHandler. Serve runs it.
type Service struct {
	sensorv1connect.UnimplementedSensorsHandler
	o       Options
	log     *slog.Logger
	zstd    *zstd.Decoder
	decode  chan struct{} // one slot for each batch being expanded: bounds memory to slots × 16 MiB
	shards  [stream.Shards]chan submission
	stop    chan struct{} // closed when Serve ends: streams and waiting uploads go
	stopped sync.Once
	events  atomic.Uint64
	online  atomic.Int64
	wall    wall

	refusals refusals

	calling sync.Mutex // guards calls
	calls   map[event.HostID][]*call

	mu      sync.Mutex // guards sources and the rebuilt; never held across I/O
	sources map[event.HostID]*source
	rebuilt map[event.HostID]map[lane]seq.Set // read from the log at start, until its host is loaded
}

// New makes the service and reads from the log what was accepted beyond the manifest's cursors, so that
// a sensor which sends again what it never got an answer for makes no duplicate.
func New(ctx context.Context, o Options) (*Service, error) {
	if o.Gather == 0 {
		o.Gather = 20 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	slots := 2 * runtime.GOMAXPROCS(0)
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(slots), zstd.WithDecoderMaxMemory(event.MaxBatchExpanded), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("open the decompressor: %w", err)
	}
	s := &Service{o: o, log: o.Logger, zstd: d, decode: make(chan struct{}, slots), stop: make(chan struct{}), calls: map[event.HostID][]*call{}, sources: map[event.HostID]*source{}, rebuilt: map[event.HostID]map[lane]seq.Set{}}
	for i := range s.shards {
		s.shards[i] = make(chan submission, 64) // full: the upload waits, and its sensor keeps the batch
	}
	if err := s.rebuild(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Handler gives the calls behind the certificate check. The listener must use Fleet.TLS.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	path, h := sensorv1connect.NewSensorsHandler(s, connect.WithConditionalHandlerOptions(weigh), connect.WithCompressMinBytes(1<<20))
	mux.Handle(path, fleet.Peer(s.known(h)))
	return door.Timely(mux, func(r *http.Request) time.Duration {
		// A stranger is cut off soon, a host after what a batch takes on a line of 9,600 bit/s. Attend's request is empty.
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 && !strings.HasSuffix(r.URL.Path, "/Attend") {
			return 5 * time.Minute
		}
		return 30 * time.Second
	})
}

// Serve takes calls on l until ctx ends; then it ends streams, answers what is under way, and closes l.
func (s *Service) Serve(ctx context.Context, l net.Listener) error {
	if err := bound(l); err != nil {
		s.log.WarnContext(ctx, "connections that died stand for a while", slog.Any("err", err))
	}
	d := door.New(l, door.Limits{
		Guests: maxGuests, PerAddress: maxGuestsOfOne, Life: guestLife, Bytes: guestBytes, All: door.Room(maxConnections), PerName: maxConnectionsOfHost,
	}, s.o.Faults, fault.SensorDoor)
	conf := s.o.Fleet.TLS()
	conf.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		d.Heard(hello.Conn)
		mine := conf.Clone()
		mine.VerifyConnection = func(state tls.ConnectionState) error {
			known := false
			if len(state.PeerCertificates) > 0 {
				_, err := s.o.Fleet.Prove(state.PeerCertificates[0])
				known = err == nil
			}
			d.Shown(hello.Conn, known)
			return nil
		}
		return mine, nil
	}
	server := &http.Server{
		ConnState: func(c net.Conn, state http.ConnState) {
			if t, ok := c.(*tls.Conn); ok && (state == http.StateActive || state == http.StateIdle) && !d.Admitted(c) {
				if chain := t.ConnectionState().PeerCertificates; len(chain) > 0 { // its key is proven: the handshake is over
					if id, err := s.o.Fleet.Prove(chain[0]); err == nil {
						d.Admit(c, id.Host.String())
					}
				}
			}
		},
		HTTP2:   &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second, WriteByteTimeout: 30 * time.Second},
		Handler: s.Handler(), TLSConfig: conf, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	var wg sync.WaitGroup
	gather, end := context.WithCancel(context.WithoutCancel(ctx))
	defer wg.Wait()
	defer end()
	for shard := range s.shards {
		wg.Go(func() { s.gather(gather, shard) })
	}
	failed := make(chan error, 1)
	wg.Go(func() { failed <- server.ServeTLS(d, "", "") })
	select {
	case err := <-failed:
		s.stopped.Do(func() { close(s.stop) })
		return fmt.Errorf("serve sensors on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	s.stopped.Do(func() { close(s.stop) })
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		_ = server.Close()
	}
	return nil
}

// Bounds of the listener (docs/limits.md). Who has shown no certificate of ours can only enrol or renew: a guest.
const (
	maxConnections       = 20000            // 10,000 sensors with some to spare
	maxConnectionsOfHost = 32               // a sensor behind a proxy without HTTP/2 has one for each call under way: 14
	maxStreams           = 64               // HTTP/2 streams of one connection
	maxGuests            = 512              // connections without a valid certificate
	maxGuestsOfOne       = 256              // of them from one address; more handshakes at once only make each of them slower
	guestLife            = 30 * time.Second // from the connection to the answer of Enroll
	guestBytes           = 64 << 10         // handshake, headers and the request of Enroll are below 16 KiB
)

// Connected gives how many sensors hold an Attend stream now.
func (s *Service) Connected() int { return int(s.online.Load()) }

// Accepted gives how many events were accepted since the start.
func (s *Service) Accepted() uint64 { return s.events.Load() }

// identify says who is calling, as an error of the protocol.
func (s *Service) identify(ctx context.Context) (fleet.Identity, error) {
	id, err := s.o.Fleet.Identify(ctx)
	return id, refused(err)
}

// refused turns an error of the fleet into one of the protocol. Its text is the one clear sentence.
func refused(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fleet.ErrRevoked), errors.Is(err, fleet.ErrToken), errors.Is(err, fleet.ErrTokenExpired), errors.Is(err, fleet.ErrTokenUsed):
		return connect.NewError(connect.CodePermissionDenied, err)
	case errors.Is(err, fleet.ErrNoCertificate), errors.Is(err, fleet.ErrForeign), errors.Is(err, fleet.ErrExpired), errors.Is(err, fleet.ErrUnknownHost):
		return connect.NewError(connect.CodeUnauthenticated, err)
	case errors.Is(err, fleet.ErrEarly):
		return connect.NewError(connect.CodeUnavailable, err) // the sensor is in order and comes again
	case errors.Is(err, fleet.ErrRequest):
		return connect.NewError(connect.CodeInvalidArgument, err)
	case errors.Is(err, syscall.ENOSPC):
		return connect.NewError(connect.CodeUnavailable, errFull)
	default:
		return connect.NewError(connect.CodeInternal, errInternal)
	}
}

var (
	errInternal = errors.New("the server could not do this: `yagura doctor` at the server says what of it does not work, and its log names the error")
	errFull     = errors.New("the disk of the server's data folder is full: free space there or make it larger; `yagura doctor` shows it")
	errAttended = errors.New("newer streams of this host took the place of this one")
	errStopping = errors.New("the server is stopping: try again")
)

// retry is an error that asks to come again; sensors read the header.
func retry(after time.Duration, err error) error {
	e := connect.NewError(connect.CodeResourceExhausted, err)
	e.Meta().Set("Retry-After", fmt.Sprintf("%d", max(1, int(after.Seconds()))))
	return e
}

func now() int64 { return time.Now().UnixMicro() }
