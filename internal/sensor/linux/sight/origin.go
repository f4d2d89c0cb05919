package sight

import (
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/decode"
	"github.com/yagura-edr/yagura/internal/sensor/origin"
)

// origin learns who writes files, and tells an exec who wrote what it runs: the script that the kernel was asked to run, the image, or the
// script that an interpreter was given as an argument.
func (s *Sight) origin(e *event.Event) {
	s.originsMu.Lock()
	defer s.originsMu.Unlock()
	switch {
	case e.Kind.Class() == "file":
		s.origins.See(e)
		return
	case e.Kind != event.ProcessExec:
		return
	}
	for _, end := range s.probe.Ends() {
		if end.FD == 1 && end.How == decode.EndFile {
			volume, id := end.File()
			s.origins.Redirected(origin.File{Volume: volume, ID: id}, &e.Actor, e.Lineage, e.BootNS)
		}
	}
	var w *origin.Writer
	var age uint64
	if e.Actor.Interpreter != "" {
		w, age = s.origins.OfPath(e.Actor.Interpreter, e.BootNS)
	}
	if w == nil {
		w, age = s.origins.Of(origin.File{Volume: e.Actor.VolumeID, ID: e.Actor.FileID}, e.BootNS)
	}
	if w == nil && e.Actor.Interpreter == "" {
		if script := origin.Operand(&e.Actor, s.probe.Arguments()); script != "" {
			w, age = s.origins.OfPath(script, e.BootNS)
		}
	}
	if w != nil {
		e.WriterPath, e.WriterCommandLine, e.WriterAge = w.Path, w.Line, age
	}
}

// wrote gives the roles of the program that was seen to write a file.
func (s *Sight) wrote(volume, id string) (roles []string, seen bool) {
	boot, _ := s.probe.Now()
	s.originsMu.Lock()
	defer s.originsMu.Unlock()
	w, _ := s.origins.Of(origin.File{Volume: volume, ID: id}, boot)
	if w == nil {
		return nil, false
	}
	return w.Lineage, true
}
