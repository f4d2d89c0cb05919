package probe

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// The library's way of asking for a program reads all of its code, three times; these two ask for the little that is
// looked at every few seconds (uapi/linux/bpf.h).
const bpfInfo = 15 // BPF_OBJ_GET_INFO_BY_FD

// programInfo mirrors the beginning of struct bpf_prog_info.
type programInfo struct {
	_, ID    uint32
	_        [8]byte
	_, _     uint32
	_, _, _  uint64
	_        uint32
	tables   uint32
	tablesAt uint64
	name     [16]byte
}

// tableInfo mirrors the beginning of struct bpf_map_info.
type tableInfo struct{ _, ID uint32 }

func askInfo(fd int, info unsafe.Pointer, size uintptr) error {
	attr := struct {
		fd, size uint32
		info     uint64
	}{uint32(fd), uint32(size), uint64(uintptr(info))}
	_, _, errno := unix.Syscall(unix.SYS_BPF, bpfInfo, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr)) //nolint:gosec // its argument
	if errno != 0 {
		return fmt.Errorf("ask for an object of the kernel: %w", errno)
	}
	return nil
}

// mostTables is how many tables of a program are looked at.
const mostTables = 64

// program gives number, name and tables of a program.
func program(p *ebpf.Program) (id ebpf.ProgramID, name string, tables []ebpf.MapID, err error) {
	var list [mostTables]ebpf.MapID
	info := programInfo{tables: mostTables, tablesAt: uint64(uintptr(unsafe.Pointer(&list)))} //nolint:gosec // the kernel writes there
	err = askInfo(p.FD(), unsafe.Pointer(&info), unsafe.Sizeof(info))                         //nolint:gosec // as above
	runtime.KeepAlive(&list)
	if err != nil {
		return 0, "", nil, err
	}
	return ebpf.ProgramID(info.ID), unix.ByteSliceToString(info.name[:]), list[:min(info.tables, mostTables)], nil
}

func idOf(p *ebpf.Program) ebpf.ProgramID {
	id, _, _, err := program(p)
	if err != nil {
		return 0
	}
	return id
}

// known are the programs and tables of this sensor, by their numbers in the kernel.
type known struct {
	programs map[ebpf.ProgramID]bool
	tables   map[ebpf.MapID]string
}

func (k *known) add(c *ebpf.Collection) error {
	if k.programs == nil {
		k.programs, k.tables = map[ebpf.ProgramID]bool{}, map[ebpf.MapID]string{}
	}
	for name, p := range c.Programs {
		id := idOf(p)
		if id == 0 {
			return fmt.Errorf("program %s has no number", name)
		}
		k.programs[id] = true
	}
	for name, m := range c.Maps {
		var info tableInfo
		if err := askInfo(m.FD(), unsafe.Pointer(&info), unsafe.Sizeof(info)); err != nil { //nolint:gosec // the kernel writes there
			return fmt.Errorf("map %s: %w", name, err)
		}
		k.tables[ebpf.MapID(info.ID)] = name
	}
	return nil
}
