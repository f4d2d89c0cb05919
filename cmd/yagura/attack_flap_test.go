package main

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
)

// A host that changed its word in eight calls at once left hundreds of rows open for ever, each a failure on everybody's
// Home, and a row of a fault for each time its clock was wrong: 250 KB of the database a second.
func TestAHostThatFlapsIsToldOnce(t *testing.T) {
	c := newSiege(t, "")
	x := c.intrude(t, "flaps")
	x.hello(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := i; ctx.Err() == nil; j++ {
				m := x.greeting()
				if j%2 == 0 {
					m.WallTime -= 3600e6
					for _, class := range m.Capabilities {
						class.State = "blind"
					}
				}
				_, _ = x.Hello(ctx, connect.NewRequest(m))
				_, _ = x.Report(ctx, connect.NewRequest(&sensorv1.ReportRequest{Stream: x.stream, WallTime: m.WallTime, BootNs: m.BootNs, SpoolProblem: []byte(strings.Repeat("x", j%2))}))
			}
		})
	}
	wg.Wait()
	x.hello(t)
	if _, err := x.Report(t.Context(), connect.NewRequest(&sensorv1.ReportRequest{Stream: x.stream, WallTime: time.Now().UnixMicro(), BootNs: 3600e9})); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(c.faults("en"), "event class missing"); n > 5 {
		t.Errorf("doctor tells %d times of five classes", n)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.data, "control.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var open, faults, stand int
	if err := db.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM coverage WHERE to_time = 0), (SELECT count(*) FROM fault), (SELECT count(*) FROM fault WHERE until_time = 0 AND kind IN ('clock-skew', 'spool'))`).Scan(&open, &faults, &stand); err != nil {
		t.Fatal(err)
	}
	if open > 6 || faults > 8 || stand > 0 {
		t.Errorf("%d rows are open, %d faults are kept, and %d stand that have ended", open, faults, stand)
	}
}
