package ingest_test

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/zstd"

	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/ingest"
	"github.com/yagura-edr/yagura/internal/seq"
)

func TestAcceptedBatchIsInTheLogWithServerTime(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	before := time.Now().UnixMicro()
	events := made(1, 3)
	events[1].Actor.CommandLine = "touch \xff"
	events[2].Flags = event.FlagCanary
	w := x.upload(t, x.batch(t, event.Critical, 1, events)).Watermark
	if w.AcceptedThrough != 3 || w.SealedThrough != 0 {
		t.Errorf("watermarks = %d accepted, %d sealed; want 3, 0", w.AcceptedThrough, w.SealedThrough)
	}
	got := s.stored(t)
	if len(got) != 3 {
		t.Fatalf("%d events in the log; want 3", len(got))
	}
	e := got[event.ID{Host: x.host, Stream: x.stream, Lane: event.Critical, Seq: 2}]
	if string(event.Bytes(e.Actor.CommandLine)) != "touch \xff" {
		t.Errorf("command line = %q", e.Actor.CommandLine)
	}
	// Hello came at boot_ns 1000 s; the event says 2 ms later, which is before now.
	if e.Time < before-5e6 || e.Time > e.Received || e.Received < before {
		t.Errorf("time %d, received %d, began %d", e.Time, e.Received, before)
	}
	if got[event.ID{Host: x.host, Stream: x.stream, Lane: event.Critical, Seq: 3}].Flags != 0 {
		t.Error("a sensor set the canary flag")
	}
}

func TestBatchesRepeatedReorderedAndOverlappingAreStoredOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	one, two, three := x.batch(t, event.Bulk, 1, made(1, 10)), x.batch(t, event.Bulk, 11, made(11, 10)), x.batch(t, event.Bulk, 21, made(21, 10))
	across := x.batch(t, event.Bulk, 6, made(6, 30)) // 6–35
	if w := x.upload(t, three).Watermark; w.AcceptedThrough != 0 {
		t.Errorf("accepted through %d with a hole before; want 0", w.AcceptedThrough)
	}
	x.upload(t, one)
	for range 5 {
		x.upload(t, one)
		x.upload(t, three)
	}
	var wg sync.WaitGroup
	for range 5 { // the same batch at the same time
		wg.Go(func() { x.upload(t, across) })
		wg.Go(func() { x.upload(t, two) })
	}
	wg.Wait()
	if w := x.upload(t, two).Watermark; w.AcceptedThrough != 35 {
		t.Errorf("accepted through %d; want 35", w.AcceptedThrough)
	}
	if got := s.stored(t); len(got) != 35 {
		t.Errorf("%d events in the log; want 35", len(got))
	}
}

func TestHostileUploadsAreRefusedInOneSentence(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	good := func() *sensorv1.UploadRequest { return x.batch(t, event.Critical, 1, made(1, 2)) }
	huge := bytes.Repeat([]byte{7}, event.MaxBatchBytes+1)
	for _, c := range []struct {
		name string
		code connect.Code
		say  string
		req  *sensorv1.UploadRequest
	}{
		{"wrong hash", connect.CodeDataLoss, "hash", func() *sensorv1.UploadRequest { m := good(); m.Sha256[0]++; return m }()},
		{"short hash", connect.CodeInvalidArgument, "SHA-256", func() *sensorv1.UploadRequest { m := good(); m.Sha256 = m.Sha256[:8]; return m }()},
		{"truncated", connect.CodeDataLoss, "hash", func() *sensorv1.UploadRequest { m := good(); m.Content = m.Content[:9]; return m }()},
		{"oversized", connect.CodeInvalidArgument, "at most", x.raw(event.Critical, 1, 1, huge)},
		{"no events", connect.CodeInvalidArgument, "0 events", func() *sensorv1.UploadRequest { m := good(); m.Count = 0; return m }()},
		{"too many events", connect.CodeInvalidArgument, "2001 events", func() *sensorv1.UploadRequest { m := good(); m.Count = 2001; return m }()},
		{"number 0", connect.CodeInvalidArgument, "from 1", func() *sensorv1.UploadRequest { m := good(); m.First = 0; return m }()},
		{"number overflows", connect.CodeInvalidArgument, "from 1", func() *sensorv1.UploadRequest { m := good(); m.First = 1<<64 - 1; return m }()},
		{"lane 3", connect.CodeInvalidArgument, "lane 3", func() *sensorv1.UploadRequest { m := good(); m.Lane = 3; return m }()},
		{"stream 0", connect.CodeInvalidArgument, "stream", func() *sensorv1.UploadRequest { m := good(); m.Stream = 0; return m }()},
	} {
		_, err := x.Upload(t.Context(), connect.NewRequest(c.req))
		if connect.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v; want %s with %q", c.name, err, c.code, c.say)
		}
	}
	if _, err := x.Upload(t.Context(), connect.NewRequest(x.raw(event.Critical, 1, 1, make([]byte, 8<<20)))); connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("8 MiB: %v", err)
	}
	if w := x.upload(t, good()).Watermark; w.AcceptedThrough != 2 {
		t.Errorf("after all that a good batch is accepted through %d; want 2", w.AcceptedThrough)
	}
}

func TestPoisonGoesToQuarantineIsCountedAndStopsNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := enc.EncodeAll(make([]byte, 64<<20), nil)
	var lying bytes.Buffer // a frame that does not tell its size
	w, err := zstd.NewWriter(&lying)
	if err != nil {
		t.Fatal(err)
	}
	for range 64 {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	next := uint64(1)
	for name, content := range map[string][]byte{
		"not zstd":      []byte("hello"),
		"empty":         {},
		"zip bomb":      bomb,
		"streamed bomb": lying.Bytes(),
		"not events":    enc.EncodeAll([]byte("\x05abc"), nil),
		"other count":   enc.EncodeAll(event.AppendBatch(nil, made(1, 3)), nil),
	} {
		r := x.upload(t, x.raw(event.Bulk, next, 5, content))
		next += 5
		if r.Quarantined == "" || r.Watermark.AcceptedThrough != next-1 {
			t.Errorf("%s: quarantined %q, accepted through %d; want a reason, %d", name, r.Quarantined, r.Watermark.AcceptedThrough, next-1)
		}
	}
	x.upload(t, x.batch(t, event.Bulk, next, made(next, 5)))
	lost := uint64(0)
	for id, e := range s.stored(t) {
		if e.Kind == event.Dropped {
			lost += e.Count
			s.coverage.Observe(t.Context(), s.tenant, []event.Stamped{{ID: id, Event: e}})
			s.coverage.Observe(t.Context(), s.tenant, []event.Stamped{{ID: id, Event: e}}) // again, as after a crash
		}
	}
	if lost != 30 {
		t.Errorf("notices of %d lost events in the log; want 30", lost)
	}
	sum, err := s.coverage.Summary(t.Context(), s.tenant)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Lost24h != 30 || !sum.LostKnown {
		t.Errorf("coverage says %d lost (known: %v); want 30", sum.Lost24h, sum.LostKnown)
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "quarantine", s.tenant.String(), x.host.String(), "q-*.batch"))
	if err != nil || len(files) != 6 {
		t.Errorf("%d files in quarantine (%v); want 6", len(files), err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("quarantined file: %v, %v", info.Mode(), err)
	}
}

func TestSameIDWithOtherContentKeepsTheFirst(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	x.upload(t, x.batch(t, event.Critical, 1, made(1, 2)))
	r := x.upload(t, x.batch(t, event.Critical, 1, made(100, 2)))
	if r.Quarantined == "" || r.Watermark.AcceptedThrough != 2 {
		t.Errorf("quarantined %q, accepted through %d; want a reason, 2", r.Quarantined, r.Watermark.AcceptedThrough)
	}
	e := s.stored(t)[event.ID{Host: x.host, Stream: x.stream, Lane: event.Critical, Seq: 1}]
	if e.Actor.CommandLine != "true 1" {
		t.Errorf("the log has %q; want the first content", e.Actor.CommandLine)
	}
	list, err := s.coverage.SilentFailures(t.Context(), s.tenant)
	if err != nil || len(list) == 0 || !strings.HasSuffix(list[0].ID, "/id-conflict") || list[0].What.Ja == "" {
		t.Errorf("silent failures: %+v, %v; want the conflict first", list, err)
	}
}

func TestFieldsOfANewerSensorAreKept(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	e := made(1, 1)
	e[0].Kind = 3000
	e[0].Extra = []byte{0xf8, 0xff, 0x01, 0x07} // field 4095, varint 7
	m := x.batch(t, event.Critical, 1, e)
	m.ProtoReflect().SetUnknown([]byte{0xf8, 0x3f, 0x01})
	x.upload(t, m)
	got := s.stored(t)[event.ID{Host: x.host, Stream: x.stream, Lane: event.Critical, Seq: 1}]
	if got.Kind != 3000 || !bytes.Equal(got.Extra, e[0].Extra) {
		t.Errorf("kind %d, extra %x", got.Kind, got.Extra)
	}
}

func TestNoticeOfDroppedRangeClosesTheHole(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	x.upload(t, x.batch(t, event.Bulk, 1, made(1, 5)))
	x.upload(t, x.batch(t, event.Bulk, 16, made(16, 5)))
	x.upload(t, x.batch(t, event.Critical, 1, []*event.Event{{Kind: event.Dropped, OS: event.Linux, BootNS: 1000e9, Stream: x.stream, Lane: uint64(event.Bulk), First: 6, Last: 15, Reason: "spool full"}}))
	if w := x.upload(t, x.batch(t, event.Bulk, 16, made(16, 5))).Watermark; w.AcceptedThrough != 20 {
		t.Errorf("accepted through %d; want 20", w.AcceptedThrough)
	}
}

func TestFullLogAsksToComeAgainAndAnOperatorIsTold(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.stop()
	if err := os.RemoveAll(filepath.Join(s.dir, "log")); err != nil {
		t.Fatal(err)
	}
	s.open(t, 1<<20)
	x := s.enrol(t)
	x.hello(t)
	var err error
	for first := uint64(1); first < 400 && err == nil; first++ {
		e := made(first, 1)
		noise := make([]byte, 0, 60<<10)
		for i := range 1900 {
			sum := sha256.Sum256([]byte{byte(first), byte(first >> 8), byte(i), byte(i >> 8)})
			noise = append(noise, sum[:]...)
		}
		e[0].Actor.CommandLine = string(noise)
		_, err = x.Upload(t.Context(), connect.NewRequest(x.batch(t, event.Critical, first, e)))
	}
	var ce *connect.Error
	if connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Fatalf("full log: %v", err)
	}
	if ok := asConnect(err, &ce); !ok || ce.Meta().Get("Retry-After") == "" {
		t.Errorf("no Retry-After in %v", err)
	}
	if list, _ := s.coverage.SilentFailures(t.Context(), s.tenant); len(list) == 0 || list[0].ID != "server/log-full" {
		t.Errorf("silent failures: %+v", list)
	}
	for shard := range 16 {
		_, last, _ := s.log.State(shard)
		if err := s.log.Purge(t.Context(), shard, last); err != nil {
			t.Fatal(err)
		}
	}
	x.upload(t, x.batch(t, event.Network, 1, made(1, 1)))
	if list, _ := s.coverage.SilentFailures(t.Context(), s.tenant); len(list) != 0 {
		t.Errorf("after room came back: %+v", list)
	}
}

func TestRestartRemembersWhatWasAcceptedAndSealed(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	x.upload(t, x.batch(t, event.Bulk, 1, made(1, 10)))
	x.upload(t, x.batch(t, event.Bulk, 21, made(21, 10)))
	s.stop()
	s.open(t, 64<<20)
	x.SensorsClient = s.client(x.cert, x.key)
	if w := x.hello(t).Watermarks[event.Bulk]; w.AcceptedThrough != 10 || w.SealedThrough != 0 {
		t.Errorf("after a restart: %v", w)
	}
	x.upload(t, x.batch(t, event.Bulk, 1, made(1, 30)))
	if got := s.stored(t); len(got) != 30 {
		t.Errorf("%d events in the log; want 30", len(got))
	}
	// All is sealed, the log is lost whole: nothing is taken twice, and the sensor may free its spool.
	s.manifest.mu.Lock()
	s.manifest.settled[x.host] = []ingest.Settled{{Stream: x.stream, Lane: event.Bulk, Ranges: seq.Set{{First: 1, Last: 30}}}}
	s.manifest.mu.Unlock()
	s.stop()
	if err := os.RemoveAll(filepath.Join(s.dir, "log")); err != nil {
		t.Fatal(err)
	}
	s.open(t, 64<<20)
	x.SensorsClient = s.client(x.cert, x.key)
	if w := x.hello(t).Watermarks[event.Bulk]; w.AcceptedThrough != 30 || w.SealedThrough != 30 {
		t.Errorf("after the log was lost: %v", w)
	}
	x.upload(t, x.batch(t, event.Bulk, 11, made(11, 25)))
	if got := s.stored(t); len(got) != 5 {
		t.Errorf("%d events in the new log; want the 5 new ones", len(got))
	}
}
