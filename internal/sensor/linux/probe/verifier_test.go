package probe

import (
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/yagura-edr/yagura/internal/sensor/linux/probe/bpf"
)

// Kernel 6.1 refused every program that names a file, with "back-edge from insn", while 6.18 loaded them all:
// before 6.7 the verifier takes the way back to a loop's head only as a jump. This walks the programs as that
// verifier does, on any machine; dev/lane.sh asks the kernels themselves.
func TestLoopsCloseWithAJump(t *testing.T) {
	specs := append(plan(), &hook{name: "snapshot", spec: bpf.LoadSnapshot})
	for _, h := range specs {
		for h = h.instead; h != nil; h = h.instead {
			specs = append(specs, h)
		}
	}
	for _, h := range specs {
		spec, err := h.spec()
		if err != nil {
			t.Fatal(err)
		}
		for name, program := range spec.Programs {
			if from, found := backEdge(program.Instructions); found {
				t.Errorf("%s: instruction %d runs on into the head of a loop: see LOOP_HEAD in record.h", name, from)
			}
		}
	}
}

// backEdge walks the functions depth first and looks for a step to an instruction that is still open, other
// than by a jump.
func backEdge(all asm.Instructions) (from asm.RawInstructionOffset, found bool) {
	type edge struct {
		to   asm.RawInstructionOffset
		jump bool
	}
	edges := map[asm.RawInstructionOffset][]edge{}
	var starts []asm.RawInstructionOffset
	for i := all.Iterate(); i.Next(); {
		next := i.Offset + asm.RawInstructionOffset(i.Ins.Size()/asm.InstructionSize)
		target := edge{asm.RawInstructionOffset(int64(i.Offset) + 1 + int64(i.Ins.Offset)), true}
		switch op := i.Ins.OpCode.JumpOp(); op {
		case asm.Exit:
			edges[i.Offset] = nil
		case asm.Ja:
			edges[i.Offset] = []edge{target}
		case asm.InvalidJumpOp, asm.Call:
			edges[i.Offset] = []edge{{next, false}}
		default:
			edges[i.Offset] = []edge{{next, true}, target}
		}
		if i.Index == 0 || i.Ins.Symbol() != "" {
			starts = append(starts, i.Offset)
		}
	}
	const open, done = 1, 2
	state := map[asm.RawInstructionOffset]int{}
	var walk func(at asm.RawInstructionOffset) bool
	walk = func(at asm.RawInstructionOffset) bool {
		state[at] = open
		for _, e := range edges[at] {
			if state[e.to] == open && !e.jump {
				from = at
				return true
			}
			if state[e.to] == 0 && walk(e.to) {
				return true
			}
		}
		state[at] = done
		return false
	}
	for _, at := range starts {
		if state[at] == 0 && walk(at) {
			return from, true
		}
	}
	return 0, false
}
