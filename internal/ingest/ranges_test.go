package ingest

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestRangesAreASet holds the compact form against a plain set of numbers.
func TestRangesAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r ranges
		set := map[uint64]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			first := rapid.Uint64Range(1, 80).Draw(t, "first")
			x := Range{first, first + rapid.Uint64Range(0, 12).Draw(t, "more")}
			missing := map[uint64]bool{}
			last := uint64(0)
			for _, m := range r.missing(x) {
				if m.First > m.Last || m.First <= last && last != 0 {
					t.Fatalf("missing(%v) of %v is not in order: %v", x, r, m)
				}
				last = m.Last
				for n := m.First; n <= m.Last; n++ {
					missing[n] = true
				}
			}
			for n := x.First; n <= x.Last; n++ {
				if missing[n] == set[n] {
					t.Fatalf("%d: missing %v, in the set %v (%v)", n, missing[n], set[n], r)
				}
			}
			before := slices.Clone(r)
			widens := r.widens(x)
			if !slices.Equal(before, r) {
				t.Fatalf("asking changed %v to %v", before, r)
			}
			r = r.add(x)
			if widens != (len(r) > len(before)) {
				t.Fatalf("widens(%v) of %v = %v", x, before, widens)
			}
			for n := x.First; n <= x.Last; n++ {
				set[n] = true
			}
			through := uint64(0)
			for set[through+1] {
				through++
			}
			if r.through() != through {
				t.Fatalf("through of %v = %d; want %d", r, r.through(), through)
			}
			for i := 1; i < len(r); i++ {
				if r[i].First <= r[i-1].Last+1 {
					t.Fatalf("not disjoint: %v", r)
				}
			}
		}
	})
}
