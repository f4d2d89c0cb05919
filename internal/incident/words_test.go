package incident

import (
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
)

// A story names what happened in words; the name of a kind is none.
func TestEveryKindHasWords(t *testing.T) {
	for _, k := range registry.Kinds {
		if w := kindWords(event.Kind(k.Number)); w.En == k.Name || w.Ja == k.Name {
			t.Errorf("%s: the story would say %q, %q", k.Name, w.En, w.Ja)
		}
	}
}
