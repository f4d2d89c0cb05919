package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/yagura-edr/yagura/internal/event"
)

// A record is a header of fixed size and the batch's content. The header has its own checksum, so that a
// record with damaged content still says which numbers it held.
const (
	headerSize = 64
	recordMark = "YSP1"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged says that bytes are not what was written.
var errDamaged = errors.New("damaged")

// header says what a record holds.
type header struct {
	lane   event.Lane
	stream uint64
	first  uint64
	count  uint32
	boot   [16]byte
	size   uint32 // of content
	sum    uint32 // CRC32C of content
}

func (h *header) last() uint64 { return h.first + uint64(h.count) - 1 }

// append writes: mark 4, version 1, lane 1, zero 2, size 4, count 4, stream 8, first 8, boot 16, zero 8,
// sum of content 4, sum of the header before it 4; little-endian.
func (h *header) append(b []byte) []byte {
	at := len(b)
	b = append(b, recordMark...)
	b = append(b, 1, byte(h.lane), 0, 0)
	b = binary.LittleEndian.AppendUint32(b, h.size)
	b = binary.LittleEndian.AppendUint32(b, h.count)
	b = binary.LittleEndian.AppendUint64(b, h.stream)
	b = binary.LittleEndian.AppendUint64(b, h.first)
	b = append(b, h.boot[:]...)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, h.sum)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[at:], castagnoli))
}

// parseHeader reads a header; a wrong one is errDamaged.
func parseHeader(b []byte) (h header, err error) {
	if len(b) < headerSize {
		return h, fmt.Errorf("header of %d bytes: %w", len(b), errDamaged)
	}
	b = b[:headerSize]
	if string(b[:4]) != recordMark || binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return h, fmt.Errorf("header: %w", errDamaged)
	}
	if b[4] != 1 {
		return h, fmt.Errorf("record of version %d, this sensor reads 1: %w", b[4], errDamaged)
	}
	h.lane = event.Lane(b[5])
	h.size = binary.LittleEndian.Uint32(b[8:])
	h.count = binary.LittleEndian.Uint32(b[12:])
	h.stream = binary.LittleEndian.Uint64(b[16:])
	h.first = binary.LittleEndian.Uint64(b[24:])
	copy(h.boot[:], b[32:])
	h.sum = binary.LittleEndian.Uint32(b[56:])
	if h.lane > event.Bulk || h.size > event.MaxBatchBytes || h.count == 0 || h.count > event.MaxBatchEvents || h.first == 0 || h.first+uint64(h.count) < h.first {
		return h, fmt.Errorf("header says the impossible: %w", errDamaged)
	}
	return h, nil
}

// found is a record at its place in a file.
type found struct {
	header
	at int64 // of the header
}

// walk lists the records of a file by their headers. Bytes between records that are no record come back
// as holes; the content of a record is checked when it is read.
func walk(r io.ReaderAt, size int64) (records []found, holes [][2]int64, err error) {
	buf := make([]byte, headerSize)
	for at := int64(0); at < size; {
		n, err := r.ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return records, holes, fmt.Errorf("read at byte %d: %w", at, err)
		}
		h, bad := parseHeader(buf[:n])
		if bad == nil && at+headerSize+int64(h.size) <= size {
			records = append(records, found{h, at})
			at += headerSize + int64(h.size)
			continue
		}
		next, err := resync(r, at+1, size)
		if err != nil {
			return records, holes, err
		}
		if bad == nil && next >= size {
			// A whole header whose content is cut short, at the end: a torn write. It still says its numbers.
			records = append(records, found{h, at})
			return records, holes, nil
		}
		holes = append(holes, [2]int64{at, next})
		at = next
	}
	return records, holes, nil
}

// resync gives the place of the next whole header, or size.
func resync(r io.ReaderAt, at, size int64) (int64, error) {
	const window = 256 << 10
	buf := make([]byte, window)
	for at < size {
		n, err := r.ReadAt(buf[:min(window, size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return at, fmt.Errorf("read at byte %d: %w", at, err)
		}
		for i := 0; i < n; {
			j := bytes.Index(buf[i:n], []byte(recordMark))
			if j < 0 {
				break
			}
			i += j
			if i+headerSize > n {
				break // may go on in the next window
			}
			if _, err := parseHeader(buf[i:n]); err == nil {
				return at + int64(i), nil
			}
			i++
		}
		if n <= headerSize {
			return size, nil
		}
		at += int64(n - headerSize + 1)
	}
	return size, nil
}
