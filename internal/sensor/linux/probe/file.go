package probe

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/frozen"
)

var fileKinds = [...]event.Kind{
	recCreate: event.FileCreate, recModify: event.FileModify, recRename: event.FileRename,
	recDelete: event.FileDelete, recChmod: event.FileChmod, recRead: event.FileReadCredential, recLink: event.FileLink,
}

func (d *decoder) file(f *fields, h *head, e *event.Event, emit func(*event.Event)) error {
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
		if within := d.within[path.Base(target)]; within != "" && !strings.Contains(path.Dir(target), within) {
			return nil
		}
	case recCreate:
		e.Flags |= event.FlagCreated
	case recModify:
		// Without a hook inside the call nobody knows what was in the file: it is taken to have had something.
		if how&changeEmptied != 0 || how&changeCut != 0 && !d.sizes {
			e.Flags |= event.FlagEmptied
		}
	case recChmod:
		e.File.Mode = e.File.Mode&^0o7777 | uint64(mode&0o7777)
	case recRename:
		e.OldFile.Path = d.words.named(t[textOldBase], t[textOldUser])
	case recLink:
		if how == linkSymbolic {
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

// Bits of how of a change.
const (
	changeCut     = 1
	changeEmptied = 2
)

const (
	secretName  = 48
	secretUnder = 16
)

// fillSecrets gives the kernel side the names of credential files.
func fillSecrets(p *Probe, c *ebpf.Collection) error {
	names := map[[secretName]byte][secretUnder]byte{}
	for _, credential := range p.opts.Credentials {
		var name [secretName]byte
		var under [secretUnder]byte
		if len(credential.Name) >= secretName || len(credential.Under) >= secretUnder {
			return fmt.Errorf("credential name %q under %q: at most %d and %d bytes", credential.Name, credential.Under, secretName-1, secretUnder-1)
		}
		copy(name[:], credential.Name)
		copy(under[:], credential.Under)
		names[name] = under
	}
	if err := frozen.Fill(c.Maps["secrets"], names); err != nil {
		return fmt.Errorf("watch credential names: %w", err)
	}
	return nil
}

// attachFile puts the handlers into place.
func attachFile(p *Probe, c *ebpf.Collection) ([]io.Closer, error) {
	links, err := handle(map[uint32]string{
		handleOpen: "open_done", handleWrite: "write_done", handleRename: "rename_done",
		handleDelete: "delete_done", handleChmod: "chmod_done", handleLink: "link_done", handleTruncate: "truncate_done",
	})(p, c)
	if err != nil {
		return links, err
	}
	return attachIfLoaded(c, "uring_done", links)
}

// cut gives the bytes before the first NUL.
func cut(b []byte) []byte {
	if before, _, ok := bytes.Cut(b, []byte{0}); ok {
		return before
	}
	return b
}
