# `make help` lists the targets. Variables to set: FUZZTIME, BENCH, BENCHTIME, SOAK, DEMO, KAFKA, VULNDB, ROLLCALL_CACHE.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

export CGO_ENABLED := 0
export GOFLAGS ?= -buildvcs=false

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
BUF      := github.com/bufbuild/buf/cmd/buf@v1.75.0
VULN     := golang.org/x/vuln/cmd/govulncheck@v1.8.0

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME  ?= 20s
BENCH     ?= .
BENCHTIME ?= 1s
SOAK      ?= 1000
DEMO      ?=
KAFKA     ?= embedded

# Where goroutines share memory: what the race detector watches. It needs a C compiler.
RACE := ./audit/... ./ingest/... ./inspector/... ./internal/access/... ./internal/embedded/... ./internal/app/...

WEB_SOURCES := $(shell find web/src web/public web/index.html web/vite.config.mjs web/tsconfig.json -type f 2>/dev/null)

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: web bin/lib/.fetched ## Build bin/rollcall with the page in it, and bin/lib beside it
	go build -ldflags "-s -w -X main.version=$(VERSION)" -o bin/rollcall .

.PHONY: web
web: web/dist/index.html ## Build the page into web/dist

.PHONY: demo
demo: build ## Run the demo: real flights, planted faults, and what Rollcall says of them (DEMO="--rounds 1", KAFKA=apache)
	$(or $(DEMO_$(KAFKA)),$(error KAFKA=$(KAFKA): it is embedded or apache)) $(DEMO)

DEMO_embedded := bin/rollcall demo
DEMO_apache   := scripts/fetch-kafka.sh && go build -o bin/withkafka ./internal/apachekafka/withkafka && bin/withkafka bin/rollcall demo --kafka-brokers {}

.PHONY: kafka
kafka: ## Fetch Apache Kafka for the tests that use a real one, where java and mvn are there
	scripts/fetch-kafka.sh

.PHONY: test
test: build kafka ## Run all tests, Go and web
	go test -timeout 30m ./...
	cd internal/deploy/rules && go test ./... # a module of its own: Prometheus' dependencies are none of ours
	@if command -v "$$(go env CC)" >/dev/null; then \
	  echo "go test -race $(RACE)"; CGO_ENABLED=1 go test -race -short -timeout 15m $(RACE); \
	else echo "no C compiler: the race detector was not run"; fi
	npm --prefix web test
	@if command -v chromium >/dev/null || [ -n "$${CI:-}" ]; then npm --prefix web run e2e; \
	else echo "no chromium: the page was not tried in a browser"; fi

.PHONY: bench
bench: build ## Run the benchmarks (BENCH=pattern, BENCHTIME=1s); the figures are in docs/performance.md
	go test -run '^$$' -bench '$(BENCH)' -benchmem -benchtime $(BENCHTIME) -timeout 60m ./...

.PHONY: lint
lint: web tools ## Check style, imports, the protocol, known vulnerabilities, and the page's types
	bin/tools/golangci-lint run ./...
	bin/tools/buf lint
	scripts/vulncheck.sh bin/tools/govulncheck
	npm --prefix web run typecheck

.PHONY: fuzz
fuzz: build ## Run every fuzz target for FUZZTIME (20s)
	scripts/fuzz.sh $(FUZZTIME)

.PHONY: soak
soak: build ## Compare the service with the model for hours: SOAK (1000) rounds of a thousand histories, and of a hundred kills
	ROLLCALL_SOAK=$(SOAK) CI=true go test -run 'TestServiceEqualsModelAfterEveryPrefix|TestKilledAHundredTimes' -v -count=1 -timeout 0 ./reconcile/... ./internal/chaos/...

.PHONY: compose-up
compose-up: ## Build the image, make secrets/ where there is none, and start docker-compose.yml (needs Docker and openssl)
	ROLLCALL_VERSION=$(VERSION) docker compose build
	scripts/compose-secrets.sh secrets
	ROLLCALL_VERSION=$(VERSION) docker compose up --detach --wait

.PHONY: compose-down
compose-down: ## Stop what compose-up started; the data stays in its volumes
	docker compose down

.PHONY: clean
clean: ## Remove what was built; the user's cache keeps the downloads
	rm -rf bin web/node_modules
	find web/dist -mindepth 1 ! -name .gitkeep -delete

.PHONY: tools
tools: bin/tools/golangci-lint bin/tools/buf bin/tools/govulncheck

bin/tools/golangci-lint: Makefile
	scripts/tool.sh bin/tools $(GOLANGCI)

bin/tools/buf: Makefile
	scripts/tool.sh bin/tools $(BUF)

bin/tools/govulncheck: Makefile
	scripts/tool.sh bin/tools $(VULN)

bin/lib/.fetched: scripts/fetch.sh scripts/cache.sh $(if $(wildcard bin/lib/libchdb.so),,FORCE)
	scripts/fetch.sh bin/lib
	@touch $@

# npm writes this file when it is done.
web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	npm --prefix web ci --no-audit --no-fund
	@touch $@

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	npm --prefix web run build

.PHONY: FORCE
FORCE:
