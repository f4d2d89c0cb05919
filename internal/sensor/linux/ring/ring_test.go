package ring

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

const (
	page = 4096
	size = 1 << 10
)

// writer does what the kernel does with a ring: it writes records while there is room, and never over what was not given back.
type writer struct {
	own, rest []byte
	r         *Ring
}

func newWriter(start uint64) *writer {
	w := &writer{own: make([]byte, page), rest: make([]byte, page+2*size)}
	binary.LittleEndian.PutUint64(w.own, start)
	binary.LittleEndian.PutUint64(w.rest, start)
	w.r = over(w.own, w.rest, page, size)
	return w
}

// put writes a record with the bits that its length has beside; false: there is no room.
func (w *writer) put(text string, bits uint32) (at uint64, ok bool) {
	at = w.r.Written()
	whole := uint64(headBytes+len(text)+7) &^ 7
	if at+whole-w.r.Read() > size {
		return 0, false
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(text))|bits)
	b = append(append(b, 0, 0, 0, 0), text...)
	for i, c := range b {
		w.set((at+uint64(i))%size, c)
	}
	w.r.producer.Store(at + whole)
	return at, true
}

// set writes one byte of the ring, which is mapped twice.
func (w *writer) set(at uint64, c byte) { w.rest[page+at], w.rest[page+size+at] = c, c }

func TestRecordsAreReadInOrderHoweverTheyLie(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	for _, start := range []uint64{0, size - 8, ^uint64(0)&^7 - 2*size} { // the last one: positions that wrap
		w := newWriter(start)
		var want, got []string
		for n := range 5000 {
			text := strconv.Itoa(n) + string(make([]byte, random.IntN(60)))
			if random.IntN(8) == 0 {
				w.put(text, discard) // its writer thought otherwise
			} else if _, ok := w.put(text, 0); ok {
				want = append(want, text)
			}
			for random.IntN(3) > 0 {
				b, err := w.r.Next()
				if err != nil {
					t.Fatalf("seed %d, start %d: %v", seed, start, err)
				}
				if b == nil {
					break
				}
				got = append(got, string(b))
				if random.IntN(2) == 0 {
					w.r.Done()
				}
			}
		}
		for b, err := w.r.Next(); b != nil || err != nil; b, err = w.r.Next() {
			got = append(got, string(b))
		}
		w.r.Done()
		if !slices.Equal(got, want) || w.r.Read() != w.r.Written() || w.r.Intruded() {
			t.Errorf("seed %d, start %d: %d records read, %d written; read %d, written %d", seed, start, len(got), len(want), w.r.Read(), w.r.Written())
		}
	}
}

func TestARecordThatIsBeingWrittenHoldsThoseBehindIt(t *testing.T) {
	w := newWriter(0)
	at, _ := w.put("first", busy)
	w.put("second", 0)
	if b, err := w.r.Next(); b != nil || err != nil {
		t.Fatalf("Next = %q, %v while the first is being written", b, err)
	}
	w.set(at+3, 0) // the bit lies there
	for _, want := range []string{"first", "second"} {
		if b, err := w.r.Next(); string(b) != want || err != nil {
			t.Errorf("Next = %q, %v; want %q", b, err, want)
		}
	}
}

func TestPositionsThatLieAreRefused(t *testing.T) {
	for name, lie := range map[string]func(w *writer){
		"more than fits":           func(w *writer) { w.r.producer.Store(size + 8) },
		"before the reader":        func(w *writer) { w.r.producer.Store(^uint64(0) - 7) },
		"less than a head":         func(w *writer) { w.r.producer.Store(4) },
		"a record beyond the end":  func(w *writer) { w.put("x", 0); w.set(1, 0x40) },
		"a record of 1 GiB less 1": func(w *writer) { w.put("x", discard-1) },
	} {
		w := newWriter(0)
		lie(w)
		if b, err := w.r.Next(); !errors.Is(err, ErrLies) {
			t.Errorf("%s: Next = %q, %v; want %v", name, b, err, ErrLies)
			continue
		}
		w.r.Skip()
		if w.r.Available() != 0 {
			t.Errorf("%s: %d bytes are there after they were given up", name, w.r.Available())
		}
		w.put("after", 0)
		if b, err := w.r.Next(); string(b) != "after" || err != nil {
			t.Errorf("%s: Next = %q, %v after the ring was given up", name, b, err)
		}
	}
}

// Whoever may open the table can map the reader's position and move it.
func TestAPositionThatSomebodyMovedIsFoundAndPutRight(t *testing.T) {
	w := newWriter(0)
	w.put("one", 0)
	_, _ = w.r.Next()
	w.r.Done()
	if w.r.Intruded() {
		t.Fatal("intruded before anybody did")
	}
	read := w.r.Read()
	for _, to := range []uint64{0, 1 << 40} {
		w.r.consumer.Store(to)
		if !w.r.Intruded() || w.r.Read() != read || w.r.Intruded() {
			t.Errorf("moved to %d: not found, not put right (%d; want %d), or found twice", to, w.r.Read(), read)
		}
		w.r.consumer.Store(to)
		w.put("more", 0)
		_, _ = w.r.Next()
		w.r.Done() // it is put right by reading on, and still told
		read = w.r.Read()
		if !w.r.Intruded() || w.r.Read() != read {
			t.Errorf("moved to %d between two looks: not found", to)
		}
	}
}
