package boot_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/boot"
)

func TestTheBootClockRuns(t *testing.T) {
	id, at := boot.ID(), boot.Now()
	if _, err := uuid.Parse(id); err != nil || at == 0 {
		t.Fatalf("ID() = %q (%v), Now() = %d", id, err, at)
	}
	time.Sleep(2 * time.Millisecond)
	if d := boot.Now() - at; d < uint64(2*time.Millisecond) || d > uint64(time.Minute) {
		t.Errorf("2 ms took %d ns", d)
	}
	if boot.ID() != id {
		t.Error("the boot has another id now")
	}
}
