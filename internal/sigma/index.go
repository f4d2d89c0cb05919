package sigma

import (
	"math/bits"
	"slices"
)

// shard is the rules that read one log source, with an index over their witnesses.
type shard struct {
	rules  []*Rule
	always []uint64 // bit set: rules without a witness
	fields []fieldIndex
	texts  int // different needles
}

// fieldIndex finds all needles of one field in one pass. Each needle is filed under one gram (2 or 4 bytes of it, the
// rarest); a value's grams are looked up in a bit set first, which most of them fail.
type fieldIndex struct {
	slot int
	four gramTable
	two  gramTable // of needles under 4 bytes
}

type gramTable struct {
	seen  []uint64 // bit set over hashes
	heads []int32  // hash → entry + 1, chained by next
	entry []entry
	shift uint32
}

type entry struct {
	gram  uint32
	at    int32 // of the gram in the text
	next  int32 // entry + 1
	text  string
	id    int32 // of the text, to be marked once a record
	rules []int32
}

const hashOdd = 2654435761

// minIndexed is the least number of rules worth an index.
const minIndexed = 6

func newShard(set *Ruleset, rules []*Rule) *shard {
	sh := &shard{rules: rules, always: make([]uint64, (len(rules)+63)/64)}
	byNeedle := map[needle][]int32{}
	var order []needle
	for i, r := range rules {
		w := set.witnesses[r]
		if len(rules) < minIndexed || len(w) == 0 {
			sh.always[i/64] |= 1 << (i % 64)
			continue
		}
		for _, n := range w {
			list, ok := byNeedle[n]
			if !ok {
				order = append(order, n)
			}
			if len(list) == 0 || list[len(list)-1] != int32(i) {
				byNeedle[n] = append(list, int32(i))
			}
		}
	}
	slices.SortStableFunc(order, func(a, b needle) int { return a.slot - b.slot })
	for from := 0; from < len(order); {
		to := from
		for to < len(order) && order[to].slot == order[from].slot {
			to++
		}
		f := fieldIndex{slot: order[from].slot}
		for _, n := range order[from:to] {
			e := entry{text: n.text, id: int32(sh.texts), rules: byNeedle[n]}
			sh.texts++
			if len(n.text) >= 4 {
				e.at = rarest(n.text)
				e.gram = gram4(n.text, int(e.at))
				f.four.entry = append(f.four.entry, e)
			} else {
				e.gram = uint32(n.text[0]) | uint32(n.text[1])<<8
				f.two.entry = append(f.two.entry, e)
			}
		}
		f.four.file()
		f.two.file()
		sh.fields = append(sh.fields, f)
		from = to
	}
	return sh
}

func gram4(s string, i int) uint32 {
	return uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16 | uint32(s[i+3])<<24
}

// rarest gives the place of the four bytes of a text that say most.
func rarest(s string) int32 {
	best, at := -1, 0
	for i := 0; i+4 <= len(s); i++ {
		v := 0
		for _, c := range []byte(s[i : i+4]) {
			switch {
			case c == 'e' || c == 't' || c == 'a' || c == 'o' || c == 's' || c == 'i' || c == 'n' || c == 'r' || c == '.' || c == '/' || c == '\\' || c == ' ':
				v += 2
			case c >= 'a' && c <= 'z':
				v += 4
			default:
				v += 5
			}
		}
		if s[i:i+4] == ".exe" || s[i:i+4] == "/usr" || s[i:i+4] == "/bin" {
			v = 0
		}
		if v > best {
			best, at = v, i
		}
	}
	return int32(at)
}

// file sorts the entries into their chains.
func (g *gramTable) file() {
	if len(g.entry) == 0 {
		return
	}
	size := max(10, bits.Len(uint(len(g.entry)))+2) // 4 to 8 places for each entry
	g.shift = uint32(32 - size)
	g.heads = make([]int32, 1<<size)
	g.seen = make([]uint64, 1<<(size-6))
	for i := range g.entry {
		h := g.entry[i].gram * hashOdd >> g.shift
		g.entry[i].next = g.heads[h]
		g.heads[h] = int32(i + 1)
		g.seen[h/64] |= 1 << (h % 64)
	}
}

// marks is what one goroutine keeps of a shard.
type marks struct {
	of    *shard
	rules []uint64 // bit set: rules to judge
	texts []uint32 // epoch at which a text was found
}

// candidates gives the bit set of rules that a record can satisfy.
func (m *marks) candidates(s *Scratch) []uint64 {
	copy(m.rules, m.of.always)
	for i := range m.of.fields {
		f := &m.of.fields[i]
		var c *cell
		if f.slot == keywords {
			c = s.everything()
		} else {
			c = s.field(f.slot)
		}
		if !c.present() {
			continue
		}
		for _, v := range c.folds() {
			m.scan(f, v, s.epoch)
		}
	}
	return m.rules
}

func (m *marks) scan(f *fieldIndex, v []byte, epoch uint32) {
	if len(f.two.entry) > 0 {
		t := &f.two
		for i := 0; i+2 <= len(v); i++ {
			g := uint32(v[i]) | uint32(v[i+1])<<8
			if h := g * hashOdd >> t.shift; t.seen[h/64]&(1<<(h%64)) != 0 {
				m.look(t, h, g, v, i, epoch)
			}
		}
	}
	if len(f.four.entry) > 0 && len(v) >= 4 {
		t := &f.four
		seen, shift := t.seen, t.shift
		g := uint32(v[0])<<8 | uint32(v[1])<<16 | uint32(v[2])<<24
		for i, c := range v[3:] {
			g = g>>8 | uint32(c)<<24
			if h := g * hashOdd >> shift; seen[h/64]&(1<<(h%64)) != 0 {
				m.look(t, h, g, v, i, epoch)
			}
		}
	}
}

// look compares the texts filed under the gram that stands at v[i:].
func (m *marks) look(t *gramTable, h, g uint32, v []byte, i int, epoch uint32) {
	for n := t.heads[h]; n != 0; {
		e := &t.entry[n-1]
		n = e.next
		from := i - int(e.at)
		if e.gram != g || m.texts[e.id] == epoch || from < 0 || from+len(e.text) > len(v) || string(v[from:from+len(e.text)]) != e.text {
			continue
		}
		m.texts[e.id] = epoch
		for _, r := range e.rules {
			m.rules[r/64] |= 1 << (r % 64)
		}
	}
}
