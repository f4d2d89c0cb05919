package decode

import (
	"strconv"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
)

// memoryOpened reads that a process opened /proc/PID/mem of another one for writing. The name is the kernel's; the number in it is that of
// the pid namespace that the proc file system belongs to.
func (d *Decoder) memoryOpened(f *fields, e *event.Event, emit func(*event.Event)) error {
	_, _, _ = f.file(), f.u32(), f.u32()
	t, err := f.texts()
	if err != nil {
		return err
	}
	if f.short {
		return nil
	}
	e.Kind = event.MemProcWrite
	e.File.Path = d.words.path(t[textPath])
	// …/PID/mem or …/PID/task/TID/mem
	parts := strings.Split(e.File.Path, "/")
	at := len(parts) - 2
	if at >= 2 && parts[at-1] == "task" {
		at -= 2
	}
	if at > 0 {
		if pid, err := strconv.ParseUint(parts[at], 10, 32); err == nil {
			e.Target.PID = pid // the process tree knows who that is
		}
	}
	emit(e)
	return nil
}

func (d *Decoder) memory(f *fields, h *head, e *event.Event, emit func(*event.Event)) error {
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
