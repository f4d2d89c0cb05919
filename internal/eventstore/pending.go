package eventstore

import (
	"context"
	"sync"
)

// maxPending bounds the records that wait for the next hot file. Full: the shard readers wait; the log
// keeps what they have not read.
const maxPending = 16 << 20

// pending holds records between the shard readers and the writer of hot files.
type pending struct {
	mu      sync.Mutex // guards what follows
	entries []Entry
	bytes   int
	room    chan struct{} // closed and replaced when entries were taken
	filling chan struct{} // signalled when half full
}

func (p *pending) init() {
	p.room = make(chan struct{})
	p.filling = make(chan struct{}, 1)
}

func (p *pending) add(ctx context.Context, e Entry) error {
	size := entrySize(e)
	for {
		p.mu.Lock()
		if p.bytes == 0 || p.bytes+size <= maxPending {
			p.entries = append(p.entries, e)
			p.bytes += size
			half := p.bytes > maxPending/2
			p.mu.Unlock()
			if half {
				select {
				case p.filling <- struct{}{}:
				default:
				}
			}
			return nil
		}
		room := p.room
		p.mu.Unlock()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-room:
		}
	}
}

// take empties it.
func (p *pending) take() []Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.entries
	p.entries, p.bytes = nil, 0
	close(p.room)
	p.room = make(chan struct{})
	return out
}

func entrySize(e Entry) int {
	n := 64
	for i := range e.Batches {
		n += e.Batches[i].Size()
	}
	return n
}

func entryRows(e Entry) int {
	n := 0
	for i := range e.Batches {
		n += e.Batches[i].Count
	}
	return n
}
