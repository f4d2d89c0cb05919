package probe

import "github.com/yagura-edr/yagura/internal/event"

func (d *decoder) memory(f *fields, h *head, e *event.Event, emit func(*event.Event)) error {
	start, tgid, request := f.u64(), f.u32(), f.u32()
	_, _ = f.u32(), f.u32()
	if f.short {
		return nil
	}
	e.Request = uint64(request)
	switch h.kind {
	case recPtrace:
		e.Kind = event.MemPtrace
	case recVMWrite:
		e.Kind = event.MemVMWrite
	case recMemfd:
		e.Kind = event.MemMemfdCreate
		info := f.file()
		t, err := f.texts()
		if err != nil {
			return err
		}
		d.describe(&e.File, &info, d.words.path(t[textPath]))
		e.Flags |= event.FlagMemoryFile | event.FlagCreated
		emit(e)
		return nil
	}
	if start != 0 {
		d.name(&e.Target, start, tgid)
	} else {
		e.Target.PID = uint64(tgid) // the process tree knows who that is
	}
	emit(e)
	return nil
}
