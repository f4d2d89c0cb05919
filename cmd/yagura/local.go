package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/yagura-edr/yagura/internal/durable"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/pause"
)

// startLocalSensor enrols this host with a token of its own, when it is not enrolled, and starts its sensor.
func (p *parts) startLocalSensor(ctx context.Context, stderr io.Writer, config string) (*localSensor, error) {
	folder := p.dir.file("sensor")
	hosts := &hostsBack{fleet: p.fleet, coverage: p.coverage, relay: p.relay, url: p.localURL(), listen: p.sensors.Addr().String()}
	token, _, err := hosts.CreateEnrolToken(ctx, p.tenant.ID, 1, 10*time.Minute, false, "local:up")
	if err != nil {
		return nil, err
	}
	// In a file, not on the command line: process lists are read by everybody.
	file := p.dir.file("sensor.token")
	if err := durable.Replace(file, []byte(token+"\n")); err != nil {
		return nil, fmt.Errorf("hand the sensor its token: %w", err)
	}
	args := []string{"--data", folder, "--token-file", file}
	if config != "" {
		args = append(args, "--config", config)
	}
	sensor, err := startSensor(ctx, p.log, stderr, args...)
	if err != nil {
		return nil, err
	}
	// It can take events once it has said hello; a sensor that never does is Home's matter, not ours.
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	began := time.Now().UnixMicro()
	for time.Now().Before(deadline) {
		for _, h := range p.fleet.Hosts(p.tenant.ID) {
			if h.ID != (event.HostID{}) && h.LastSeen >= began {
				return sensor, nil
			}
		}
		select {
		case <-ctx.Done():
			return sensor, nil
		case err := <-sensor.done:
			return nil, fmt.Errorf("%w: it ended at once: %w", errNoSensor, errOr(err, errNoSensor))
		case <-tick.C:
		}
	}
	return sensor, nil
}

// sensorGuard keeps the local sensor running: one that ends by itself is started again, and Home says so
// meanwhile.
type sensorGuard struct {
	parts  *parts
	stderr io.Writer
	config string       // file of the sensor; empty: its default
	sensor *localSensor // nil: none runs
	wanted bool
}

// start starts the sensor and gives its pid, 0 when none runs.
func (g *sensorGuard) start(ctx context.Context) int {
	g.wanted = true
	sensor, err := g.parts.startLocalSensor(ctx, g.stderr, g.config)
	if err != nil {
		g.parts.log.WarnContext(ctx, "this host is not watched", slog.Any("err", err))
		g.parts.noLocalSensor(ctx, err)
		return 0
	}
	g.sensor = sensor
	g.parts.coverage.Clear(ctx, g.parts.tenant.ID, event.HostID{}, localSensorFault)
	return sensor.pid()
}

// watch starts the sensor again when it ends, after one second at first and half a minute at most, until
// ctx ends.
func (g *sensorGuard) watch(ctx context.Context) {
	wait := time.Second
	for g.wanted {
		began := time.Now()
		if g.sensor != nil {
			select {
			case <-ctx.Done():
				return
			case err := <-g.sensor.done:
				g.sensor = nil
				err = fmt.Errorf("the sensor ended by itself: %w", errOr(err, errNoSensor))
				g.parts.log.ErrorContext(ctx, "this host is not watched until its sensor runs again", slog.Any("err", err))
				g.parts.noLocalSensor(ctx, err)
			}
		}
		if time.Since(began) > time.Minute {
			wait = time.Second
		}
		if !pause.For(ctx, wait) {
			return
		}
		wait = min(2*wait, 30*time.Second)
		g.start(ctx)
	}
}

// stop ends the sensor, flushed.
func (g *sensorGuard) stop() error {
	if g.sensor == nil {
		return nil
	}
	return g.sensor.stop()
}
