package uplink

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"connectrpc.com/connect"

	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
)

// renewWhenDue asks for a new certificate. While the old one holds, a failure is no reason to stop.
func (l *Link) renewWhenDue(ctx context.Context) error {
	if !l.o.Identity.RenewalDue() {
		return nil
	}
	id := l.o.Identity
	err := l.renew(ctx)
	if err != nil && id.Now().Before(id.Expiry()) {
		l.log.WarnContext(ctx, "certificate not renewed, the old one still holds", slog.String("err", Explain(err)))
		return nil
	}
	return err
}

func (l *Link) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	id := l.o.Identity
	csr, err := id.Request()
	if err != nil {
		return err
	}
	res, err := l.client.Renew(ctx, connect.NewRequest(&sensorv1.RenewRequest{Csr: csr}))
	if err != nil {
		return fmt.Errorf("renew certificate: %w", err)
	}
	if err := id.Renew(res.Msg.Certificate); err != nil {
		return fmt.Errorf("renew certificate: %w", err)
	}
	l.http.CloseIdleConnections() // so that the next call shows the new one
	l.log.InfoContext(ctx, "certificate renewed", slog.Time("expiry", id.Expiry()))
	return nil
}
