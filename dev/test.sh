#!/usr/bin/env bash
# The whole test run, in order of speed. Every failure ends it at once, with its name as the last lines.
set -euo pipefail
cd "$(dirname "$0")/.."
tags=duckdb,duckdb_arrow
# Rules and recordings for tests lie beside the checkout where they are; tests skip with the reason elsewhere.
if [ -z "${YAGURA_DATA:-}" ] && [ -d ../shared/data ]; then
	YAGURA_DATA=$(cd ../shared/data && pwd)
fi
export YAGURA_DATA=${YAGURA_DATA:-}
step() { printf '\n== %s (at %d s)\n' "$*" "$SECONDS"; }

step "the house: imports, words, package comments"
go test -count=1 ./internal/arch

step "units on real parts: kernel, JetStream, DuckDB, SQLite"
go test -tags $tags -p 2 -timeout 15m $(go list -tags $tags ./... | grep -v -e /internal/arch -e /cmd/yagura$)

step "rules: every sample fires, every near-miss stays quiet"
bin/yagura rules check
bin/yagura rules test

step "the console's own tests"
bash dev/web.sh test

step "end to end: attack stories, browser, kills"
bash dev/e2e.sh
printf '\nmake test took %d s\n' "$SECONDS"
