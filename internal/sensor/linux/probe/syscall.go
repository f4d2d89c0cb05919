package probe

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/sensor/linux/decode"
)

// Handlers, as syscall.h numbers them.
const (
	handleAccept  = 1
	handleOpen    = 2
	handleWrite   = 3
	handleRename  = 4
	handleDelete  = 5
	handleChmod   = 6
	handleLink    = 7
	handlePtrace  = 8
	handleVMWrite = 9
	handleMemfd   = 10

	handleTruncate = 11
)

// call mirrors struct call: which handler a system call has, and where its arguments stand.
type call struct {
	Handler, FD, Dir, Path, Dir2, Path2, Value, How uint8
}

const none = 0xff // no such argument

// How of open, write and link handlers.
const (
	openStruct = 1
	openCreat  = 2

	writeSize = 1
	writeMap  = 2

	linkHard     = 0
	linkSymbolic = decode.LinkSymbolic

	acceptMany = 1
)

// calls32 is where the calls of 32-bit programs begin in the table: they are numbered otherwise.
const calls32 = 512

// calls gives the system calls that both architectures have; calls_amd64.go adds the old ones.
func calls() map[uint32]call {
	file := func(handler, fd uint8) call {
		return call{Handler: handler, FD: fd, Dir: none, Path: none, Dir2: none, Path2: none, Value: none}
	}
	path := func(handler, dir, path, value uint8) call {
		return call{Handler: handler, FD: none, Dir: dir, Path: path, Dir2: none, Path2: none, Value: value}
	}
	pair := func(handler, dir, path, dir2, path2, how uint8) call {
		return call{Handler: handler, FD: none, Dir: dir, Path: path, Dir2: dir2, Path2: path2, Value: none, How: how}
	}
	with := func(c call, value, how uint8) call {
		c.Value, c.How = value, how
		return c
	}
	all := map[uint32]call{
		unix.SYS_ACCEPT:            file(handleAccept, none),
		unix.SYS_ACCEPT4:           file(handleAccept, none),
		unix.SYS_OPENAT:            with(file(handleOpen, none), 2, 0),
		unix.SYS_OPENAT2:           with(file(handleOpen, none), 2, openStruct),
		unix.SYS_WRITE:             file(handleWrite, 0),
		unix.SYS_PWRITE64:          file(handleWrite, 0),
		unix.SYS_WRITEV:            file(handleWrite, 0),
		unix.SYS_PWRITEV:           file(handleWrite, 0),
		unix.SYS_PWRITEV2:          file(handleWrite, 0),
		unix.SYS_SENDFILE:          file(handleWrite, 0),
		unix.SYS_COPY_FILE_RANGE:   file(handleWrite, 2),
		unix.SYS_SPLICE:            file(handleWrite, 2),
		unix.SYS_FTRUNCATE:         with(file(handleWrite, 0), 1, writeSize),
		unix.SYS_TRUNCATE:          path(handleTruncate, none, 0, 1),
		unix.SYS_FALLOCATE:         with(file(handleWrite, 0), none, writeSize),
		unix.SYS_MMAP:              with(file(handleWrite, 4), none, writeMap),
		unix.SYS_RENAMEAT2:         pair(handleRename, 0, 1, 2, 3, 0),
		unix.SYS_UNLINKAT:          path(handleDelete, 0, 1, 2),
		unix.SYS_FCHMODAT:          path(handleChmod, 0, 1, 2),
		unix.SYS_FCHMODAT2:         path(handleChmod, 0, 1, 2),
		unix.SYS_FCHMOD:            with(file(handleChmod, 0), 1, 0),
		unix.SYS_LINKAT:            pair(handleLink, 0, 1, 2, 3, linkHard),
		unix.SYS_SYMLINKAT:         pair(handleLink, none, 0, 1, 2, linkSymbolic),
		unix.SYS_PTRACE:            file(handlePtrace, none),
		unix.SYS_PROCESS_VM_WRITEV: file(handleVMWrite, none),
		unix.SYS_MEMFD_CREATE:      file(handleMemfd, none),
	}
	addOldCalls(all, file, path, pair, with)
	return all
}

// attachCalls attaches the dispatcher. It comes after the handlers of every subject were put into place by handle.
func attachCalls(_ *Probe, c *ebpf.Collection) ([]io.Closer, error) {
	l, err := attachOne(c, "call_done")
	if err != nil {
		return nil, err
	}
	return []io.Closer{l}, nil
}

// handle puts the named programs behind their handler numbers.
func handle(programs map[uint32]string) func(*Probe, *ebpf.Collection) ([]io.Closer, error) {
	return func(p *Probe, c *ebpf.Collection) ([]io.Closer, error) {
		for number, name := range programs {
			program := c.Programs[name]
			if program == nil {
				return nil, fmt.Errorf("program %s is missing from its object", name)
			}
			if err := p.maps["handlers"].Put(number, program); err != nil {
				return nil, fmt.Errorf("set handler %s: %w", name, err)
			}
		}
		return []io.Closer{&handled{p.maps["handlers"], programs}}, nil
	}
}

// handled takes programs out of the dispatcher's table when it is closed.
type handled struct {
	table    *ebpf.Map
	programs map[uint32]string
}

// Close ends the calls to the programs.
func (h *handled) Close() error {
	for number, name := range h.programs {
		if err := h.table.Delete(number); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("remove handler %s: %w", name, err)
		}
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
