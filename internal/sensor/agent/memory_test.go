package agent

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/durable"
)

// Two words on the time came at once, and the older one was written last: after a restart the sensor remembered less
// than it had known.
func TestAnOlderMemoryOfTheTimeNeverLiesOverANewerOne(t *testing.T) {
	r := newRoom(t, 0)
	writing := make(chan struct{})
	var second atomic.Bool
	r.clock.replace = func(path string, b []byte) error {
		if !second.Swap(true) {
			close(writing)
			time.Sleep(200 * time.Millisecond)
		}
		return durable.Replace(path, b)
	}
	var older sync.WaitGroup
	older.Go(func() {
		if err := r.clock.set(r.began); err != nil {
			t.Error(err)
		}
	})
	<-writing
	newer := r.began.Add(2 * keepAfter)
	r.hear(newer)
	older.Wait()
	b, err := os.ReadFile(r.file)
	if err != nil || string(b) != fmt.Sprintf("%d\n", newer.UnixMicro()) {
		t.Errorf("the file says %q, %v; want %d", b, err, newer.UnixMicro())
	}
}
