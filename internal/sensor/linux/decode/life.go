package decode

import "github.com/yagura-edr/yagura/internal/event"

func (d *Decoder) fork(f *fields, e *event.Event, emit func(*event.Event)) {
	childStart, childTgid := f.u64(), f.u32()
	if f.short {
		return
	}
	e.Kind = event.ProcessFork
	d.name(&e.Target, childStart, childTgid)
	e.Target.ExecID = e.Actor.ExecID
	emit(e)
}

func (d *Decoder) exit(f *fields, e *event.Event, emit func(*event.Event)) {
	cpu, code := f.u64(), f.u32()
	_ = f.u32()
	d.ends = d.ends[:0]
	for range 2 {
		if end := f.end(); end.How != 0 {
			d.ends = append(d.ends, end)
		}
	}
	if f.short {
		return
	}
	e.Kind = event.ProcessExit
	e.CPUTime = cpu
	e.ExitSignal = uint64(code & 0x7f)
	if e.ExitSignal == 0 {
		e.ExitCode = int64(code >> 8 & 0xff)
	}
	emit(e)
}

// signal is one that was sent to the sensor; the actor is who sent it.
func (d *Decoder) signal(f *fields, e *event.Event, emit func(*event.Event)) {
	number := f.u32()
	_ = f.u32()
	if f.short {
		return
	}
	e.Kind = event.SensorSignal
	e.Request = uint64(number)
	emit(e)
}
