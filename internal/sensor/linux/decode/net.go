package decode

import (
	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
)

const tcpClose = 7 // state of a TCP socket

var netKinds = [...]event.Kind{recConnect: event.NetConnect, recAccept: event.NetAccept, recListen: event.NetListen, recClose: event.NetClose}

func (d *Decoder) net(f *fields, h *head, e *event.Event, emit func(*event.Event)) {
	s := f.sock()
	sent, received, initiated, errno := f.u64(), f.u64(), f.u32(), f.u32()
	if f.short {
		return
	}
	e.Kind = netKinds[h.kind]
	s.fill(e)
	e.Initiated = initiated != 0
	e.BytesSent, e.BytesReceived = sent, received
	switch {
	case errno != 0:
		e.Reason = "not connected: " + unix.Errno(errno).Error()
	case e.Kind == event.NetConnect && s.state == tcpClose:
		e.Reason = "not connected: given up before an answer came"
	}
	emit(e)
}
