#!/usr/bin/env bash
# web.sh [build|test|deps]: the console's tools. Node must be ^20.19 or >= 22.12; an older one is replaced by
# npm's node@22 under tools/node.
set -euo pipefail
cd "$(dirname "$0")/.."
ok() { node -e 'const [a,b]=process.versions.node.split(".").map(Number);process.exit((a==20&&b>=19)||(a==22&&b>=12)||a>22?0:1)' 2>/dev/null; }
if ! ok; then
	if [ ! -x tools/node/node_modules/node/bin/node ]; then
		echo "web: this Node is too old: bringing node@22 into tools/node"
		npm install --silent --no-fund --no-audit --prefix tools/node node@22
	fi
	PATH=$PWD/tools/node/node_modules/node/bin:$PATH
	export PATH
fi
cd web
if [ ! -d node_modules ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
	# Not npm ci: it refuses a lock file that was made where a package of another platform could not be seen.
	# install --no-save takes the same pinned versions and changes no file.
	npm install --no-save --no-fund --no-audit --loglevel=error
fi
case ${1:-build} in
deps) ;;
build) npm run --silent build ;;
test) npm test --silent ;;
*) echo "web: unknown word $1: build, test or deps" >&2; exit 2 ;;
esac
