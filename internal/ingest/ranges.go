package ingest

import "sort"

// Range is a closed range of sequence numbers.
type Range struct{ First, Last uint64 }

// ranges is a set of sequence numbers: sorted, disjoint and not adjacent.
type ranges []Range

// maxRanges bounds the holes of one stream and lane. Beyond it batches that make another hole are
// refused until the sensor has sent what is missing.
const maxRanges = 1024

// through gives the highest n such that 1 to n are all in the set: the watermark.
func (r ranges) through() uint64 {
	if len(r) == 0 || r[0].First != 1 {
		return 0
	}
	return r[0].Last
}

// add gives the union of r and x.
func (r ranges) add(x Range) ranges {
	if x.First > x.Last || x.First == 0 {
		return r
	}
	if n := len(r); n > 0 && r[n-1].First <= x.First { // nearly always at the end: no copy
		if last := &r[n-1]; x.First <= last.Last || x.First == last.Last+1 {
			last.Last = max(last.Last, x.Last)
			return r
		}
		return append(r, x)
	}
	i := sort.Search(len(r), func(i int) bool { return r[i].Last >= x.First || r[i].Last+1 == x.First })
	j := i
	for j < len(r) && (r[j].First <= x.Last || r[j].First-1 == x.Last) {
		x.First, x.Last = min(x.First, r[j].First), max(x.Last, r[j].Last)
		j++
	}
	out := make(ranges, 0, len(r)+1)
	out = append(out, r[:i]...)
	out = append(out, x)
	return append(out, r[j:]...)
}

// missing gives the parts of x that are not in r, in order.
func (r ranges) missing(x Range) []Range {
	var out []Range
	for i := sort.Search(len(r), func(i int) bool { return r[i].Last >= x.First }); i < len(r) && r[i].First <= x.Last; i++ {
		if r[i].First > x.First {
			out = append(out, Range{x.First, r[i].First - 1})
		}
		if r[i].Last >= x.Last {
			return out
		}
		x.First = r[i].Last + 1
	}
	return append(out, x)
}

// widens says whether adding x would make another hole.
func (r ranges) widens(x Range) bool { return len(r.add0(x)) > len(r) }

func (r ranges) add0(x Range) ranges { return append(ranges(nil), r...).add(x) }
