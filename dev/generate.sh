#!/usr/bin/env bash
# Regenerates everything that is generated from a source in this tree: event codec, protobuf code,
# BPF objects, docs. Called by make generate, from the repository's root.
set -euo pipefail
bin=$PWD/.tools
mkdir -p "$bin"
GOBIN=$bin go -C tools install google.golang.org/protobuf/cmd/protoc-gen-go connectrpc.com/connect/cmd/protoc-gen-connect-go github.com/cilium/ebpf/cmd/bpf2go
go run ./internal/event/generate
go run ./internal/config/generate
go run ./internal/incident/generate
module=github.com/yagura-edr/yagura
if [ "$(protoc --version 2>/dev/null)" != "libprotoc 3.21.12" ]; then
  echo "generate: protobuf code: skipped: it is made with protoc 3.21.12 (Debian 12); other versions write other headers"
else
PATH=$bin:$PATH protoc -I api \
  --go_out=. --go_opt=module=$module \
  --connect-go_out=. --connect-go_opt=module=$module \
  api/sensor/v1/*.proto api/console/v1/*.proto
fi
# The console's client is generated only where its tools are installed (npm ci in web/).
if [ -x web/node_modules/.bin/protoc-gen-es ]; then
  PATH=$PWD/web/node_modules/.bin:$PATH protoc -I api --es_out=web/src/api/gen --es_opt=target=ts \
    api/console/v1/*.proto
fi
bash internal/sensor/linux/probe/bpf/generate.sh
bash internal/sensor/linux/contain/bpf/generate.sh
