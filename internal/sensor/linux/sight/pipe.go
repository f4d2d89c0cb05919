package sight

import (
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/decode"
	"github.com/yagura-edr/yagura/internal/sensor/pipeline"
)

// joinPipes tells the table of pipes which ends a new image has, or had a process that ends without one. It needs mu.
func (s *Sight) joinPipes(e *event.Event) {
	if e.Kind != event.ProcessExec && e.Kind != event.ProcessExit {
		return
	}
	ends := s.probe.Ends()
	if len(ends) == 0 {
		return
	}
	var in []pipeline.ID
	var stdin, out pipeline.ID
	for _, end := range ends {
		id := pipeline.ID{Dev: end.Dev, Inode: end.Inode, FIFO: end.How&decode.EndFIFO != 0}
		switch {
		case end.How == decode.EndFile:
		case end.FD == 1 && end.How&decode.EndWrite != 0:
			out = id
		case end.FD == 0 && end.How&decode.EndRead != 0:
			stdin = id
			in = append(in, id)
		case end.FD > 2 && end.How&(decode.EndRead|decode.EndWrite) == decode.EndRead:
			in = append(in, id)
		}
	}
	if e.Kind == event.ProcessExec {
		s.pipes.Exec(&e.Actor, in, stdin, out, e.BootNS)
	} else {
		s.pipes.Exit(&e.Actor, stdin, out, e.BootNS)
	}
}

// tellPipes lets go the pairs whose pipeline is known by now. It needs mu.
func (s *Sight) tellPipes(now uint64) {
	for _, e := range s.pipes.Ready(now) {
		_, host := s.probe.Now()
		e.HostTime = host
		s.tree.Describe(e)
		s.pass(e)
	}
	if s.pipes.Waits() {
		s.arm(hashWait / 5)
	}
}
