// Package bpf holds the kernel side of isolation: its C source, the object made of it with clang 14, and the
// loader that bpf2go writes. It has no logic of its own; package contain loads and attaches it. Nothing else
// may import it.
package bpf
