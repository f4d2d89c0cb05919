package segment

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
)

// Builder gathers the events of some log records. It holds them all in memory; the server bounds how
// many it sends.
type Builder struct {
	fields  table
	rows    []row
	covered map[streamKey]eventstore.Ranges
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
}

// NewBuilder gives an empty one.
func NewBuilder() *Builder {
	return &Builder{fields: newTable(), covered: map[streamKey]eventstore.Ranges{}}
}

// Rows gives how many events are held.
func (b *Builder) Rows() int { return len(b.rows) }

// Add takes one log record. A batch that cannot be read, or holds text that is not UTF-8, is kept aside
// in Bad and counts as covered: one batch never stops the store.
func (b *Builder) Add(e eventstore.Entry) {
	for i := range e.Batches {
		x := &e.Batches[i]
		key := streamKey{x.Tenant, x.Host, x.Stream, x.Lane}
		whole := eventstore.Range{First: x.First, Last: x.First + uint64(x.Count) - 1}
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
			b.Raw = append(b.Raw, x.Content)
			continue
		}
		for _, d := range dropped {
			if d.Last>>62 == 0 {
				// What a sensor says it dropped will never come: it is settled.
				b.cover(streamKey{x.Tenant, x.Host, d.Stream, event.Lane(d.Lane)}, eventstore.Range{First: max(d.First, 1), Last: d.Last})
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

func (b *Builder) cover(k streamKey, r eventstore.Range) {
	if _, ok := b.covered[k]; !ok {
		b.order = append(b.order, k)
	}
	b.covered[k] = b.covered[k].Add(r)
}

// Covered gives what the records settle, once sealed.
func (b *Builder) Covered() []eventstore.Covered {
	out := make([]eventstore.Covered, 0, len(b.order))
	for _, k := range b.order {
		if len(b.covered[k]) == 0 {
			continue
		}
		out = append(out, eventstore.Covered{Tenant: k.tenant, Host: k.host, StreamLane: eventstore.StreamLane{Stream: k.stream, Lane: k.lane}, Ranges: b.covered[k]})
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

// parts splits the rows by tenant, day and group, each sorted by host, time and order of the boot.
func (b *Builder) parts() []part {
	type key struct {
		tenant [16]byte
		day    string
		group  string
	}
	at := map[key]int{}
	var out []part
	for _, r := range b.rows {
		k := key{r.tenant, Day(r.time), r.kind.Group()}
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
