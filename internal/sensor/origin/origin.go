// Package origin remembers which program wrote a file, for an hour and a bounded number of files: when the file is run,
// the exec can say who brought it. Package sight feeds it every file event and the execs that write to a file by
// redirection. A file is known by its inode; a path leads to the inode it led to last, for scripts, of which an exec
// tells only the name. It reads nothing from disk.
package origin

import (
	"slices"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// Bounds. Memory: 2 × maxFiles files of some 300 bytes with their path, and the writers they share, of at most maxLine bytes
// each: 3 MB on a host that writes all the time, 8 MB if every file had a writer of its own.
const (
	maxFiles = 4096 // of one generation; a full young one becomes the old one
	maxPath  = 1024 // bytes of a path; a longer one is not looked up
	maxLine  = 512  // bytes of a command line

	// Keep is how long a writer is remembered.
	Keep = time.Hour
)

// File names a file as events do.
type File struct{ Volume, ID string }

// Writer is a program that wrote a file.
type Writer struct {
	Key     event.Key
	ExecID  uint64
	Path    string
	Line    string
	Lineage []string // its proven roles
}

type entry struct {
	writer *Writer
	path   string
	at     uint64 // boot time of its last write
}

type generation struct {
	files map[File]entry
	paths map[string]File
}

// Table knows who wrote what. It is used from one goroutine at a time.
type Table struct {
	young, old generation
	last       *Writer // of the last event: a program writes many files in a row
}

// New makes an empty table.
func New() *Table { return &Table{young: fresh()} }

func fresh() generation { return generation{files: map[File]entry{}, paths: map[string]File{}} }

// Len gives the number of files known.
func (t *Table) Len() int { return len(t.young.files) + len(t.old.files) }

// See learns from an event of a file.
func (t *Table) See(e *event.Event) {
	f := File{e.File.VolumeID, e.File.FileID}
	switch e.Kind {
	case event.FileCreate, event.FileModify:
		if f.ID == "" {
			f = t.path(e.File.Path)
		}
		if f.ID != "" {
			t.put(f, entry{writer: t.writer(&e.Actor, e.Lineage), path: e.File.Path, at: e.BootNS})
		}
	case event.FileRename:
		// Who moves a file has not written it: only the name changes.
		if f.ID == "" {
			f = t.path(e.OldFile.Path)
		}
		if n, ok := t.get(f); ok {
			n.path = e.File.Path
			t.put(f, n)
		}
	case event.FileDelete:
		if e.File.Links > 1 && f.ID != "" {
			return // it has another name still
		}
		if f.ID == "" {
			f = t.path(e.File.Path)
		}
		delete(t.young.files, f)
		delete(t.old.files, f)
	}
}

// Redirected learns that a program was started whose standard output goes to a file: the shell that made the file did so for
// that program.
func (t *Table) Redirected(f File, who *event.Process, lineage []string, at uint64) {
	n, _ := t.get(f)
	n.writer, n.at = t.writer(who, lineage), at
	t.put(f, n)
}

// Of gives the writer of a file, and how long ago it wrote; nil when that was not seen, or over an hour ago.
func (t *Table) Of(f File, now uint64) (*Writer, uint64) {
	n, ok := t.get(f)
	if !ok || n.writer == nil || now > n.at+uint64(Keep) {
		return nil, 0
	}
	if now < n.at { // the rings are merged by time but for a few microseconds
		return n.writer, 1
	}
	return n.writer, max(now-n.at, 1)
}

// OfPath is Of for a path, as the kernel names it.
func (t *Table) OfPath(path string, now uint64) (*Writer, uint64) {
	f := t.path(path)
	if n, ok := t.get(f); !ok || n.path != path {
		return nil, 0 // it was moved away since
	}
	return t.Of(f, now)
}

func (t *Table) path(p string) File {
	if f, ok := t.young.paths[p]; ok {
		return f
	}
	return t.old.paths[p]
}

func (t *Table) get(f File) (entry, bool) {
	if f == (File{}) {
		return entry{}, false
	}
	if n, ok := t.young.files[f]; ok {
		return n, true
	}
	n, ok := t.old.files[f]
	return n, ok
}

func (t *Table) put(f File, n entry) {
	if len(t.young.files) >= maxFiles || len(t.young.paths) >= maxFiles {
		t.old, t.young = t.young, fresh()
	}
	// Copies: what an event has may be a small part of a large piece of memory.
	old, known := t.young.files[f]
	if !known {
		f = File{string([]byte(f.Volume)), string([]byte(f.ID))}
	}
	if known && old.path == n.path {
		n.path = old.path
	} else if n.path = string([]byte(n.path)); n.path != "" && len(n.path) <= maxPath {
		t.young.paths[n.path] = f
	}
	t.young.files[f] = n
}

func (t *Table) writer(p *event.Process, lineage []string) *Writer {
	// The roles may have gone since: who outlives the package manager that started it has lost its role.
	if w := t.last; w != nil && w.Key == p.Key && w.ExecID == p.ExecID && w.Path == p.Path && slices.Equal(w.Lineage, lineage) {
		return w
	}
	line := p.CommandLine
	if len(line) > maxLine {
		line = line[:maxLine]
	}
	t.last = &Writer{Key: p.Key, ExecID: p.ExecID, Path: string([]byte(p.Path)), Line: string([]byte(line)), Lineage: append([]string(nil), lineage...)}
	return t.last
}
