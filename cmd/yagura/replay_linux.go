package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"connectrpc.com/connect"
	"github.com/schollz/progressbar/v3"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
)

// upload enrols a host for the recording and sends it as a sensor would: through spool and uplink.
func (s *shell) upload(name string, events []*event.Event) (event.HostID, error) {
	doing := "replay"
	r, err := s.console().CreateEnrolToken(s.ctx, connect.NewRequest(&consolev1.CreateEnrolTokenRequest{Uses: 1, TtlSeconds: 600, Recording: true}))
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
	defer func() { cancel(); _, _ = <-linked, <-spooled }()
	bar := progressbar.NewOptions(len(events), progressbar.OptionSetWriter(s.stderr), progressbar.OptionSetVisibility(!s.json), progressbar.OptionSetDescription(s.say("replaying")), progressbar.OptionClearOnFinish())
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
	still, asked := time.Now(), time.Time{}
	for left := uint64(len(events)); ; {
		now := sp.Stats().Events
		if now == 0 {
			_ = bar.Finish()
			return nil
		}
		if now != left {
			left, still = now, time.Now()
		}
		_ = bar.Set(len(events) - int(min(now, uint64(len(events)))))
		if quiet := time.Since(still); quiet > stillness && asked != still {
			asked = still
			if full := s.serverFull(); full != "" {
				return s.unfinished(len(events), now, full)
			}
		} else if quiet > time.Minute {
			return s.unfinished(len(events), now, s.say("the server has taken nothing for a minute: `yagura doctor` says what of it does not work"))
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

// stillness is how long a server may take nothing before it is asked why.
const stillness = 5 * time.Second

// unfinished says that events are left, which is a part of the answer when others were taken.
func (s *shell) unfinished(all int, left uint64, why string) error {
	if left >= uint64(all) {
		return fmt.Errorf("replay: nothing was taken: %s", why)
	}
	return partialf("replay: %d of %d events were not taken: %s", left, all, why)
}

// serverFull says which room of the server is full and what to do, nothing when it has room or does not say.
func (s *shell) serverFull() string {
	r, err := s.console().Diagnose(s.ctx, connect.NewRequest(&consolev1.DiagnoseRequest{}))
	if err != nil {
		return ""
	}
	for _, c := range r.Msg.Checks {
		if c.State == "fail" && (c.Name == "disk" || c.Name == "inodes") {
			return s.say("the disk of the server's data folder is full (%s): free space there or make it larger", s.said(c.What))
		}
	}
	return ""
}

// replayedHost is what a recording is to the server: a host that sees nothing now.
type replayedHost struct {
	name []byte
	os   event.OS
}

func (h replayedHost) Hello() *sensorv1.HelloRequest {
	m := &sensorv1.HelloRequest{Hostname: h.name, Os: h.os.String(), Version: version, BootId: make([]byte, 16), WallTime: time.Now().UnixMicro()}
	for _, class := range event.Classes() {
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
