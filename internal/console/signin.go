package console

import (
	"context"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/access"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/tenant"
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
	o, err := s.access.Finish(ctx, access.First{
		Link: q.Msg.GetLink(), Name: q.Msg.GetName(), Password: q.Msg.GetPassword(),
		Code: q.Msg.GetTotpCode(), Secret: q.Msg.GetTotpSecret(), Peer: peerOf(q.Peer().Addr),
	})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return s.opened(o), nil
}

// Open signs in.
func (s signIn) Open(ctx context.Context, q *connect.Request[consolev1.OpenRequest]) (*connect.Response[consolev1.SessionResponse], error) {
	o, err := s.access.Open(ctx, access.Credentials{
		Name: q.Msg.GetName(), Password: q.Msg.GetPassword(), Code: q.Msg.GetTotpCode(), NextCode: q.Msg.GetNextCode(),
		Device: q.Msg.GetDevice(), Link: q.Msg.GetLink(), Peer: peerOf(q.Peer().Addr),
		// Whoever fills the places of strangers does not push out a sign-in whose password is being compared.
		Proven: func() { admit(ctx, q.Msg.GetName()) },
	})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return s.opened(o), nil
}

// Close signs out.
func (s signIn) Close(ctx context.Context, q *connect.Request[consolev1.CloseRequest]) (*connect.Response[consolev1.CloseResponse], error) {
	if err := s.access.Close(ctx, bearer(q.Header()), peerOf(q.Peer().Addr)); err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(&consolev1.CloseResponse{}), nil
}

// Who tells whose session this is. It gives no secret: a caller that has none gets none.
func (s signIn) Who(ctx context.Context, q *connect.Request[consolev1.WhoRequest]) (*connect.Response[consolev1.SessionResponse], error) {
	if a, ok := actorOf(ctx); ok && a.local {
		return connect.NewResponse(s.describe(a.name, tenantOf(ctx))), nil
	}
	session, err := s.access.Session(bearer(q.Header()))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(s.describe(session.Name, session.Tenant)), nil
}

func (s signIn) describe(name string, t tenant.ID) *consolev1.SessionResponse {
	return &consolev1.SessionResponse{User: name, TenantId: t.String(), TenantName: s.tenant, Version: s.version}
}

func (s signIn) opened(o access.Opened) *connect.Response[consolev1.SessionResponse] {
	r := s.describe(o.Name, o.Tenant)
	r.Token, r.Device = o.Token, o.Device
	return connect.NewResponse(r)
}

// bearer gives the session's token of a call. There is no cookie: a browser sends cookies to every port of a host, and
// takes them from every port. The token lies in the storage of the console's origin, which the port is part of.
func bearer(h http.Header) string {
	scheme, token, ok := strings.Cut(h.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}
