package console

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/access"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
)

// signIn implements consolev1connect.SignInHandler.
type signIn struct{ *Server }

// Begin redeems the one-time link.
func (s signIn) Begin(ctx context.Context, q *connect.Request[consolev1.BeginRequest]) (*connect.Response[consolev1.BeginResponse], error) {
	e, err := s.access.Begin(ctx, q.Msg.GetLink())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(&consolev1.BeginResponse{Replaces: e.Replaces, TotpSecret: e.Secret, TotpUrl: e.URL, TotpQrPng: e.QR}), nil
}

// Finish makes the first user.
func (s signIn) Finish(ctx context.Context, q *connect.Request[consolev1.FinishRequest]) (*connect.Response[consolev1.SessionResponse], error) {
	session, token, err := s.access.Finish(ctx, access.First{
		Link: q.Msg.GetLink(), Name: q.Msg.GetName(), Password: q.Msg.GetPassword(),
		Code: q.Msg.GetTotpCode(), Secret: q.Msg.GetTotpSecret(), Peer: peerOf(q.Peer().Addr),
	})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return s.opened(q.Header(), session, token), nil
}

// Open signs in.
func (s signIn) Open(ctx context.Context, q *connect.Request[consolev1.OpenRequest]) (*connect.Response[consolev1.SessionResponse], error) {
	session, token, err := s.access.Open(ctx, q.Msg.GetName(), q.Msg.GetPassword(), q.Msg.GetTotpCode(), peerOf(q.Peer().Addr))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return s.opened(q.Header(), session, token), nil
}

// Close signs out.
func (s signIn) Close(ctx context.Context, q *connect.Request[consolev1.CloseRequest]) (*connect.Response[consolev1.CloseResponse], error) {
	session, err := s.access.Session(ctx, cookieOf(q.Header()))
	if err == nil && !session.SameCSRF(q.Header().Get(csrfHeader)) {
		return nil, connect.NewError(connect.CodePermissionDenied, ErrRefused)
	}
	if err := s.access.Close(ctx, cookieOf(q.Header()), peerOf(q.Peer().Addr)); err != nil {
		return nil, s.fail(ctx, err)
	}
	r := connect.NewResponse(&consolev1.CloseResponse{})
	r.Header().Set("Set-Cookie", cookie(q.Header(), "", -1))
	return r, nil
}

// Who tells whose session this is.
func (s signIn) Who(ctx context.Context, q *connect.Request[consolev1.WhoRequest]) (*connect.Response[consolev1.SessionResponse], error) {
	if a, ok := actorOf(ctx); ok && a.local {
		return connect.NewResponse(s.describe(access.Session{Name: a.name})), nil
	}
	session, err := s.access.Session(ctx, cookieOf(q.Header()))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(s.describe(session)), nil
}

func (s signIn) describe(session access.Session) *consolev1.SessionResponse {
	return &consolev1.SessionResponse{User: session.Name, TenantId: s.access.Tenant().String(), TenantName: s.tenant, Csrf: session.CSRF, Version: s.version}
}

func (s signIn) opened(h http.Header, session access.Session, token string) *connect.Response[consolev1.SessionResponse] {
	r := connect.NewResponse(s.describe(session))
	r.Header().Set("Set-Cookie", cookie(h, token, int(access.SessionLife.Seconds())))
	return r
}

// nameHeader tells the handlers the cookie's name; the guard sets it, so a caller's own value is lost.
const nameHeader = "Yagura-Cookie-Name"

func named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set(nameHeader, cookieName(r))
		next.ServeHTTP(w, r)
	})
}

func cookieOf(h http.Header) string {
	r := http.Request{Header: h}
	c, err := r.Cookie(h.Get(nameHeader))
	if err != nil {
		return ""
	}
	return c.Value
}

// cookie is Secure on http://localhost too: browsers treat that origin as trustworthy.
func cookie(h http.Header, value string, age int) string {
	c := http.Cookie{Name: h.Get(nameHeader), Value: value, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	return c.String()
}
