package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/user"
	"strconv"
	"sync"
	"syscall"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/door"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/gen/console/v1/consolev1connect"
)

// Listen binds the console to addr, which must be on the loopback, and to the other loopback address with
// the same port: a browser that is told "localhost" may try either, and nobody else may sit there.
func Listen(ctx context.Context, addr string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("console address %s: %w: give ADDRESS:PORT, such as 127.0.0.1:8443", addr, err)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip := net.ParseIP(host)
	if ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("console address %s is not on the loopback: without a certificate the console answers on 127.0.0.1 only; reach it through ssh -L", addr)
	}
	var lc net.ListenConfig
	first, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w: another program has the port, choose one with --listen", addr, err)
	}
	all := []net.Listener{first}
	other := "::1"
	if ip.To4() == nil {
		other = "127.0.0.1"
	}
	second, err := lc.Listen(ctx, "tcp", net.JoinHostPort(other, strconv.Itoa(portOf(first))))
	switch {
	case err == nil:
		all = append(all, second)
	case errors.Is(err, syscall.EADDRINUSE):
		_ = first.Close()
		return nil, fmt.Errorf("listen on [%s]:%d: %w: another program has the port, choose one with --listen", other, portOf(first), err)
	default: // this machine has only one of the two
	}
	return all, nil
}

// maxHead has room for every cookie that pages of other ports may have set for this host, 180 of 4 KiB in Chromium: we
// read none, and the browser sends them all with a page.
const maxHead = 1 << 20

func portOf(l net.Listener) int {
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// URL is where a browser finds the console that listens on l.
func URL(l net.Listener) string { return "http://localhost:" + strconv.Itoa(portOf(l)) }

// SignInURL is the page for a person's first or next visit; link is "" when a user exists.
func SignInURL(l net.Listener, link string) string {
	// The link stands behind #: browsers send that part to nobody.
	if link != "" {
		return URL(l) + "/sign-in#" + link
	}
	return URL(l) + "/sign-in"
}

// Run serves browsers on listeners and, when admin is not nil, the CLI on it, until ctx ends; then it lets
// unary calls finish for five seconds.
func (s *Server) Run(ctx context.Context, listeners []net.Listener, admin *AdminSocket) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var servers []*http.Server
	var wg sync.WaitGroup
	defer wg.Wait()
	failed := make(chan error, len(listeners)+1) // one place each: nobody waits
	start := func(l net.Listener, h http.Handler, with func(context.Context, net.Conn) context.Context) {
		srv := &http.Server{
			Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHead,
			BaseContext: func(net.Listener) context.Context { return base }, ConnContext: with,
			ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		}
		servers = append(servers, srv)
		wg.Go(func() {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve the console: %w", err)
			}
		})
	}
	for _, l := range listeners {
		d := door.New(l, door.Limits{Guests: maxGuests, PerAddress: maxGuests, All: door.Room(maxConnections), PerName: maxConnectionsOfOwner}, s.faults, fault.ConsoleDoor)
		start(d, s.browser(portOf(l)), func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, came{d, c})
		})
	}
	if admin != nil {
		start(admin, s.admin(), admin.connContext)
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	cancel() // open streams end now
	wait, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	for _, srv := range servers {
		if srv.Shutdown(wait) != nil {
			_ = srv.Close()
		}
	}
	return err
}

func (s *Server) handlers() (signPath string, sign http.Handler, apiPath string, calls http.Handler) {
	opts := []connect.HandlerOption{
		connect.WithReadMaxBytes(maxBody),
		connect.WithCompressMinBytes(1 << 10),
		connect.WithRecover(func(ctx context.Context, sp connect.Spec, _ http.Header, p any) error {
			return s.fail(ctx, fmt.Errorf("call %s panicked: %v", sp.Procedure, p))
		}),
	}
	if s.say != nil {
		opts = append(opts, connect.WithInterceptors(bilingual{s.say}))
	}
	signPath, sign = consolev1connect.NewSignInHandler(signIn{s}, opts...)
	apiPath, calls = consolev1connect.NewConsoleHandler(api{s}, opts...)
	return signPath, sign, apiPath, calls
}

func (s *Server) browser(port int) http.Handler {
	signPath, sign, apiPath, calls := s.handlers()
	mux := http.NewServeMux()
	mux.Handle(signPath, bounded(sign))
	mux.Handle(apiPath, bounded(s.signedIn(calls)))
	mux.Handle("/", s.pages)
	return guard(port, mux)
}

// admin serves the same calls to whoever the kernel says is the owner of the data or root.
func (s *Server) admin() http.Handler {
	_, sign, apiPath, calls := s.handlers()
	mux := http.NewServeMux()
	mux.Handle(apiPath, calls)
	mux.Handle(consolev1connect.SignInWhoProcedure, sign)
	return bounded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, ok := r.Context().Value(uidKey{}).(caller)
		if !ok {
			http.Error(w, "the caller is not known", http.StatusForbidden)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		mux.ServeHTTP(w, s.with(r, actor{name: personOf(who), local: true}))
	}))
}

// personOf names who stands behind the admin socket: local: and the account, as `id -un` gives it; behind it the
// account that logged in, where the kernel knows that it is another one (sudo). No name of the console may begin like this.
func personOf(c caller) string {
	name := "local:" + accountOf(c.uid)
	if c.login != noLogin && c.login != c.uid {
		name += " (" + accountOf(c.login) + ")"
	}
	return name
}

func accountOf(uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(number); err == nil && u.Username != "" {
		return u.Username
	}
	return number
}

// caller is the other end of a connection of the admin socket, as the kernel tells it.
type caller struct {
	uid   uint32
	login uint32 // who logged in, through sudo and su; noLogin: nobody did, or it is not known
}

const noLogin = ^uint32(0)

type uidKey struct{}
