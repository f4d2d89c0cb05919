package sigma

// Scratch is the working memory of one judging goroutine: the fields of the record at hand, folded at
// most once. It is used by one goroutine at a time and belongs to the Ruleset that made it.
type Scratch struct {
	set     *Ruleset
	rec     Record
	epoch   uint32
	cells   []cell
	all     cell // every value of the record, for keywords
	answers []answer
	shards  map[LogSource]*marks
	walkers []*walker // by regexAtom.id, made when first needed
}

// answer is what a shared item said of the record of that epoch.
type answer struct {
	epoch uint32
	yes   bool
}

type cell struct {
	epoch  uint32
	folded uint32 // epoch at which low was made
	value  Value
	raw    []string // one entry a list element; the value's text otherwise
	low    [][]byte
}

func (s *Scratch) begin(r Record) {
	s.rec = r
	if s.epoch++; s.epoch == 0 { // wrapped: old stamps could look new
		clear(s.cells)
		clear(s.answers)
		for _, m := range s.shards {
			clear(m.texts)
		}
		s.all = cell{}
		s.epoch = 1
	}
}

func (s *Scratch) end() { s.rec = nil }

// field gives the cell of a field, looked up once a record.
func (s *Scratch) field(slot int) *cell {
	c := &s.cells[slot]
	if c.epoch != s.epoch {
		c.epoch = s.epoch
		c.value = s.rec.Lookup(s.set.fields[slot])
		c.raw = c.raw[:0]
	}
	return c
}

// everything gives a cell with all values of the record as its elements.
func (s *Scratch) everything() *cell {
	c := &s.all
	if c.epoch != s.epoch {
		c.epoch = s.epoch
		c.raw = c.raw[:0]
		c.value = Value{Kind: List}
		s.rec.Each(func(_ string, v Value) bool {
			if v.Kind == List {
				c.raw = append(c.raw, v.List...)
			} else if v.Kind != Absent && v.Kind != Null {
				c.raw = append(c.raw, v.String())
			}
			return true
		})
	}
	return c
}

func (c *cell) present() bool { return c.value.Kind != Absent && c.value.Kind != Null }

// texts gives the elements as written.
func (c *cell) texts() []string {
	if len(c.raw) == 0 && c.present() {
		if c.value.Kind == List {
			c.raw = append(c.raw, c.value.List...)
		} else {
			c.raw = append(c.raw, c.value.String())
		}
	}
	return c.raw
}

// folds gives the elements in lower case. The buffers live as long as the scratch, so that a record
// costs no allocation once they have grown; one that a huge value left is given back.
func (c *cell) folds() [][]byte {
	raw := c.texts()
	if c.folded == c.epoch && len(c.low) == len(raw) {
		return c.low
	}
	c.folded = c.epoch
	c.low = c.low[:0]
	for _, t := range raw {
		var b []byte
		if n := len(c.low); n < cap(c.low) {
			b = c.low[:n+1][n][:0]
			if cap(b) > 160<<10 {
				b = nil
			}
		}
		c.low = append(c.low, foldInto(b, t))
	}
	return c.low
}
