package ingest

import (
	"context"

	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/fleet"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
)

// contained hears from a heartbeat whether the host's isolation holds. An order that was carried out says only that it
// did then.
func (s *Service) contained(ctx context.Context, id fleet.Identity, counters []*sensorv1.Counter) {
	if len(counters) == 0 {
		return // it says nothing
	}
	due, holds := false, false
	for _, c := range counters {
		switch c.Name {
		case "contain.due":
			due = c.Value > 0
		case "contain.isolated":
			holds = c.Value > 0
		}
	}
	if s.o.Relay.Contained(id.Tenant, id.Host, due, holds) {
		s.o.Coverage.Report(ctx, faultIsolation(id))
	} else {
		s.o.Coverage.Clear(ctx, id.Tenant, id.Host, "isolation")
	}
}

func faultIsolation(id fleet.Identity) coverage.Fault {
	return coverage.Fault{
		Tenant: id.Tenant, Host: id.Host, Kind: "isolation", Class: coverage.ClassTamper, Severity: detection.High,
		What: detection.Said{
			En: "The host should be isolated, and its sensor says that it is not.",
			Ja: "このホストはネットワーク隔離中のはずですが、センサーはネットワーク隔離されていないと報告しています。",
		},
		Fix: detection.Said{
			En: "Cut it off at the switch or the hypervisor, then isolate it again. Its detections say what was done to the isolation.",
			Ja: "スイッチまたは仮想化基盤で切り離してから、もう一度ネットワーク隔離してください。何が行われたかは、このホストの検知に記されています。",
		},
	}
}
