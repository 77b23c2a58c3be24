# Everything installs what it needs, says so, and finds it there the next time.
# Only Go has to be there before.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
BENCH   ?= .
SIZES   ?=
RUNS    ?= 3
# Tests that break things: killed processes, lost answers, full disks, flipped bits.
FAULTS  ?= Kill|Cut|Dies|Cancel|Ended|Race|Crash|Fault|Fail|Full|Lost|Stall|Broke|Break|Damage|Denied|Flipped|Truncat|Racing|Interrupt
RACE    ?=
TOOLS    = go run ./fixtures/tools/build

.DEFAULT_GOAL := help
.PHONY: help build demo test test-race test-faults bench bench-postgres lint fmt deps servers clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/holdfast, one static file
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/holdfast ./cmd/holdfast

demo: build ## the whole job on sample vaults, in a minute; needs nothing but Go
	bin/holdfast demo

test: deps servers ## vet and test everything (RACE=1 with the race detector)
	go vet ./...
	go test -timeout 30m $(if $(RACE),-race) ./...

test-race: ## test everything with the race detector
	@fixtures/tools/debian.sh gcc:gcc gcc:libc6-dev
	$(MAKE) --no-print-directory test RACE=1

test-faults: deps servers ## break things for longer: 100 kills in each store, every fault afresh
	HOLDFAST_FAULTS=100 go test -timeout 60m -count=1 -run '$(FAULTS)' ./...

bench: build deps servers ## speed and peak memory on vaults of SIZES (MiB), and of each stage (BENCH=regexp)
	go test -timeout 60m -run '^$$' -bench '$(BENCH)' -benchmem ./snapshot/pack ./snapshot ./snapshot/source/... ./restore/target/...
	go run ./fixtures/bench $(if $(SIZES),-sizes '$(SIZES)')

bench-postgres: build deps servers ## PostgreSQL vaults beside pg_dump pipes, restic and borg (SIZES, RUNS)
	-@fixtures/tools/debian.sh aws:awscli borg:borgbackup
	-@$(TOOLS) restic
	go run ./fixtures/benchpg -runs $(RUNS) -markdown bin/bench-postgres.md $(if $(SIZES),-sizes '$(SIZES)')

lint: ## check style, mistakes and which way imports point
	@$(TOOLS) golangci-lint
	"$$($(TOOLS) -path golangci-lint)" run ./...

fmt: ## format all Go code
	gofmt -w cmd fixtures snapshot restore verify $(wildcard retention schedule report)

deps: ## install the Debian packages that tests use: zstd, jq, sqlite3, openssh-client, openssl, postgresql
	@fixtures/tools/debian.sh zstd jq sqlite3 ssh-keygen:openssh-client openssl initdb:postgresql

servers: ## build what tests run beside ours: S3 servers, Vault and age
	@$(TOOLS) versitygw minio vault age age-keygen

clean: ## remove what build made; tools and caches stay
	rm -rf bin
