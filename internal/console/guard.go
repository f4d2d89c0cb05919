package console

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/access"
	"github.com/yagura-edr/yagura/internal/door"
	"github.com/yagura-edr/yagura/internal/tenant"
)

const (
	maxBody  = 1 << 20
	bodyTime = 30 * time.Second
)

// contentPolicy allows nothing but our own files. Pictures may be data: for the QR code of the sign-in.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; worker-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"

// actor is who makes a call.
type actor struct {
	name    string
	session access.Session
	local   bool // came through the admin socket
}

type actorKey struct{}

func actorOf(ctx context.Context) (actor, bool) {
	a, ok := ctx.Value(actorKey{}).(actor)
	return a, ok
}

func (s *Server) with(r *http.Request, a actor) *http.Request {
	id := a.session.Tenant
	if a.local { // who may open the data folder is of the tenant that it was made for
		id = s.access.Tenant()
	}
	return r.WithContext(tenant.With(context.WithValue(r.Context(), actorKey{}, a), id))
}

// tenantOf gives the tenant of a call: the session's, or that of the admin socket. A call without one reads nothing: the
// zero tenant has nothing.
func tenantOf(ctx context.Context) tenant.ID {
	id, _ := tenant.From(ctx)
	return id
}

// guard refuses calls that did not come to this address or came from another page, and bounds what a
// request may cost before anything looks at it.
func guard(port int, next http.Handler) http.Handler {
	hosts := map[string]bool{}
	for _, h := range []string{"localhost", "127.0.0.1", "[::1]"} {
		hosts[h+":"+strconv.Itoa(port)] = true
		if port == 80 {
			hosts[h] = true
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Embedder-Policy", "require-corp")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), usb=()")
		// A name that resolves to 127.0.0.1 by somebody else's DNS is not us.
		if !hosts[strings.ToLower(r.Host)] {
			http.Error(w, "this console answers only to http://localhost:"+strconv.Itoa(port), http.StatusMisdirectedRequest)
			return
		}
		if r.Header.Get("Service-Worker") == "script" {
			serveNoWorker(w)
			return
		}
		if !sameOrigin(r, hosts) {
			http.Error(w, "calls from other pages are refused", http.StatusForbidden)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// noWorker takes a service worker out of the browser. The console has none, but another program may have had the port
// and left one, which would stand between the console and its reader for good; browsers ask here for its script again
// at each visit.
const noWorker = `self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (e) => e.waitUntil((async () => {
  await self.registration.unregister();
  for (const c of await self.clients.matchAll({ type: 'window', includeUncontrolled: true })) await c.navigate(c.url);
})()));
`

func serveNoWorker(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, noWorker) // a browser that went away is no fault of ours
}

func sameOrigin(r *http.Request, hosts map[string]bool) bool {
	if o := r.Header.Get("Origin"); o != "" {
		host, ok := strings.CutPrefix(o, "http://")
		if !ok || !hosts[host] || host != strings.ToLower(r.Host) {
			return false
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return true
	}
	// Following a link from elsewhere to a page is fine: the page itself shows nothing without a session.
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate"
}

// bounded gives a request's body thirty seconds to arrive; the answer may take longer, for streams.
func bounded(next http.Handler) http.Handler {
	return door.Timely(next, func(*http.Request) time.Duration { return bodyTime })
}

// Bounds of the console's listeners (docs/limits.md): a browser has six connections, and a program beside it must not
// take the places of those who are signed in.
const (
	maxGuests             = 256  // connections that have brought no session
	maxConnections        = 1024 // of one listener
	maxConnectionsOfOwner = 128  // of one user
)

type connKey struct{}

// came is a connection of a listener, kept for when it brings a session.
type came struct {
	door *door.Door
	conn net.Conn
}

// admit says that the connection of a call belongs to somebody who is signed in.
func admit(ctx context.Context, name string) {
	if c, ok := ctx.Value(connKey{}).(came); ok {
		c.door.Admit(c.conn, name)
	}
}

// signedIn lets calls through that carry a session's token.
func (s *Server) signedIn(next http.Handler) http.Handler {
	writer := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := s.access.Session(bearer(r.Header))
		if err != nil {
			err = connect.NewError(connect.CodeUnauthenticated, err)
			if s.say != nil { // no interceptor runs before the session is known
				err = bilingual{s.say}.with(err)
			}
			_ = writer.Write(w, r, err)
			return
		}
		admit(r.Context(), session.Name)
		next.ServeHTTP(w, s.with(r, actor{name: session.Name, session: session}))
	})
}

func peerOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}
