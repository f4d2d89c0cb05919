package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/zstd"
	"github.com/schollz/progressbar/v3"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
)

type replayVerb struct {
	Files []string `arg:"" help:"Recordings: NDJSON as yagura-sensor watch prints, or batches (zstd), - for standard input." name:"file"`
	Host  string   `help:"Name of the host that the recording shall belong to." default:"replay"`
	Now   bool     `help:"Move the recording so that its last event is now; otherwise it keeps its own times."`
}

// Help shows examples.
func (replayVerb) Help() string {
	return "A recording goes the whole way of a live event: a host is enrolled for it, its batches are uploaded, judged and stored.\n\nExamples:\n  sudo yagura-sensor watch > attack.ndjson\n  yagura replay attack.ndjson\n  yagura replay --host web-07 --now attack.ndjson"
}

// maxReplay bounds the events of one replay, which are held in memory.
const maxReplay = 2_000_000

// Run replays recordings.
func (v replayVerb) Run(s *shell) error {
	var events []*event.Event
	for _, name := range v.Files {
		read, err := s.readRecording(name)
		if err != nil {
			return err
		}
		if events = append(events, read...); len(events) > maxReplay {
			return fmt.Errorf("replay: more than %d events: split the recording", maxReplay)
		}
	}
	if len(events) == 0 {
		return fmt.Errorf("replay: the recording holds no event")
	}
	v.date(events)
	host, err := s.upload(v.Host, events)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]any{"host": host.String(), "events": len(events)})
	}
	s.printf(s.say("%d events replayed as %s (%s)\n", "%d 件のイベントを %s(%s)として再生しました\n"), len(events), v.Host, host)
	return nil
}

// date marks events as imported, which lets them keep their own times.
func (v replayVerb) date(events []*event.Event) {
	var newest int64
	for _, e := range events {
		newest = max(newest, e.HostTime, e.Time)
	}
	shift := int64(0)
	if v.Now && newest > 0 {
		shift = time.Now().UnixMicro() - newest
	}
	for _, e := range events {
		if e.HostTime == 0 {
			e.HostTime = e.Time
		}
		if e.HostTime == 0 {
			e.HostTime = time.Now().UnixMicro()
		} else {
			e.HostTime += shift
		}
		e.Time, e.Received = 0, 0
		e.Flags |= event.FlagImported
	}
}

// readRecording reads NDJSON, or one batch as it travels.
func (s *shell) readRecording(name string) ([]*event.Event, error) {
	in := s.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("replay %s: %w", name, err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	r := bufio.NewReaderSize(in, event.MaxJSONLine)
	if magic, err := r.Peek(4); err == nil && bytes.Equal(magic, []byte{0x28, 0xB5, 0x2F, 0xFD}) {
		return readBatch(name, r)
	}
	var events []*event.Event
	for line := 1; ; line++ {
		b, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("replay %s: line %d is longer than %d bytes", name, line, event.MaxJSONLine)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("replay %s: line %d: %w", name, line, err)
		}
		if b = bytes.TrimSpace(b); len(b) > 0 {
			e, perr := event.FromJSON(b)
			if perr != nil {
				return nil, fmt.Errorf("replay %s: line %d: %w", name, line, perr)
			}
			if events = append(events, e); len(events) > maxReplay {
				return nil, fmt.Errorf("replay %s: more than %d events: split the recording", name, maxReplay)
			}
		}
		if err != nil {
			return events, nil
		}
	}
}

func readBatch(name string, r io.Reader) ([]*event.Event, error) {
	z, err := zstd.NewReader(io.LimitReader(r, event.MaxBatchBytes+1), zstd.WithDecoderMaxMemory(event.MaxBatchExpanded), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", name, err)
	}
	defer z.Close()
	raw, err := io.ReadAll(io.LimitReader(z, event.MaxBatchExpanded+1))
	if err != nil {
		return nil, fmt.Errorf("replay %s: expand the batch: %w", name, err)
	}
	if len(raw) > event.MaxBatchExpanded {
		return nil, fmt.Errorf("replay %s: the batch expands to more than %d bytes: %w", name, event.MaxBatchExpanded, event.ErrTooBig)
	}
	events, err := event.DecodeBatch(raw)
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", name, err)
	}
	return events, nil
}

// upload enrols a host for the recording and sends it as a sensor would: through spool and uplink.
func (s *shell) upload(name string, events []*event.Event) (event.HostID, error) {
	doing := "replay"
	r, err := s.console().CreateEnrolToken(s.ctx, connect.NewRequest(&consolev1.CreateEnrolTokenRequest{Uses: 1, TtlSeconds: 600}))
	if err != nil {
		return event.HostID{}, s.explain(doing, err)
	}
	token, err := command.ParseToken(r.Msg.Token)
	if err != nil {
		return event.HostID{}, fmt.Errorf("%s: %w", doing, err)
	}
	dir, err := os.MkdirTemp("", "yagura-replay-")
	if err != nil {
		return event.HostID{}, fmt.Errorf("%s: %w", doing, err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	machine := sha256.Sum256([]byte("replay " + dir))
	id, err := uplink.Enroll(s.ctx, filepath.Join(dir, "id"), token, uplink.Facts{Hostname: []byte(name), Version: version, MachineID: machine[:]}, uplink.Proxy{})
	if err != nil {
		return event.HostID{}, fmt.Errorf("%s: %s", doing, uplink.Explain(err))
	}
	quiet := slog.New(slog.DiscardHandler)
	sp, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{Log: quiet, MaxBytes: 8 << 30, MinFree: -1, Stamp: func(*event.Event) {}})
	if err != nil {
		return event.HostID{}, fmt.Errorf("%s: %w", doing, err)
	}
	link, err := uplink.New(uplink.Options{Identity: id, Spool: sp, Host: replayedHost{name: []byte(name), os: events[0].OS}, Log: quiet})
	if err != nil {
		return event.HostID{}, fmt.Errorf("%s: %w", doing, err)
	}
	return id.Host, errors.Join(s.drain(sp, link, events), sp.Close())
}

// drain puts the events into the spool and waits until the server has accepted all of them.
func (s *shell) drain(sp *spool.Spool, link *uplink.Link, events []*event.Event) error {
	ctx, cancel := context.WithCancel(s.ctx)
	spooled, linked := make(chan error, 1), make(chan error, 1)
	go func() { spooled <- sp.Run(ctx) }()
	go func() { linked <- link.Run(ctx) }()
	defer func() { cancel(); <-linked; <-spooled }()
	bar := progressbar.NewOptions(len(events), progressbar.OptionSetWriter(s.stderr), progressbar.OptionSetVisibility(!s.json), progressbar.OptionSetDescription(s.say("replaying", "再生中")), progressbar.OptionClearOnFinish())
	for i, e := range events {
		sp.Put(e)
		if i%5000 == 4999 {
			if err := sp.Flush(); err != nil {
				return fmt.Errorf("replay: %w", err)
			}
			_ = bar.Set(i / 2)
		}
	}
	if err := sp.Flush(); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	still := time.Now()
	for left := uint64(len(events)); ; {
		now := sp.Stats().Events
		if now == 0 {
			_ = bar.Finish()
			return nil
		}
		if now != left {
			left, still = now, time.Now()
		}
		_ = bar.Set(len(events) - int(min(now, uint64(len(events))))) //nolint:gosec // bounded by len
		if time.Since(still) > time.Minute {
			return fmt.Errorf("%w: replay: the server has taken nothing for a minute; %d events are left: look at `yagura doctor`", errPartial, now)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-linked:
			linked <- err
			return fmt.Errorf("replay: %w", errOr(err, errors.New("the connection ended")))
		case <-tick.C:
		}
	}
}

// replayedHost is what a recording is to the server: a host that sees nothing now.
type replayedHost struct {
	name []byte
	os   event.OS
}

func (h replayedHost) Hello() *sensorv1.HelloRequest {
	m := &sensorv1.HelloRequest{Hostname: h.name, Os: h.os.String(), Version: version, BootId: make([]byte, 16), WallTime: time.Now().UnixMicro()}
	for _, class := range []string{"process", "file", "network", "dns", "memory"} {
		m.Capabilities = append(m.Capabilities, &sensorv1.Capability{Class: class, State: "blind", Reason: []byte("a replayed recording: nothing is watched")})
	}
	return m
}

func (h replayedHost) Report() *sensorv1.ReportRequest {
	return &sensorv1.ReportRequest{WallTime: time.Now().UnixMicro()}
}
func (replayedHost) Outcomes() []*sensorv1.Outcome           { return nil }
func (replayedHost) Reported([]*sensorv1.Outcome)            {}
func (replayedHost) Command(context.Context, command.Signed) {}
func (replayedHost) Nonce(context.Context, string)           {}
func (replayedHost) List(context.Context, []byte)            {}
func (replayedHost) Clock(time.Time)                         {}
