package eventtest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
)

// Read reads the events of a test file, one a line: "ID JSON", or "N times ID JSON" for programs like this one, 20 ms
// apart. Package scenario and the stories of package incident keep events this way.
func Read(lines string) ([]event.Stamped, error) {
	var out []event.Stamped
	for l := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		n := 1
		if times, rest, ok := strings.Cut(l, " times "); ok && len(times) < 5 {
			var err error
			if n, err = strconv.Atoi(times); err != nil {
				return nil, fmt.Errorf("%q is no number of times: %w", times, err)
			}
			l = rest
		}
		id, body, _ := strings.Cut(l, " ")
		i, err := event.ParseID(id)
		if err != nil {
			return nil, fmt.Errorf("event %q: %w", id, err)
		}
		e, err := event.FromJSON([]byte(body))
		if err != nil {
			return nil, fmt.Errorf("event %s: %w", id, err)
		}
		for k := range uint64(n) {
			x := *e
			if n > 1 {
				x.Time, x.BootNS, x.Actor.PID = e.Time+int64(k)*20_000, e.BootNS+k*20_000_000, e.Actor.PID+k
				x.Actor.Key = event.LinuxKey(x.BootNS, uint32(x.Actor.PID), 9)
			}
			j := i
			j.Seq += k
			out = append(out, event.Stamped{ID: j, Event: &x})
		}
	}
	return out, nil
}
