#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target of the tree for TIME each.
set -euo pipefail
time=${1:-30s}
grep -rlE '^func Fuzz' --include='*_test.go' internal cmd rules 2>/dev/null | sort | while read -r file; do
	for target in $(grep -oE '^func Fuzz[A-Za-z0-9_]*' "$file" | awk '{print $2}'); do
		echo "== $target in $(dirname "$file")"
		go test -tags duckdb,duckdb_arrow -run '^$' -fuzz "^$target\$" -fuzztime "$time" "./$(dirname "$file")"
	done
done
