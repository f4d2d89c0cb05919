package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/sight"
)

type watchVerb struct {
	Kind []string `help:"Only these kinds, such as process.exec." placeholder:"KIND"`
}

// Help shows examples.
func (*watchVerb) Help() string {
	return "Examples:\n  sudo yagura-sensor watch --kind process.exec\n  sudo timeout 60 yagura-sensor watch > minute.ndjson # `yagura replay` takes it"
}

// Run prints events until it is interrupted or the reader is gone.
func (v *watchVerb) Run(s *shell) error {
	want := map[event.Kind]bool{}
	for _, name := range v.Kind {
		k, ok := event.ParseKind(name)
		if !ok {
			return fmt.Errorf("kind %q does not exist: docs/events.md lists them", name)
		}
		want[k] = true
	}
	eye, err := sight.Open(s.ctx, sight.Options{Log: s.log})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	var mu sync.Mutex // guards w
	w := bufio.NewWriterSize(s.out, 64<<10)
	emit := func(e *event.Event) {
		if len(want) > 0 && !want[e.Kind] {
			return
		}
		line := append(event.ShowJSON(e.JSON()), '\n')
		mu.Lock()
		defer mu.Unlock()
		if _, err := w.Write(line); err != nil {
			cancel(errReader)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				mu.Lock()
				if w.Flush() != nil {
					cancel(errReader)
				}
				mu.Unlock()
			}
		}
	})
	err = eye.Run(ctx, emit)
	stopped := ctx.Err() != nil
	cancel(nil)
	wg.Wait()
	_ = w.Flush() // the reader may be gone
	if cerr := eye.Close(); cerr != nil {
		s.log.WarnContext(s.ctx, "probes not closed", slog.Any("err", cerr))
	}
	if stopped {
		return nil
	}
	return err
}

var errReader = errors.New("nobody reads the output any more")
