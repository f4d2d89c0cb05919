package spool

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/yagura-edr/yagura/internal/event"
)

// A tally is a small file, mapped shared, that always holds the last number given out in each lane of one
// stream. What a killed process wrote into such a mapping stays: so the next start knows what was given
// out and never reached a file of records, and reports it instead of closing the stream below it.
const (
	tallyMark  = "YST1"
	tallySize  = 4096
	tallyHead  = 64
	slotSize   = 16
	tallyBytes = tallyHead + 3*slotSize
	extTally   = ".given"
	// No sensor comes near: a file that says more is damaged.
	maxTally = 1 << 48
)

// slot is one lane of the mapping: the number and, for whoever reads it after a crash, its complement.
type slot struct{ number, complement atomic.Uint64 }

// note writes the number down before its event exists. It costs nanoseconds. A mapping that lost its
// file (cut short by someone, or no room left on a copy-on-write disk) makes it say false, not the
// sensor die.
func (s *slot) note(n uint64) (ok bool) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		if recover() != nil {
			ok = false
		}
	}()
	s.number.Store(n)
	s.complement.Store(^n)
	return true
}

// given reads what note wrote. A kill between its two stores leaves the number one ahead.
func given(b []byte) (uint64, error) {
	n, other := binary.LittleEndian.Uint64(b), ^binary.LittleEndian.Uint64(b[8:])
	if n != other && n != other+1 || n > maxTally {
		return 0, fmt.Errorf("number %d beside %d: %w", n, other, errDamaged)
	}
	return n, nil
}

// parseTally reads a tally. Lanes that are damaged stay zero, which means unknown.
func parseTally(b []byte) (stream uint64, last [3]uint64, err error) {
	if len(b) < tallyBytes || string(b[:4]) != tallyMark || binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return 0, last, fmt.Errorf("tally: %w", errDamaged)
	}
	if b[4] != 1 {
		return 0, last, fmt.Errorf("tally of version %d, this sensor reads 1: %w", b[4], errDamaged)
	}
	for l := range last {
		n, bad := given(b[tallyHead+l*slotSize:])
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("tally of lane %s: %w", event.Lane(l), bad))
		}
		last[l] = n
	}
	return binary.LittleEndian.Uint64(b[8:]), last, err
}

func newTally(stream uint64) []byte {
	b := make([]byte, tallySize)
	copy(b, tallyMark)
	b[4] = 1
	binary.LittleEndian.PutUint64(b[8:], stream)
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	for l := range 3 {
		binary.LittleEndian.PutUint64(b[tallyHead+l*slotSize+8:], ^uint64(0))
	}
	return b
}

// tally is the one of this start.
type tally struct {
	path string
	m    []byte
}

func (t *tally) slot(lane int) *slot {
	return (*slot)(unsafe.Pointer(&t.m[tallyHead+lane*slotSize])) //nolint:gosec // a page of our own, aligned
}

// makeTally writes, syncs and maps a new tally: its blocks exist before anyone stores into them.
func makeTally(dir string, stream uint64) (*tally, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make tally: %w", err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%016x", stream)+extTally)
	f, err := os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make tally: %w", err)
	}
	_, err = f.Write(newTally(stream))
	if err == nil {
		err = syncData(f)
	}
	var m []byte
	if err == nil {
		m, err = mapFile(f, tallySize)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		if m != nil {
			err = errors.Join(err, unmapFile(m))
		}
		_ = os.Remove(path + ".new") // best effort: removed at the next start
		return nil, fmt.Errorf("make tally: %w", err)
	}
	return &tally{path: path, m: m}, nil
}

// oldTally is one that an earlier start left, because it was killed.
type oldTally struct {
	path   string
	stream uint64
	last   [3]uint64
}

// readTallies lists what earlier starts left in a folder. One that cannot be read says nothing, like one
// that is not there: its stream is closed at the last number that is on disk.
func readTallies(dir string) (out []oldTally, err error) {
	entries, lerr := os.ReadDir(dir)
	if lerr != nil {
		return nil, nil //nolint:nilerr // nothing was left
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasSuffix(e.Name(), extTally+".new") {
			_ = os.Remove(path) // of a start that was cut short
			continue
		}
		id, cut := strings.CutSuffix(e.Name(), extTally)
		stream, perr := strconv.ParseUint(id, 16, 64)
		if !cut || perr != nil || !e.Type().IsRegular() {
			continue
		}
		t := oldTally{path: path}
		b, rerr := readUpTo(path, tallyBytes)
		if rerr == nil {
			t.stream, t.last, rerr = parseTally(b)
			if rerr == nil && t.stream != stream {
				rerr = fmt.Errorf("it is of stream %016x: %w", t.stream, errDamaged)
			}
		}
		if rerr != nil {
			err = errors.Join(err, fmt.Errorf("read %s: %w", e.Name(), rerr))
			if t.stream != stream {
				t.stream, t.last = stream, [3]uint64{}
			}
		}
		out = append(out, t)
	}
	return out, err
}

func readUpTo(path string, n int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	defer f.Close()
	b := make([]byte, n)
	n, err = f.ReadAt(b, 0)
	if n < len(b) {
		return nil, fmt.Errorf("%d bytes: %w", n, errors.Join(errDamaged, err))
	}
	return b, nil
}

// tallyDirs lists where tallies are looked for; the first that takes one is used.
func (s *Spool) tallyDirs() []string {
	if s.o.Volatile == "" {
		return []string{s.dir}
	}
	full, err := filepath.Abs(s.dir)
	if err != nil {
		full = s.dir
	}
	sum := sha256.Sum256([]byte(full)) // several sensors may run on one host
	return []string{filepath.Join(s.o.Volatile, fmt.Sprintf("%x", sum[:8])), s.dir}
}

// readTallies takes what killed starts had given out into the state of their streams.
func (s *Spool) readTallies() {
	for _, dir := range s.tallyDirs() {
		found, err := readTallies(dir)
		if err != nil {
			s.log.Warn("tally of a killed sensor damaged, what it had not written cannot be counted", slog.Any("err", err))
		}
		for _, o := range found {
			if o.stream == s.stream {
				continue
			}
			s.old = append(s.old, o)
			t := s.stateOf(o.stream)
			for l, n := range o.last {
				t.through(event.Lane(l), n)
			}
		}
	}
}

func (s *Spool) openTally() {
	var err error
	for _, dir := range s.tallyDirs() {
		if dir != s.dir && !inMemory(dir) {
			continue // a disk of another kind is no better than our own folder
		}
		if dir == s.dir && s.lock == nil {
			err = errors.New("the spool has no folder")
			continue
		}
		t, terr := makeTally(dir, s.stream)
		if terr != nil {
			err = terr
			continue
		}
		s.tally, s.stats.Tally = t, t.path
		for l := range s.put {
			s.put[l].slot = t.slot(l)
		}
		return
	}
	s.log.Warn("no tally of the numbers given out: what a killed sensor had not written would not be counted", slog.Any("err", err))
}

// removeOldTallies ends what killed starts left; what they told is in streams.json now.
func (s *Spool) removeOldTallies() {
	for _, o := range s.old {
		if err := os.Remove(o.path); err != nil {
			s.log.Warn("tally cannot be removed", slog.Any("err", err)) // read again at the next start, which changes nothing
		}
	}
	s.old = nil
}

// closeTally gives the mapping up, and the file too when the numbers are safe elsewhere.
func (s *Spool) closeTally(safe bool) error {
	if s.tally == nil {
		return nil
	}
	for l := range s.put {
		b := &s.put[l]
		b.mu.Lock()
		b.slot = nil
		b.mu.Unlock()
	}
	err := unmapFile(s.tally.m)
	if safe {
		err = errors.Join(err, os.Remove(s.tally.path))
		if dir := filepath.Dir(s.tally.path); dir != s.dir {
			_ = os.Remove(dir) // stays when older tallies are in it
		}
	}
	s.tally = nil
	s.mu.Lock()
	s.stats.Tally = ""
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("close tally: %w", err)
	}
	return nil
}
