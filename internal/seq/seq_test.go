package seq_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/yagura-edr/yagura/internal/seq"
)

const most = 90 // the highest number of the plain set

// numbers is the plain form that the compact one is held against.
type numbers [most + 16]bool

func (n *numbers) of(s seq.Set, t *rapid.T) (out numbers) {
	for i, x := range s {
		if x.Empty() || i > 0 && x.First <= s[i-1].Last+1 {
			t.Fatalf("%v is not sorted and apart", s)
		}
		for k := x.First; k <= x.Last; k++ {
			out[k] = true
		}
	}
	return out
}

func TestASetIsASetOfNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s seq.Set
		var plain numbers
		var added []seq.Range
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			first := rapid.Uint64Range(0, most).Draw(t, "first") // 0: an empty range
			x := seq.Range{First: first, Last: first + rapid.Uint64Range(0, 12).Draw(t, "more") - min(first, 1)}
			var want struct{ missing, within numbers }
			has, count := true, uint64(0)
			for k := x.First; k <= x.Last && !x.Empty(); k++ {
				want.missing[k], want.within[k] = !plain[k], plain[k]
				has = has && plain[k]
				count++
			}
			before := slices.Clone(s)
			if got := plain.of(s.Missing(x), t); got != want.missing {
				t.Fatalf("%v.Missing(%v) = %v", s, x, s.Missing(x))
			}
			if got := plain.of(s.Within(x), t); got != want.within {
				t.Fatalf("%v.Within(%v) = %v", s, x, s.Within(x))
			}
			if s.Has(x) != has || x.Count() != count {
				t.Fatalf("%v.Has(%v) = %v, Count() = %d", s, x, s.Has(x), x.Count())
			}
			widens := s.Widens(x)
			if !slices.Equal(before, s) {
				t.Fatalf("asking changed %v to %v", before, s)
			}
			if got := s.Common(seq.Of(x)); got != s.Within(x).Count() {
				t.Fatalf("%v.Common(%v) = %d", s, x, got)
			}
			s.Add(x)
			if added = append(added, x); !slices.Equal(seq.Join(slices.Clone(added)), s) {
				t.Fatalf("Join(%v) = %v; want %v", added, seq.Join(slices.Clone(added)), s)
			}
			if widens != (len(s) > len(before)) {
				t.Fatalf("%v.Widens(%v) = %v; then %v", before, x, widens, s)
			}
			for k := x.First; k <= x.Last && !x.Empty(); k++ {
				plain[k] = true
			}
			through, all := uint64(0), uint64(0)
			for plain[through+1] {
				through++
			}
			for _, in := range plain {
				if in {
					all++
				}
			}
			if s.Through() != through || s.Count() != all || plain.of(s, t) != plain {
				t.Fatalf("%v: Through() = %d, Count() = %d; want %d, %d", s, s.Through(), s.Count(), through, all)
			}
			again, err := seq.Parse(s.String())
			if err != nil || !slices.Equal(again, s) {
				t.Fatalf("Parse(%q) = %v, %v", s, again, err)
			}
		}
	})
}

// The highest number there is has no number after it.
func TestTheLastNumberOfAllEndsTheSet(t *testing.T) {
	const end = math.MaxUint64
	s := seq.Of(seq.Range{First: end, Last: end})
	s.Add(seq.Range{First: 1, Last: 1})
	s.Add(seq.Range{First: end - 1, Last: end})
	if s.String() != "1-1,18446744073709551614-18446744073709551615" || s.Widens(seq.Range{First: 2, Last: end}) {
		t.Errorf("%v", s)
	}
	if s.Add(seq.Range{First: 2, Last: end}); s.Through() != end || len(s) != 1 {
		t.Errorf("%v; want all numbers", s)
	}
}

func TestLimitForgetsTheHighest(t *testing.T) {
	var s seq.Set
	for n := uint64(20_000); n > 0; n-- {
		s.Add(seq.Range{First: 2 * n, Last: 2 * n})
		s.Limit(4096)
	}
	if len(s) != 4096 || s[0].First != 2 {
		t.Errorf("%d ranges are kept, the lowest %v; want 4096, from 2", len(s), s[0])
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1-17,20-20")
	f.Add("")
	f.Add("0-5")
	f.Add("18446744073709551615-18446744073709551615,1-1")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := seq.Parse(text)
		if err != nil {
			return
		}
		again, err := seq.Parse(s.String())
		if err != nil || !slices.Equal(again, s) {
			t.Fatalf("%q became %q, then %q, %v", text, s, again, err)
		}
	})
}
