package decode

import (
	"slices"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
)

// The kernel side numbers the classes in an order of its own.
func TestTheKernelSideCountsEveryClass(t *testing.T) {
	ours := slices.Sorted(slices.Values(Classes[:]))
	if theirs := slices.Sorted(slices.Values(event.Classes())); !slices.Equal(ours, theirs) {
		t.Errorf("the kernel side counts %v; the registry has %v", ours, theirs)
	}
}
