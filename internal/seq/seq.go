// Package seq knows sets of sequence numbers. Every event of a stream and lane has a number, from 1 without holes; what
// the server has accepted, what a store has sealed, what a spool has freed and what was lost are sets of such numbers,
// and nearly always a single range. A set is kept as its ranges, so that a million events cost sixteen bytes, and a
// hostile host that makes holes pays for them alone: Limit bounds what it may make us remember.
package seq

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Range is the numbers First to Last, both included. It is empty when First is 0 or beyond Last.
type Range struct{ First, Last uint64 }

// Empty says whether there is no number in it.
func (x Range) Empty() bool { return x.First == 0 || x.First > x.Last }

// Count gives how many numbers there are.
func (x Range) Count() uint64 {
	if x.Empty() {
		return 0
	}
	return x.Last - x.First + 1
}

// Set is a set of numbers: its ranges, sorted, apart and not adjacent. The zero value is the empty set.
type Set []Range

// Through gives the highest n such that 1 to n are all in the set: the watermark. 0: 1 is not in it.
func (s Set) Through() uint64 {
	if len(s) == 0 || s[0].First != 1 {
		return 0
	}
	return s[0].Last
}

// Count gives how many numbers are in the set.
func (s Set) Count() (n uint64) {
	for _, x := range s {
		n += x.Count()
	}
	return n
}

// Of gives the set of the numbers of x.
func Of(x Range) Set {
	if x.Empty() {
		return nil
	}
	return Set{x}
}

// Join gives the set of the numbers of ranges in any order, which may overlap. It changes the memory of ranges, which
// the caller gives up for the result.
func Join(ranges []Range) Set {
	ranges = slices.DeleteFunc(ranges, Range.Empty)
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	out := Set(ranges[:0])
	for _, x := range ranges {
		out.Add(x) // always at the end: it never overtakes the loop
	}
	return out
}

// Add puts the numbers of x in.
func (s *Set) Add(x Range) {
	if x.Empty() {
		return
	}
	r := *s
	if n := len(r); n > 0 && r[n-1].First <= x.First { // events come in order: nearly always at the end
		if last := &r[n-1]; x.First-1 <= last.Last {
			last.Last = max(last.Last, x.Last)
			return
		}
		*s = append(*s, x)
		return
	}
	// i is the first range that ends at or beyond the number before x, j the first that begins beyond the number after.
	i := r.from(x.First - 1)
	j := i
	for j < len(r) && r[j].First-1 <= x.Last {
		x.First, x.Last = min(x.First, r[j].First), max(x.Last, r[j].Last)
		j++
	}
	*s = slices.Replace(r, i, j, x)
}

// Has says whether all of x is in the set; of an empty range it is true.
func (s Set) Has(x Range) bool {
	if x.Empty() {
		return true
	}
	i := s.from(x.First)
	return i < len(s) && s[i].First <= x.First && x.Last <= s[i].Last
}

// Missing gives the parts of x that are not in the set.
func (s Set) Missing(x Range) Set {
	if x.Empty() {
		return nil
	}
	var out Set
	for i := s.from(x.First); i < len(s) && s[i].First <= x.Last; i++ {
		if s[i].First > x.First {
			out = append(out, Range{x.First, s[i].First - 1})
		}
		if s[i].Last >= x.Last {
			return out
		}
		x.First = s[i].Last + 1
	}
	return append(out, x)
}

// Within gives the parts of x that are in the set.
func (s Set) Within(x Range) Set {
	if x.Empty() {
		return nil
	}
	var out Set
	for i := s.from(x.First); i < len(s) && s[i].First <= x.Last; i++ {
		out = append(out, Range{max(s[i].First, x.First), min(s[i].Last, x.Last)})
	}
	return out
}

// Widens says whether x would be a range of its own: whether adding it makes another hole.
func (s Set) Widens(x Range) bool {
	if x.Empty() {
		return false
	}
	i := s.from(x.First - 1)
	return i == len(s) || s[i].First-1 > x.Last
}

// from gives the first range that ends at n or beyond.
func (s Set) from(n uint64) int {
	return sort.Search(len(s), func(i int) bool { return s[i].Last >= n })
}

// Common gives how many numbers are in both sets.
func (s Set) Common(o Set) (n uint64) {
	for i, j := 0, 0; i < len(s) && j < len(o); {
		n += Range{max(s[i].First, o[j].First), min(s[i].Last, o[j].Last)}.Count()
		if s[i].Last < o[j].Last {
			i++
		} else {
			j++
		}
	}
	return n
}

// Limit forgets the highest ranges beyond n of them. What is forgotten is asked for or kept once more: nothing is lost.
func (s *Set) Limit(n int) { *s = (*s)[:min(len(*s), n)] }

// String gives "1-17,20-20", the form that the control database keeps.
func (s Set) String() string {
	var b strings.Builder
	for i, x := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(x.First, 10))
		b.WriteByte('-')
		b.WriteString(strconv.FormatUint(x.Last, 10))
	}
	return b.String()
}

// Parse reads what String gave.
func Parse(text string) (Set, error) {
	var out Set
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		a, b, ok := strings.Cut(part, "-")
		first, err1 := strconv.ParseUint(a, 10, 64)
		last, err2 := strconv.ParseUint(b, 10, 64)
		x := Range{first, last}
		if !ok || err1 != nil || err2 != nil || x.Empty() {
			return nil, fmt.Errorf("sequence numbers %.80q: %.40q is not FIRST-LAST, from 1", text, part)
		}
		out.Add(x)
	}
	return out, nil
}
