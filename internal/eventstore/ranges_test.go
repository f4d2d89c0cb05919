package eventstore_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/yagura-edr/yagura/internal/eventstore"
)

func TestRangesAreASetOfNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := map[uint64]bool{}
		var r eventstore.Ranges
		for range rapid.IntRange(0, 12).Draw(t, "adds") {
			first := rapid.Uint64Range(1, 40).Draw(t, "first")
			x := eventstore.Range{First: first, Last: first + rapid.Uint64Range(0, 6).Draw(t, "more") - 1} // may be empty
			r = r.Add(x)
			for n := x.First; n <= x.Last; n++ {
				set[n] = true
			}
		}
		through := uint64(0)
		for set[through+1] {
			through++
		}
		if r.Through() != through {
			t.Fatalf("%v.Through() = %d; want %d", r, r.Through(), through)
		}
		for i := 1; i < len(r); i++ {
			if r[i].First <= r[i-1].Last+1 {
				t.Fatalf("%v is not sorted and apart", r)
			}
		}
		within := 0
		for _, x := range r.Within(eventstore.Range{First: 5, Last: 20}) {
			for n := x.First; n <= x.Last; n++ {
				if !set[n] || n < 5 || n > 20 {
					t.Fatalf("%v.Within(5..20) holds %d", r, n)
				}
				within++
			}
		}
		for n := uint64(5); n <= 20; n++ {
			if set[n] {
				within--
			}
		}
		if within != 0 {
			t.Fatalf("%v.Within(5..20) has %d numbers too many", r, within)
		}
		again, err := eventstore.ParseRanges(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("ParseRanges(%q) = %v, %v", r, again, err)
		}
	})
}

func TestRangesOfAHostileStreamAreBounded(t *testing.T) {
	var r eventstore.Ranges
	for n := uint64(20_000); n > 0; n-- {
		r = r.Add(eventstore.Range{First: 2 * n, Last: 2 * n})
	}
	if len(r) > 4096 || r[0].First != 2 {
		t.Errorf("%d ranges are kept, the lowest %v; want at most 4096, from 2", len(r), r[0])
	}
}

func FuzzParseRanges(f *testing.F) {
	f.Add("1-17,20-20")
	f.Add("")
	f.Add("18446744073709551615-18446744073709551615,1-1")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := eventstore.ParseRanges(s)
		if err != nil {
			return
		}
		again, err := eventstore.ParseRanges(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%q became %q, then %q, %v", s, r, again, err)
		}
	})
}
