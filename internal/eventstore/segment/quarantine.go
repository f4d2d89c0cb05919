package segment

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/yagura-edr/yagura/internal/durable"
	"github.com/yagura-edr/yagura/internal/eventstore"
)

// WriteQuarantine keeps the bytes of each bad batch with its reason below dir/quarantine. The names come
// from the place in the log, so writing again after a crash makes the same files.
func (b *Builder) WriteQuarantine(dir string) ([]eventstore.Quarantined, error) {
	if len(b.Bad) == 0 {
		return nil, nil
	}
	folder := filepath.Join(dir, "quarantine")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("write quarantine: %w", err)
	}
	for i := range b.Bad {
		q := &b.Bad[i]
		q.File = fmt.Sprintf("quarantine/batch-%d-%d-%d.bin", q.Shard, q.Record, q.Batch)
		path := filepath.Join(dir, filepath.FromSlash(q.File))
		if err := os.WriteFile(path, b.Raw[i], 0o600); err != nil {
			return nil, fmt.Errorf("write quarantine: %w", err)
		}
		note := fmt.Sprintf("%s %s stream %016x lane %d events %d-%d: %s\n", q.Tenant, q.Host, q.Stream, q.Lane, q.Range.First, q.Range.Last, q.Reason)
		if err := os.WriteFile(path+".txt", []byte(note), 0o600); err != nil {
			return nil, fmt.Errorf("write quarantine: %w", err)
		}
	}
	return b.Bad, durable.SyncFolder(folder)
}
