package eventstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/yagura-edr/yagura/internal/stream"
)

// Stats says what the store holds. Benchmarks and the status page read it.
type Stats struct {
	Segments int
	Rows     int64 // sealed
	Bytes    int64
	Days     int   // of events
	From, To int64 // of the events, µs UTC; 0: there is none
	HotFiles int
	HotRows  int64
	// Searchable is the delay from the server's receipt of a batch to its events being searchable, over
	// the last 4,096 batches.
	SearchableP50, SearchableP95 time.Duration
}

// BytesPerEvent gives the size on disk of a sealed event, 0 when there is none.
func (s Stats) BytesPerEvent() float64 {
	if s.Rows == 0 {
		return 0
	}
	return float64(s.Bytes) / float64(s.Rows)
}

// Stats counts over all tenants.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	files, err := s.opts.Manifest.Segments(ctx)
	if err != nil {
		return Stats{}, fmt.Errorf("count segments: %w", err)
	}
	var out Stats
	days := map[string]bool{}
	for i, f := range files {
		if days[f.Day] = true; i == 0 {
			out.From = f.MinTime
		}
		out.From, out.To = min(out.From, f.MinTime), max(out.To, f.MaxTime)
		out.Segments++
		out.Rows += f.Rows
		out.Bytes += f.Bytes
	}
	out.Days = len(days)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hot {
		out.HotFiles++
		out.HotRows += h.rows
	}
	out.SearchableP50, out.SearchableP95 = s.delays.quantiles()
	return out, nil
}

// Lag is how far one shard is behind the log, in records.
type Lag struct {
	Searchable uint64 // appended and not yet searchable
	Sealed     uint64 // appended and not yet sealed
}

// Lag of a shard now.
func (s *Store) Lag(shard int) Lag {
	_, last, _ := s.opts.Stream.State(shard)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.shards[shard]
	return Lag{Searchable: last - min(last, p.hot), Sealed: last - min(last, p.sealed)}
}

// ShardState says how one part of the log stands.
type ShardState struct {
	Waiting uint64    // records that are not sealed
	Since   time.Time // about when the first of them became searchable; zero: none did
	Sealed  time.Time // the last seal; zero: none since the start
}

// Shards says how far each part of the log is sealed.
func (s *Store) Shards() (out [stream.Shards]ShardState) {
	for i := range out {
		lag := s.Lag(i)
		s.mu.Lock()
		p := s.shards[i]
		s.mu.Unlock()
		out[i] = ShardState{Waiting: lag.Sealed, Sealed: p.at}
		if p.hot > p.sealed {
			out[i].Since = p.since
		}
	}
	return out
}

// delays keeps the last delays in µs.
type delays struct {
	at   [4096]int64
	next int
	n    int
}

func (d *delays) add(us int64) {
	d.at[d.next] = us
	d.next = (d.next + 1) % len(d.at)
	d.n = min(d.n+1, len(d.at))
}

func (d *delays) quantiles() (p50, p95 time.Duration) {
	if d.n == 0 {
		return 0, 0
	}
	v := slices.Clone(d.at[:d.n])
	slices.Sort(v)
	return time.Duration(v[d.n/2]) * time.Microsecond, time.Duration(v[d.n*95/100]) * time.Microsecond
}
