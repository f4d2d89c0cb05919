package main

import (
	"io"
	"testing"
	"time"

	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// The list stood in the order of arrival under a column of times: what a spool brought late lay rows below what had
// happened before it, without a mark.
func TestDetectionsStandInTheOrderOfTheirTimes(t *testing.T) {
	at := time.Date(2026, 11, 30, 10, 37, 22, 0, time.UTC).UnixMicro()
	all := []*consolev1.Detection{{Id: "b", Time: at + 20e3}, {Id: "a", Time: at + 730e3}, {Id: "c", Time: at - 3600e6, BootLatencyUs: 3600e6}, {Id: "d", Time: at - 1800e6}}
	inOrder(all)
	order := ""
	for _, d := range all {
		order += d.Id
	}
	if order != "abdc" {
		t.Errorf("order %s; want abdc", order)
	}
	s := &shell{tongue: tongueOf(terminal.English), stdout: io.Discard, stderr: io.Discard}
	if got := s.late(all[3]); got != " (+1h0m0s late)" {
		t.Errorf("a late one is marked %q", got)
	}
	if got := s.late(all[0]); got != "" {
		t.Errorf("one in time is marked %q", got)
	}
}
