package segment

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/stream"
)

// Builder gathers the events of some log records. It holds them all in memory; the server bounds how
// many it sends.
type Builder struct {
	fields  table
	rows    []row
	covered map[streamKey]seq.Set
	order   []streamKey
	// Bad are the batches that could not be read; Raw their bytes, in the same order.
	Bad []eventstore.Quarantined
	Raw [][]byte
}

type streamKey struct {
	tenant [16]byte
	host   event.HostID
	stream uint64
	lane   event.Lane
	told   bool
}

// NewBuilder gives an empty one.
func NewBuilder() *Builder {
	return &Builder{fields: newTable(), covered: map[streamKey]seq.Set{}}
}

// Rows gives how many events are held.
func (b *Builder) Rows() int { return len(b.rows) }

// Add takes one log record. A batch that cannot be read, or holds text that is not UTF-8, is kept aside
// in Bad and counts as covered: one batch never stops the store.
func (b *Builder) Add(e eventstore.Entry) {
	for i := range e.Batches {
		x := &e.Batches[i]
		key := streamKey{x.Tenant, x.Host, x.Stream, x.Lane, false}
		whole := seq.Range{First: x.First, Last: x.First + uint64(x.Count) - 1}
		b.cover(key, whole)
		wires, err := x.Wires()
		at := len(b.rows)
		var dropped []event.Event
		for j := 0; err == nil && j < len(wires); j++ {
			r := row{tenant: x.Tenant, shard: e.Shard, record: e.Record, id: event.ID{Host: x.Host, Stream: x.Stream, Lane: x.Lane, Seq: x.First + uint64(j)}, wire: wires[j]}
			if err = b.fields.read(&r); err != nil {
				err = fmt.Errorf("event %s: %w", r.id, err)
				break
			}
			if r.kind == event.Dropped {
				var told event.Event
				if err = told.Decode(r.wire); err != nil {
					break
				}
				dropped = append(dropped, told)
			}
			if !skipped(e.Skip, i, r.id.Seq) {
				b.rows = append(b.rows, r)
			}
		}
		if err != nil {
			b.rows = b.rows[:at]
			b.Bad = append(b.Bad, eventstore.Quarantined{
				Shard: e.Shard, Record: e.Record, Batch: i, Tenant: x.Tenant, Host: x.Host,
				StreamLane: eventstore.StreamLane{Stream: x.Stream, Lane: x.Lane}, Range: whole, Reason: err.Error(),
			})
			b.Raw = append(b.Raw, stream.EncodeRecord([]stream.Batch{*x}))
			continue
		}
		for _, d := range dropped {
			if d.Last>>62 == 0 && d.Lane <= uint64(event.Bulk) {
				// What a sensor says it dropped will never come: it is settled.
				b.cover(streamKey{x.Tenant, x.Host, d.Stream, event.Lane(d.Lane), true}, seq.Range{First: max(d.First, 1), Last: d.Last})
			}
		}
	}
}

func skipped(skip []eventstore.Skip, batch int, seq uint64) bool {
	for _, s := range skip {
		if s.Batch == batch && seq >= s.First && seq <= s.Last {
			return true
		}
	}
	return false
}

func (b *Builder) cover(k streamKey, r seq.Range) {
	have, ok := b.covered[k]
	if !ok {
		b.order = append(b.order, k)
	}
	have.Add(r)
	have.Limit(eventstore.MaxRanges)
	b.covered[k] = have
}

// Covered gives what the records settle, once sealed: first what they hold, then what they tell of.
func (b *Builder) Covered() []eventstore.Covered {
	out := make([]eventstore.Covered, 0, len(b.order))
	for _, told := range []bool{false, true} {
		for _, k := range b.order {
			if k.told == told && len(b.covered[k]) > 0 {
				out = append(out, eventstore.Covered{Tenant: k.tenant, Host: k.host, StreamLane: eventstore.StreamLane{Stream: k.stream, Lane: k.lane}, Ranges: b.covered[k], Told: told})
			}
		}
	}
	return out
}

// part is the rows of one file to be.
type part struct {
	tenant [16]byte
	day    string
	group  string
	rows   []row
}

// Bounds of the days of one seal (docs/limits.md): each day and group is a file, and whoever may choose times chooses days.
const (
	maxHostDays = 4  // of one host: a sensor that was out of reach for longer sends its days one after another
	maxDays     = 32 // of one tenant: 128 files at most
)

// days says in which day's file a row stands.
type days struct {
	host   map[event.HostID]map[string]bool
	tenant map[[16]byte]map[string]bool
}

// of gives the day of a row's time or, when its host or tenant has spread over too many days, the day it was received.
func (d *days) of(r *row) string {
	host, all := d.host[r.id.Host], d.tenant[r.tenant]
	if host == nil {
		host = map[string]bool{}
		d.host[r.id.Host] = host
	}
	if all == nil {
		all = map[string]bool{}
		d.tenant[r.tenant] = all
	}
	day := Day(r.time)
	if !host[day] && len(host) >= maxHostDays || !all[day] && len(all) >= maxDays {
		return Day(r.received)
	}
	host[day], all[day] = true, true
	return day
}

// parts splits the rows by tenant, day and group, each sorted by host, time and order of the boot.
func (b *Builder) parts() []part {
	type key struct {
		tenant [16]byte
		day    string
		group  string
	}
	spread := days{map[event.HostID]map[string]bool{}, map[[16]byte]map[string]bool{}}
	at := map[key]int{}
	var out []part
	for _, r := range b.rows {
		k := key{r.tenant, spread.of(&r), r.kind.Group()}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, part{tenant: k.tenant, day: k.day, group: k.group})
		}
		out[i].rows = append(out[i].rows, r)
	}
	for i := range out {
		slices.SortStableFunc(out[i].rows, func(a, b row) int {
			return cmp.Or(bytes.Compare(a.id.Host[:], b.id.Host[:]), cmp.Compare(a.time, b.time),
				cmp.Compare(a.bootNS, b.bootNS), cmp.Compare(a.id.Seq, b.id.Seq))
		})
	}
	return out
}

// Day gives the UTC day of a time in µs. A time outside the years 1 to 9999 goes to the nearest of them,
// so that it is always a plain folder name.
func Day(us int64) string {
	const lowest, highest = -62135596800000000, 253402300799999999
	return time.UnixMicro(min(max(us, lowest), highest)).UTC().Format(time.DateOnly)
}
