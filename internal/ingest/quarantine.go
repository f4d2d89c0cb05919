package ingest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/event"
)

// maxKept batches of one host are kept a day; what comes beyond is counted and not kept: a hostile host
// must not fill the disk.
const maxKept = 100

// quarantine keeps the bytes of a batch aside, with its reason. A failure to do so does not stop the
// batch: its loss is counted in the log.
func (s *Service) quarantine(ctx context.Context, u *upload, reason string, lost uint64) {
	ctx = context.WithoutCancel(ctx)
	today := u.received / (86400 * 1e6)
	u.src.mu.Lock()
	if u.src.keptDay != today {
		u.src.keptDay, u.src.kept = today, 0
	}
	u.src.kept++
	kept := u.src.kept
	u.src.mu.Unlock()
	if s.mayLog(ctx, u.id, u.src) {
		s.log.WarnContext(ctx, "batch quarantined", slog.Any("tenant", u.id.Tenant), slog.Any("host", u.id.Host), slog.Uint64("events", lost), slog.String("reason", reason))
	}
	if kept > maxKept {
		return
	}
	q := Quarantined{
		Tenant: u.id.Tenant, Host: u.id.Host, ID: "q-" + uuid.Must(uuid.NewV7()).String(), Stream: u.key.stream, Lane: u.key.lane, First: u.whole.First,
		Events: uint64(u.m.Count), Lost: lost, Received: u.received, Reason: event.Text(reason),
	}
	dir := filepath.Join(s.o.Quarantine, u.id.Tenant.String(), u.id.Host.String())
	name := q.ID + ".batch"
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), u.m.Content, 0o600)
	}
	if err != nil {
		s.log.WarnContext(ctx, "quarantined bytes not kept", slog.Any("host", u.id.Host), slog.Any("err", err))
	} else {
		q.File = filepath.ToSlash(filepath.Join(u.id.Tenant.String(), u.id.Host.String(), name))
	}
	if err := s.o.Cellar.SaveQuarantine(ctx, q); err != nil {
		s.log.WarnContext(ctx, "quarantine not listed", slog.Any("host", u.id.Host), slog.Any("err", err))
	}
}
