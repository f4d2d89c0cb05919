// Package aside runs work that may never end beside those who must go on. A call that reaches a file system waits for as long as
// that likes: for a server that is gone, a daemon that stands still, a disk that died. Who drains the rings of the probes asks
// here and waits a bounded while; what hangs is left behind, counted, and only so many times. It knows no file and no event.
package aside

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Why there is no answer.
var (
	ErrSlow = errors.New("the file system did not answer in time")
	ErrFull = errors.New("too many calls wait for file systems that do not answer")
)

// Who was kept waiting once waits but for a part of its time afterwards: somebody may be at it on purpose.
const (
	wary      = 30 * time.Second
	waryShare = 20
)

// Crew is a bounded number of workers for one kind of work.
type Crew struct {
	most int32
	out  atomic.Int32 // at work, or left behind

	mu   sync.Mutex // guards slow
	slow time.Time  // when one was last left behind
}

// NewCrew makes a crew of at most so many. Full: nothing is begun, and Get says so.
func NewCrew(most int) *Crew { return &Crew{most: int32(most)} }

// Out gives how many are at work or were left behind and have not come back.
func (c *Crew) Out() int { return int(c.out.Load()) }

func (c *Crew) patience(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.slow.IsZero() && time.Since(c.slow) < wary {
		return d / waryShare
	}
	return d
}

// Get runs work and waits for what it gives, for at most d. Work that takes longer goes on by itself, touches nothing that is
// its caller's, and hands what it gives to late, unless that is nil.
func Get[T any](c *Crew, d time.Duration, work func() T, late func(T)) (got T, err error) {
	if c.out.Add(1) > c.most {
		c.out.Add(-1)
		return got, ErrFull
	}
	answer := make(chan T, 1)
	var mu sync.Mutex // guards left
	left := false
	go func() {
		defer c.out.Add(-1)
		v := work()
		mu.Lock()
		defer mu.Unlock()
		if !left {
			answer <- v
		} else if late != nil {
			late(v)
		}
	}()
	t := time.NewTimer(c.patience(d))
	defer t.Stop()
	select {
	case got = <-answer:
		return got, nil
	case <-t.C:
	}
	mu.Lock()
	defer mu.Unlock()
	select {
	case got = <-answer:
		return got, nil
	default:
	}
	left = true
	c.mu.Lock()
	c.slow = time.Now()
	c.mu.Unlock()
	return got, ErrSlow
}
