# Yagura. `make` prints what it can do; every target calls a script in dev/ or one command.
TAGS    := duckdb,duckdb_arrow
GO      := go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
export GOFLAGS := -mod=readonly

.DEFAULT_GOAL := help
.PHONY: help up build cli test test-race lane lane-hosts e2e lint generate check-clean bench bench-sigma bench-sensor bench-store bench-latency bench-flood bench-page bench-response bench-quiet efficacy soak soak-faults fuzz web clean

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

up: build ## build, then run the server, the console and a sensor on this host
	bin/yagura up $(ARGS)

build: ## bin/yagura (server, CLI) and bin/yagura-sensor (one static file)
	@sh dev/need.sh go gcc g++
	$(GO) build -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/yagura ./cmd/yagura
	CGO_ENABLED=0 $(GO) build -ldflags '$(LDFLAGS)' -o bin/yagura-sensor ./cmd/yagura-sensor

cli: ## the CLI without an event store, for linux, darwin and windows
	@sh dev/cross.sh

test: build ## all tests: units, real kernel, real browser, stories, kills (about 20 minutes)
	@sh dev/need.sh test
	bash dev/test.sh

test-race: ## unit tests under the race detector
	$(GO) test -race -short -tags $(TAGS) ./internal/... ./cmd/... ./rules/...

lane: ## the sensor on stock Debian kernels 6.1 and 6.12, in qemu without KVM (not part of make test)
	bash dev/lane.sh $(ARGS)

lane-hosts: build ## two hosts in qemu without KVM: one attack over both, order of time, orders (not part of make test)
	bash dev/lane-hosts.sh $(ARGS)

e2e: build ## the attack stories, in the CLI and in real Chromium
	@sh dev/need.sh test
	bash dev/e2e.sh

lint: ## gofmt, vet and golangci-lint
	test -z "$$(gofmt -l cmd internal rules)"
	$(GO) vet -tags $(TAGS) ./...
	$(GO) tool -modfile=tools/go.mod golangci-lint run --build-tags $(TAGS) ./...

generate: ## everything that is generated from a source in this tree
	@sh dev/need.sh generate
	bash dev/generate.sh

check-clean: ## fail when regenerating changes anything
	bash dev/check-clean.sh

bench: bench-sigma bench-store bench-sensor bench-latency bench-page bench-flood bench-response ## every benchmark that docs/benchmarks.md quotes

bench-sigma: ## rule engine, events per second
	$(GO) test -run '^$$' -bench . -benchmem ./internal/sigma ./internal/detect ./internal/incident

bench-store: ## log, segments, bytes per event
	$(GO) test -tags $(TAGS) -run '^$$' -bench . -benchmem ./internal/stream ./internal/eventstore/...

bench-sensor: ## run time of each BPF program, exec storm, Pss at rest (root)
	bash dev/bench/sensor.sh

bench-latency: build ## kernel timestamp to live stream and to searchable at 0 to 5,000 events/s, memory (root)
	bash dev/bench/latency.sh

bench-page: build ## kernel timestamp to the row in the page, in Chromium, at 1,000 events/s (root)
	@sh dev/need.sh test
	bash dev/bench/page.sh

bench-flood: build ## server and workers at 5,000 events/s from synthetic sensors: lag, memory, bytes per event
	bash dev/bench/flood.sh

bench-quiet: build ## an honest host for ARGS (10m, 60m): installs, builds, backups, servers: 0 high or critical detections (root)
	bash dev/bench/quiet.sh $(ARGS)

bench-start: ## from a kill with a million events in the log to the console, the stories and the whole store
	$(GO) test -tags $(TAGS) -run '^$$' -bench StartAfterAKill -benchtime 1x -timeout 30m ./cmd/yagura

bench-response: build ## isolate and kill times over 20 runs (root)
	bash dev/bench/response.sh

efficacy: build ## the open attack tests live in throw-away rooms: how many are detected, as sh -c and as a script (root)
	bash dev/efficacy.sh $(ARGS)

soak: build ## 30 minutes of load with kills every minute; the equation must hold (root)
	bash dev/soak.sh

soak-faults: ## ten minutes of clock jumps, full disk, full inodes, dead workers, a flipped byte: lost 0, silent 0 (root)
	bash dev/faults.sh $(ARGS)

fuzz: ## each fuzz target for T (default 30s)
	bash dev/fuzz.sh $(or $(T),30s)

web: ## rebuild web/dist (brings Node 22 when the machine's is too old)
	bash dev/web.sh

clean: ## remove what building made
	rm -rf bin .tools
