package uplink

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/sensor/identity"
)

// ErrProxyAuth is a proxy that wants to know who asks.
var ErrProxyAuth = errors.New("the proxy asks for a user and password")

// ProxyError is a proxy that did not let us through.
type ProxyError struct {
	Proxy  string // host:port, never with its password
	Status string
	err    error
}

// Error gives one sentence that ends with what to do.
func (e *ProxyError) Error() string {
	if errors.Is(e.err, ErrProxyAuth) {
		return fmt.Sprintf("proxy %s answers %s: set proxy_user and proxy_password_file in the sensor's configuration", e.Proxy, e.Status)
	}
	return fmt.Sprintf("proxy %s answers %s to CONNECT: allow the server's address there, or set another proxy", e.Proxy, e.Status)
}

// Unwrap gives ErrProxyAuth for a 407.
func (e *ProxyError) Unwrap() error { return e.err }

// Explain gives one sentence for people: what failed and what to do.
func Explain(err error) string {
	var (
		proxy    *ProxyError
		unknown  x509.UnknownAuthorityError
		invalid  x509.CertificateInvalidError
		hostname x509.HostnameError
		dns      *net.DNSError
		call     *connect.Error
		op       *net.OpError
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &proxy):
		return proxy.Error()
	case errors.Is(err, identity.ErrForeignServer), errors.As(err, &unknown):
		return "the server's certificate is not signed by the CA of the enrolment token (another server, or a proxy that opens TLS): enrol again with a token of this server, or let the proxy pass TLS through"
	case errors.As(err, &hostname):
		return "the server's certificate is for another name: use the address that the token names, or start the server with --hostname"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the server's certificate is not valid at %s, which is what this host's clock says: compare the clocks", time.Now().UTC().Format(time.RFC3339))
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return fmt.Sprintf("the proxy%s cannot be reached: check that it runs, or correct proxy in the sensor's configuration", at(op.Unwrap()))
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s cannot be resolved: check DNS, or set a proxy", dns.Name)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "what answers there speaks plain HTTP: that is the console's port or another service; sensors need the address of sensor_listen, port 8444 unless set otherwise"
	case nobodyListens(err):
		return "nothing listens at the server's address: check that the server runs and that no firewall answers for it"
	case noRoute(err):
		return "there is no route to the server: check the network, or set a proxy"
	case errors.Is(err, errSilent), errors.Is(err, errEnded):
		return err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "the server does not answer in time: check the network between"
	case errors.As(err, &call) && call.Code() == connect.CodeUnauthenticated:
		return "the server does not accept this sensor's certificate (" + call.Message() + "): enrol the host again"
	case errors.As(err, &call) && call.Code() == connect.CodePermissionDenied && strings.Contains(call.Message(), "enrolment token"):
		return call.Message()
	case errors.As(err, &call) && call.Code() == connect.CodePermissionDenied:
		return "the server refuses this host (" + call.Message() + "): it was revoked, or enrol it again"
	case errors.As(err, &call):
		return "the server says: " + call.Message()
	}
	return err.Error()
}

// at gives the address that could not be dialled, with a space before it.
func at(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		return " " + op.Addr.String()
	}
	return ""
}

// sessionOver says that going on without another hello is of no use.
func sessionOver(err error) bool {
	switch connect.CodeOf(err) {
	case connect.CodeUnauthenticated, connect.CodePermissionDenied, connect.CodeFailedPrecondition:
		return true
	}
	return nobodyListens(err)
}

// refused says that the server will never take this batch.
func refused(err error) bool {
	return connect.CodeOf(err) == connect.CodeInvalidArgument
}

// retryAfter is what the server asked for, at most a minute; 0 when it did not. A host that it does not
// want is asked for patience of our own.
func retryAfter(err error) time.Duration {
	var call *connect.Error
	if !errors.As(err, &call) {
		return 0
	}
	if s := strings.TrimSpace(call.Meta().Get("Retry-After")); s != "" {
		if n, perr := strconv.Atoi(s); perr == nil && n > 0 {
			return min(time.Duration(n)*time.Second, time.Minute)
		}
	}
	if call.Code() == connect.CodeUnauthenticated || call.Code() == connect.CodePermissionDenied {
		return 30 * time.Second
	}
	return 0
}
