//go:build duckdb && duckdb_arrow

package eventstore_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
)

// 10,000 events of 10,000 days made 10,000 files in one seal, and no query read so many. A seal makes a handful, the
// small ones of old days become one, and every event is found at its time.
func TestAHostThatChoosesItsDaysMakesFewFiles(t *testing.T) {
	s := start(t, t.TempDir(), func(o *eventstore.Options) { o.MergeFiles = 8 })
	const n, day = 2000, int64(86400e6)
	hostile, honest := newSender(tenantA, 1), newSender(tenantA, 2)
	from := time.Date(1971, 1, 1, 12, 0, 0, 0, time.UTC).UnixMicro()
	received := time.Now().Add(-2 * time.Hour).UnixMicro()
	for i := range int64(n) {
		s.send(hostile, &event.Event{Kind: event.ProcessExec, Time: from + i*day, Received: received})
		if i%500 == 499 { // four seals
			s.send(honest, &event.Event{Kind: event.ProcessExec, Time: time.Now().UnixMicro()})
			s.seal()
		}
	}
	files := func() int {
		left, err := filepath.Glob(filepath.Join(s.dir, "segments", "*", "*", "*", "*.parquet"))
		if err != nil {
			t.Fatal(err)
		}
		return len(left)
	}
	if got := files(); got > 4*6 {
		t.Errorf("four seals of one host's %d days made %d files; want at most 6 each", n, got)
	}
	check := func(state string) {
		t.Helper()
		for _, i := range []int64{0, 3, 4, n / 2, n - 1} {
			got := s.find(eventstore.Query{Tenant: tenantA, From: from + i*day, To: from + i*day + 1}).Events
			if len(got) != 1 || got[0].ID.Host != hostile.host {
				t.Errorf("%s: at day %d there are %d events; want its one", state, i, len(got))
			}
		}
	}
	check("sealed")
	before := files()
	for range 4 {
		if _, err := s.store.Compact(t.Context(), time.Now().Add(26*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if got := files(); got > 3 {
		t.Errorf("of %d small files %d are left after merging; want at most 3", before, got)
	}
	check("merged")
	if st, err := s.store.Stats(t.Context()); err != nil || st.Rows != n+4 {
		t.Errorf("the store holds %d rows (%v); want %d", st.Rows, err, n+4)
	}
}
