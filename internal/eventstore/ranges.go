package eventstore

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// maxRanges bounds what one stream may make us remember. Past it the highest ranges are forgotten: the
// sensor then keeps those events longer than it must, and nothing is lost.
const maxRanges = 4096

// Range is a closed range of sequence numbers.
type Range struct{ First, Last uint64 }

// Ranges is a set of sequence numbers: sorted, disjoint and not adjacent.
type Ranges []Range

// Through gives the highest n such that 1..n are all in the set.
func (r Ranges) Through() uint64 {
	if len(r) == 0 || r[0].First != 1 {
		return 0
	}
	return r[0].Last
}

// Add gives the union of r and x.
func (r Ranges) Add(x Range) Ranges {
	if x.First > x.Last {
		return r
	}
	// i is the first range that ends at or beyond the number before x.
	i := sort.Search(len(r), func(i int) bool { return r[i].Last+1 >= x.First })
	j := i
	for j < len(r) && r[j].First <= x.Last+1 {
		x.First, x.Last = min(x.First, r[j].First), max(x.Last, r[j].Last)
		j++
	}
	out := make(Ranges, 0, len(r)+1)
	out = append(out, r[:i]...)
	out = append(out, x)
	out = append(out, r[j:]...)
	if len(out) > maxRanges {
		out = out[:maxRanges]
	}
	return out
}

// Within gives the parts of x that are in r.
func (r Ranges) Within(x Range) Ranges {
	var out Ranges
	for i := sort.Search(len(r), func(i int) bool { return r[i].Last >= x.First }); i < len(r) && r[i].First <= x.Last; i++ {
		out = append(out, Range{max(r[i].First, x.First), min(r[i].Last, x.Last)})
	}
	return out
}

// String gives "1-17,20-20", the form that the manifest keeps.
func (r Ranges) String() string {
	var b strings.Builder
	for i, x := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(x.First, 10))
		b.WriteByte('-')
		b.WriteString(strconv.FormatUint(x.Last, 10))
	}
	return b.String()
}

// ParseRanges reads what String gave.
func ParseRanges(s string) (Ranges, error) {
	var out Ranges
	if s == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		a, b, ok := strings.Cut(part, "-")
		first, err1 := strconv.ParseUint(a, 10, 64)
		last, err2 := strconv.ParseUint(b, 10, 64)
		if !ok || err1 != nil || err2 != nil || first > last {
			return nil, fmt.Errorf("sequence ranges %q: %q is not FIRST-LAST", s, part)
		}
		out = out.Add(Range{first, last})
	}
	return out, nil
}
