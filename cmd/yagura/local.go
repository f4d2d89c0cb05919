package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// startLocalSensor enrols this host with a token of its own, when it is not enrolled, and starts its sensor.
func (p *parts) startLocalSensor(ctx context.Context, stderr io.Writer) (*localSensor, error) {
	folder := p.dir.file("sensor")
	hosts := &hostsBack{fleet: p.fleet, coverage: p.coverage, relay: p.relay, url: p.sensorURL()}
	token, _, err := hosts.CreateEnrolToken(ctx, p.tenant.ID, 1, 10*time.Minute, "local:up")
	if err != nil {
		return nil, err
	}
	// In a file, not on the command line: process lists are read by everybody.
	file := p.dir.file("sensor.token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("hand the sensor its token: %w", err)
	}
	sensor, err := startSensor(ctx, p.log, stderr, "--data", folder, "--token-file", file)
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
