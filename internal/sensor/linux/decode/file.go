package decode

import (
	"bytes"
	"path"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
)

var fileKinds = [...]event.Kind{
	recCreate: event.FileCreate, recModify: event.FileModify, recRename: event.FileRename,
	recDelete: event.FileDelete, recChmod: event.FileChmod, recRead: event.FileReadCredential, recLink: event.FileLink,
}

func (d *Decoder) file(f *fields, h *head, e *event.Event, emit func(*event.Event)) error {
	info, mode, how := f.file(), f.u32(), f.u32()
	t, err := f.texts()
	if err != nil {
		return err
	}
	if f.short {
		return nil
	}
	e.Kind = fileKinds[h.kind]
	target := d.words.named(t[textPath], t[textUser])
	if info.ino != 0 {
		d.describe(&e.File, &info, target)
		e.Flags |= info.flags(target)
	} else {
		e.File.Path = target
		if h.kind != recDelete {
			e.Flags |= (&fileInfo{magic: magicTmpfs}).flags(target)
		}
	}
	switch h.kind {
	case recRead:
		if within := d.o.Within[path.Base(target)]; within != "" && !strings.Contains(path.Dir(target), within) {
			return nil
		}
	case recCreate:
		e.Flags |= event.FlagCreated
	case recModify:
		// Without a hook inside the call nobody knows what was in the file: it is taken to have had something.
		if how&changeEmptied != 0 || how&changeCut != 0 && !d.o.Sizes {
			e.Flags |= event.FlagEmptied
		}
	case recChmod:
		e.File.Mode = e.File.Mode&^0o7777 | uint64(mode&0o7777)
	case recRename:
		e.OldFile.Path = d.words.named(t[textOldBase], t[textOldUser])
	case recLink:
		if how == LinkSymbolic {
			e.OldFile.Path = string(t[textOldUser])
			if !strings.HasPrefix(e.OldFile.Path, "/") {
				e.OldFile.Path = path.Join(path.Dir(target), e.OldFile.Path)
			}
		} else {
			e.OldFile.Path = d.words.named(t[textOldBase], t[textOldUser])
		}
	}
	emit(e)
	return nil
}

// LinkSymbolic is how a record of a link says that the link is a symbolic one; the table of calls has it too.
const LinkSymbolic = 1

// Bits of how of a change.
const (
	changeCut     = 1
	changeEmptied = 2
)

// cut gives the bytes before the first NUL.
func cut(b []byte) []byte {
	if before, _, ok := bytes.Cut(b, []byte{0}); ok {
		return before
	}
	return b
}
