package incident

import (
	"slices"

	"github.com/yagura-edr/yagura/internal/event"
)

// ran notes the files that an exec started: its image by identity (or by path where the host gave none)
// and the script by path, since the image of a script is its interpreter.
func (g *Graph) ran(a *activity, p *proc, im *image) {
	r := fileRun{fact: im.fact, by: p}
	switch {
	case im.file.id != "":
		n := a.numbered(im.file, im.time)
		if n == nil {
			n = g.newFile(a, im.file, im.path, im.time)
		}
		if a.at(im.path, im.time) == nil {
			a.alias(n, im.path)
			a.begin(im.path, n, im.time)
		}
		n.runs = addRun(n.runs, r)
		a.touchWriters(n)
	case im.path != "":
		g.ranPath(a, im.path, r)
	}
	if s := scriptOf(im); s != "" {
		g.ranPath(a, s, r)
	}
}

func (g *Graph) ranPath(a *activity, path string, r fileRun) {
	if a.places[path] == nil {
		a.begin(path, g.newFile(a, fileKey{byPath, path}, path, r.time), r.time)
	}
	pl := a.places[path]
	pl.runs = addRun(pl.runs, r)
	if n := a.at(path, r.time); n != nil {
		a.touchWriters(n)
	}
}

func (a *activity) touchWriters(n *fileNode) {
	for _, w := range n.writers {
		a.touch(w.by)
	}
}

func (g *Graph) newFile(a *activity, key fileKey, path string, at int64) *fileNode {
	n := &fileNode{key: key, path: path, seenAt: at, before: a.files[key]}
	if n.before != nil {
		n.before.before = nil // two are enough: lanes are not hours apart
	}
	a.files[key] = n
	a.order = append(a.order, n)
	g.nodes++
	return n
}

// byPath stands for the volume of a file that is known by its path alone.
const byPath = "path"

func known(h [32]byte) bool { return h != [32]byte{} }

// fileOf finds or makes the file that an act was about; a removal makes none.
func (g *Graph) fileOf(a *activity, e *event.Event, f fact) *fileNode {
	key, path := fileKey{e.File.VolumeID, e.File.FileID}, e.File.Path
	unnumbered := fileKey{byPath, path}
	var n *fileNode
	if key.id == "" { // some acts name the path alone
		key, n = unnumbered, a.at(path, f.time)
	} else if n = a.numbered(key, f.time); n != nil && e.Kind == event.FileCreate && e.Flags&event.FlagCreated != 0 && n.reused(path, f) {
		return g.renumber(a, n, path, f.time)
	}
	if n != nil || e.Kind == event.FileDelete {
		return n
	}
	if m := a.files[unnumbered]; m != nil && !m.removed.known() && key != unnumbered {
		// known by its path alone so far: now it has an identity
		delete(a.files, unnumbered)
		m.key, a.files[key] = key, m
		return m
	}
	return g.newFile(a, key, path, f.time)
}

func (g *Graph) file(a *activity, p *proc, e *event.Event, f fact) {
	path := e.File.Path
	n := g.fileOf(a, e, f)
	if e.Kind == event.FileDelete {
		if n != nil {
			a.end(path, n, f.time)
			if e.File.Links <= 1 {
				n.removed = f
			}
		}
		if p.last().on().isTrace(path) {
			p.d().deletes = addNamed(p.d().deletes, named{fact: f, text: path})
		}
		return
	}
	n.seenAt = max(n.seenAt, f.time)
	// A second name of a file that was there: its content and its first name stay.
	second := e.Kind == event.FileLink && n.key.volume != byPath && e.File.Mode&0o170000 == 0o100000
	if path != "" && n.path != path {
		other := path
		if !second && f.time >= n.named {
			other = n.path
			a.end(n.path, n, f.time)
			n.path, n.named = path, f.time
			n.paths = slices.DeleteFunc(n.paths, func(p string) bool { return p == path })
		}
		a.alias(n, other)
	}
	if e.Kind == event.FileRename && e.OldFile.Path != "" && e.OldFile.Path != path {
		a.end(e.OldFile.Path, n, f.time)
	}
	a.begin(path, n, f.time)
	if known(e.File.SHA256) {
		n.sha = e.File.SHA256
	}
	if e.Kind == event.FileCreate && !n.created.known() {
		n.created = f
	}
	for _, w := range n.writers {
		if w.id == f.id {
			return
		}
	}
	for r := range a.runs(n) {
		a.touch(r.by)
	}
	// Who moves a file has not written what is in it, if we know who has.
	moved := e.Kind == event.FileRename && n.key.volume != byPath && len(n.writers) > 0
	if e.Kind != event.FileChmod && !second && !moved {
		n.writers = append(n.writers, fileWrite{fact: f, by: p})
		if len(n.writers) > maxWriters {
			n.writers = append(n.writers[:1], n.writers[2:]...)
		}
	}
	d := p.d()
	for i := range d.writes {
		if d.writes[i].id == f.id {
			return
		}
	}
	d.writes = append(d.writes, write{fact: f, file: n, path: e.File.Path, emptied: e.Kind == event.FileModify && e.File.Size == 0})
	if len(d.writes) > maxWrites {
		d.writes = append(d.writes[:1], d.writes[2:]...)
		d.dropped++
	}
	a.scheduledWrite(p, n, f)
}

// reused says that a created file is another one than n, which has the same number.
func (n *fileNode) reused(path string, f fact) bool {
	switch {
	case n.created.id == f.id:
		return false
	case n.removed.known() && n.removed.time < f.time:
		return true
	case n.path == path:
		return false
	case n.created.known():
		return f.time > n.created.time
	}
	// made now, renamed and run later, when the run arrived first
	return len(n.runs) == 0 || slices.ContainsFunc(n.runs, func(r fileRun) bool { return r.time <= f.time })
}

// numbered gives the file that had the number at the time, or the oldest that is known to have had it; nil when
// none is. A number is given again
// after a removal, but what was removed may still be run by who holds it open.
func (a *activity) numbered(key fileKey, time int64) *fileNode {
	n := a.files[key]
	for n != nil && n.created.known() && n.created.time > time && n.before != nil {
		n = n.before
	}
	return n
}

// renumber makes the file that got n's number at the time, and gives it what ran since.
func (g *Graph) renumber(a *activity, n *fileNode, path string, time int64) *fileNode {
	m := g.newFile(a, n.key, path, time)
	kept := n.runs[:0]
	for _, r := range n.runs {
		if r.time >= time {
			m.runs = append(m.runs, r)
		} else {
			kept = append(kept, r)
		}
	}
	n.runs = kept
	return m
}

func addRun(l []fileRun, r fileRun) []fileRun {
	for _, x := range l {
		if x.id == r.id {
			return l
		}
	}
	l = append(l, r)
	if len(l) > maxRuns {
		l = append(l[:maxRuns/2], l[maxRuns/2+1:]...) // the first and the newest
	}
	return l
}
