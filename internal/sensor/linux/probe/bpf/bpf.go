// Package bpf holds the kernel side of the probes: the C sources, one per subject, the objects made of them
// with clang 14, and the loaders that bpf2go writes. It has no logic of its own; package probe loads, attaches
// and reads them. Nothing else may import it.
package bpf
