package decode

import (
	"bytes"
	"path"
	"strconv"
	"unsafe"
)

// texts of one kind are few on a host and come again and again: users, terminals, images, folders. Those are kept
// and given out again. Names of files do not come again; they are cut out of chunks, which live as long as one
// of their texts does and are never written twice.
type words struct {
	young, old map[string]string
	chunk      []byte
	scratch    []byte
	numbers    [256]struct {
		n    uint32
		text string
	}
	devices [16]struct {
		n    uint32
		text string
	}
	cgroups map[string]cgroupNames
}

type cgroupNames struct{ leaf, container string }

const (
	maxWords   = 4096 // each generation; a full young one becomes the old one
	maxWord    = 256  // bytes; a longer text is not kept
	maxCgroups = 1024 // full: all are forgotten
	chunkBytes = 16 << 10
)

// word gives a text that is likely to come again.
func (w *words) word(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := w.young[string(b)]; ok {
		return s
	}
	if len(b) > maxWord {
		return string(b)
	}
	s, ok := w.old[string(b)]
	if !ok {
		s = string(b)
	}
	if w.young == nil || len(w.young) >= maxWords {
		w.old, w.young = w.young, make(map[string]string)
	}
	w.young[s] = s
	return s
}

// room gives n bytes that nobody else has, to be made a text by cutOut.
func (w *words) room(n int) []byte {
	if n > chunkBytes/4 {
		return make([]byte, 0, n)
	}
	if cap(w.chunk)-len(w.chunk) < n {
		w.chunk = make([]byte, 0, chunkBytes)
	}
	at := len(w.chunk)
	w.chunk = w.chunk[:at+n]
	return w.chunk[at : at : at+n]
}

// cutOut makes a text of bytes that room gave. They are not written again.
func cutOut(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b)) //nolint:gosec // see room
}

// number gives a number that is likely to come again, as text.
func (w *words) number(n uint32) string {
	e := &w.numbers[n%uint32(len(w.numbers))]
	if e.n != n || e.text == "" {
		e.n, e.text = n, strconv.FormatUint(uint64(n), 10)
	}
	return e.text
}

// inode gives a number that is not likely to come again, as text.
func (w *words) inode(n uint64) string { return cutOut(strconv.AppendUint(w.room(20), n, 10)) }

// Volume writes a device number of the kernel as events name a volume: "major:minor".
func Volume(dev uint32) string {
	return strconv.FormatUint(uint64(dev>>20), 10) + ":" + strconv.FormatUint(uint64(dev&(1<<20-1)), 10)
}

// device is Volume of a number that is likely to come again.
func (w *words) device(dev uint32) string {
	e := &w.devices[dev%uint32(len(w.devices))]
	if e.n != dev || e.text == "" {
		e.n, e.text = dev, Volume(dev)
	}
	return e.text
}

// cgroup gives the names in a cgroup's path.
func (w *words) cgroup(b []byte) cgroupNames {
	if len(b) == 0 {
		return cgroupNames{}
	}
	if n, ok := w.cgroups[string(b)]; ok {
		return n
	}
	if w.cgroups == nil || len(w.cgroups) >= maxCgroups {
		w.cgroups = map[string]cgroupNames{}
	}
	var n cgroupNames
	n.leaf, n.container = cgroup(b)
	w.cgroups[string(b)] = n
	return n
}

// folder gives a path that is likely to come again, from its components.
func (w *words) folder(b []byte) string {
	w.scratch = appendPath(w.scratch[:0], b)
	return w.word(w.scratch)
}

// path gives a path that is not likely to come again, from its components.
func (w *words) path(b []byte) string { return cutOut(appendPath(w.room(len(b)), b)) }

// named joins the folder that a path argument starts from, in components, with the argument.
func (w *words) named(base, argument []byte) string {
	if len(argument) == 0 {
		return w.path(base)
	}
	b := w.room(len(base) + 1 + len(argument))
	b = appendPath(b, base)
	if len(b) == 1 { // the root
		b = b[:0]
	}
	if argument[0] != '/' {
		b = append(b, '/')
	}
	b = append(b, argument...)
	if clean(b) {
		return cutOut(b)
	}
	return path.Clean(string(b))
}

// clean says whether path.Clean would leave an absolute path as it is. It may say no to one that is.
func clean(b []byte) bool {
	for i, c := range b {
		if c == '/' && (i+1 == len(b) || b[i+1] == '/' || b[i+1] == '.') {
			return len(b) == 1
		}
	}
	return true
}

// appendPath appends the path that components make, leaf first, each ended by NUL. It takes as many bytes as they do.
func appendPath(out, b []byte) []byte {
	if len(b) == 1 && b[0] == 0 {
		return append(out, '/')
	}
	for end := len(b); end > 0; {
		end-- // the NUL
		start := bytes.LastIndexByte(b[:end], 0) + 1
		out = append(out, '/')
		out = append(out, b[start:end]...)
		end = start
	}
	return out
}
