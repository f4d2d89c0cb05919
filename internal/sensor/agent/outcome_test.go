package agent

import (
	"testing"

	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
)

// Outcomes with long proofs, as of a tree of thousands of processes: a heartbeat that holds them all would be refused
// for its size, and tried again for ever.
func TestOutcomesOfAHeartbeatAreBounded(t *testing.T) {
	h := (*host)(&Agent{})
	for i := range 40 {
		h.outcomes = append(h.outcomes, &pendingOutcome{wire: &sensorv1.Outcome{Signature: []byte{byte(i)}, Proof: make([]byte, maxProof)}})
	}
	sent := map[byte]bool{}
	for len(h.outcomes) > 0 {
		now := h.Outcomes()
		size := 0
		for _, o := range now {
			size += len(o.Proof)
			sent[o.Signature[0]] = true
		}
		if len(now) == 0 || size > maxReportedBytes {
			t.Fatalf("one heartbeat carries %d outcomes of %d bytes; want at least one, and %d bytes at most", len(now), size, maxReportedBytes)
		}
		h.outcomes = h.outcomes[len(now):]
	}
	if len(sent) != 40 {
		t.Errorf("%d of 40 outcomes were sent", len(sent))
	}
}
