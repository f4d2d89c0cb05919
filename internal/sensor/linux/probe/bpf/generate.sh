#!/usr/bin/env bash
# Compiles every *.bpf.c here to one little-endian object with its loader. Called by dev/generate.sh from the
# repository's root, with bpf2go in .tools. Objects differ by clang release, so only clang 14 may make them.
set -euo pipefail
if ! command -v clang-14 >/dev/null; then
  echo "BPF objects: skipped, clang 14 not found"
  exit 0
fi
here=internal/sensor/linux/probe/bpf
bin=$PWD/.tools
cd "$here"
for source in *.bpf.c; do
  subject=${source%.bpf.c}
  "$bin/bpf2go" -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package bpf -output-dir . -output-stem "$subject" \
    -no-global-types "${subject^}" "$source" -- -mcpu=v3 -O2 -g -Wall -Werror -fdebug-compilation-dir=.
done
