package console

import (
	"context"

	"connectrpc.com/connect"

	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
)

// GetQuarantine lists accepted events that the store could not write.
func (s api) GetQuarantine(ctx context.Context, _ *connect.Request[consolev1.GetQuarantineRequest]) (*connect.Response[consolev1.Quarantine], error) {
	if s.back.Overview == nil {
		return nil, errNoPart
	}
	m, err := s.back.Overview.Quarantine(ctx, tenantOf(ctx))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return connect.NewResponse(m), nil
}

// RetryQuarantine tries to store them now.
func (s api) RetryQuarantine(ctx context.Context, q *connect.Request[consolev1.RetryQuarantineRequest]) (*connect.Response[consolev1.Quarantine], error) {
	if s.back.Overview == nil {
		return nil, errNoPart
	}
	var m *consolev1.Quarantine
	err := s.noted(ctx, "quarantine.retry", q.Msg.GetId(), func(string) (err error) {
		m, err = s.back.Overview.Retry(ctx, tenantOf(ctx), q.Msg.GetId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(m), nil
}
