#!/usr/bin/env bash
# Compiles the isolation programs to one little-endian object with its loader. Called by dev/generate.sh from
# the repository's root, with bpf2go in .tools. Objects differ by clang release: only clang 14 may make them.
set -euo pipefail
if ! command -v clang-14 >/dev/null; then
  echo "BPF objects: skipped, clang 14 not found"
  exit 0
fi
bin=$PWD/.tools
cd internal/sensor/linux/contain/bpf
"$bin/bpf2go" -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package bpf -output-dir . -output-stem isolate \
  -no-global-types Isolate isolate.bpf.c -- -mcpu=v3 -O2 -g -Wall -Werror -fdebug-compilation-dir=.
