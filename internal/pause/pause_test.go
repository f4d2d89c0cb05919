package pause_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yagura-edr/yagura/internal/pause"
)

func TestForEndsWithItsTimeOrItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		for _, c := range []struct {
			wait, took time.Duration
			lives      bool
		}{{0, 0, true}, {2 * time.Second, 2 * time.Second, true}, {time.Hour, time.Second, false}, {time.Hour, 0, false}} {
			began := time.Now()
			if lives := pause.For(ctx, c.wait); lives != c.lives || time.Since(began) != c.took {
				t.Errorf("For(ctx, %v) = %v after %v; want %v after %v", c.wait, lives, time.Since(began), c.lives, c.took)
			}
		}
	})
}

func ExampleFor() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	for tries := 1; pause.For(ctx, time.Millisecond); tries++ {
		if fmt.Println("try", tries); tries == 2 {
			stop()
		}
	}
	// Output:
	// try 1
	// try 2
}
