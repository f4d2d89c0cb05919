package probe

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
)

// Who has root can open every table of the kernel programs by its number and write into it (bpf(2)). So a table is
// closed to system calls before the first program that uses it is attached: what programs keep there themselves
// (budgets, what was told before, counters) they still write, nobody else does. Tables that only say what to look
// for are closed to programs as well, in their C. Nothing opens a table again.

// open are the tables that cannot be frozen, and what watches them instead.
var open = []string{
	"ring_critical", "ring_network", "ring_bulk", // the reader's position is mapped: (*ring.Ring).Intruded
	"settings", // mapped: (*sleeper).intruded
	"handlers", // changes when a hook is taken off: (*hook).verify
}

// freeze closes tables to system calls.
func freeze(tables map[string]*ebpf.Map) error {
	for name, m := range tables {
		if slices.Contains(open, name) {
			continue
		}
		info, err := m.Info()
		if err == nil && !info.Frozen() {
			err = m.Freeze()
		}
		if err != nil {
			return fmt.Errorf("freeze map %s: %w", name, err)
		}
	}
	return nil
}

// constants writes the read-only data of an object, which the library freezes before it loads a program: whose acts are
// not reported, and which system calls are looked at.
func (p *Probe) constants(spec *ebpf.CollectionSpec) error {
	if v := spec.Variables["self"]; v != nil && !p.opts.ReportSelf {
		if err := v.Set(p.self); err != nil {
			return fmt.Errorf("set the sensor's own process: %w", err)
		}
	}
	if v := spec.Variables["calls"]; v != nil {
		var table [2 * calls32]call
		for number, c := range calls() {
			table[number] = c
		}
		if err := v.Set(table); err != nil {
			return fmt.Errorf("set the table of system calls: %w", err)
		}
	}
	return nil
}
