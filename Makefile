# Zensus. `make` alone lists the targets.

GO          ?= go
BIN         := bin/zensus
RELEASETAGS := nomsgpack,grpcnotrace
LDFLAGS     := -s -w
FUZZTIME    ?= 60s
SEED        ?=
TOOL        := $(GO) tool -modfile=tools/go.mod

export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: build
build: ## build the binary into bin/
	$(GO) build -trimpath -tags $(RELEASETAGS) -ldflags "$(LDFLAGS)" -o $(BIN) ./cmd/zensus

.PHONY: run
run: ## start a server with its embedded default
	$(GO) run ./cmd/zensus serve

.PHONY: test
test: ## run the tests: units, scenarios, a short simulation; with ZENSUS_REQUIRE_INTEROP=1 also every foreign client
	$(GO) test ./...
	cd interop && $(GO) test -count=1 -timeout 20m ./...

# Where nothing runs beside anything else there is no race to be found. Package internal/arch tests that it is so.
ALONE := configcenter/validate core core/acl core/check core/member core/quorum core/replica core/session core/state core/watch \
	core/wire core/zab
.PHONY: race
race: ## run the tests of the product under the race detector, but for those of packages that know one goroutine only
	CGO_ENABLED=1 $(GO) test -race -short -vet=off $(filter-out $(addprefix %/,$(ALONE)),$(shell $(GO) list ./...))

ENGINE := ./core/quorum,./core/replica,./core/session,./core/state,./core/storage,./core/tree,./core/watch,./core/zab
.PHONY: sim
sim: ## simulate a server and its crashes, and whole ensembles, at length: docs/simulated.md (SEED=n replays one seed)
ifneq ($(SEED),)
	$(GO) test ./core/sim -run "TestSim$$|TestEnsembles" -count=1 -timeout 20m -args -seed=$(SEED)
else
	mkdir -p bin
	ZENSUS_EVIDENCE=$(CURDIR)/bin $(GO) test ./core/sim -run "TestSim$$|TestEnsembles|TestSameSeed" -count=1 -timeout 20m \
		-coverpkg=$(ENGINE) -covermode=count -coverprofile=bin/sim.cover -args -long
	$(GO) test ./core/zab -run "TestScenarios|TestAGap|TestACommit|TestAVoter" -count=1 -covermode=count -coverprofile=bin/scenarios.cover
	$(GO) run ./core/sim/met -page docs/simulated.md -counts bin/sim-coverage.txt,bin/sim-ensemble-coverage.txt \
		-profiles bin/sim.cover,bin/scenarios.cover
endif

.PHONY: mutants
mutants: ## put known mistakes into the product; the simulator must find each: docs/mutants.md
	$(GO) run ./core/sim/mutate -table docs/mutants.md

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (default 60s); FUZZPART=1/2 every second of them
	@sh tools/fuzz.sh $(FUZZTIME)

.PHONY: security
security: ## attack a server with authentication on, at length: docs/security.md (ZENSUS_SECURITY_SEED=n repeats what was random)
	ZENSUS_SECURITY=1 $(GO) test -count=1 -v -timeout 60m ./internal/security

.PHONY: bench
bench: ## run the benchmarks beside the code
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: compat
compat: ## real clients against a real server: go-zookeeper, Java, Curator, kazoo, Dubbo, dubbo-go, Spring, the Nacos SDKs
	cd interop && ZENSUS_REQUIRE_INTEROP=1 $(GO) test -count=1 -v ./...

ROLES ?= leader follower observer zookeeper
SKIP  ?=
.PHONY: compat-members
compat-members: ## the same clients against members of an ensemble, and a server on an Apache ZooKeeper: in each of ROLES, but for those that match SKIP
	set -e; for role in $(ROLES); do echo "through a $$role"; \
		(cd interop && ZENSUS_TEST_ROLE=$$role ZENSUS_REQUIRE_INTEROP=1 $(GO) test -count=1 -timeout 30m $(if $(SKIP),-skip '$(SKIP)') .); done

ROUNDS ?= 5
.PHONY: compat-rolling
compat-rolling: ## every client at once while each of three nodes is killed and started again, ROUNDS times: members, the demo, servers on an Apache ZooKeeper
	set -e; for role in standalone zookeeper; do \
		(cd interop && ZENSUS_ROUNDS=$(ROUNDS) ZENSUS_TEST_ROLE=$$role ZENSUS_REQUIRE_INTEROP=1 $(GO) test -count=1 -timeout 60m -v -run 'TestNobodyMisses|TestEveryClientMayJoin' .); done

CHAOS_TIME ?= 15m
CHAOS_LOG  ?= $(CURDIR)/chaos.log
# Disks that can be full are mounted where nobody else sees them, if that is allowed.
OWN_MOUNTS  = $(shell for u in "unshare --mount" "unshare --map-root-user --mount"; do $$u true 2>/dev/null && { echo $$u; break; }; done)
CHAOS       = $(OWN_MOUNTS) env ZENSUS_CHAOS_DISKS=$$outside ZENSUS_CHAOS_LOG=$(CHAOS_LOG) ZENSUS_CHAOS_TIME=$(CHAOS_TIME)
.PHONY: chaos
chaos: ## three and then five real servers and two observers under load and faults, each for CHAOS_TIME; the faults go to CHAOS_LOG
	outside=$$(readlink /proc/self/ns/mnt || echo unknown); $(CHAOS) ZENSUS_CHAOS_SERVERS=3 $(GO) test -count=1 -v -timeout 2h ./internal/chaos
	outside=$$(readlink /proc/self/ns/mnt || echo unknown); $(CHAOS) ZENSUS_CHAOS_SERVERS=5 $(GO) test -count=1 -v -timeout 2h -run TestChaos ./internal/chaos

.PHONY: deps
deps: web-deps ## install what the foreign clients need: Python's below interop/.deps, Java's by Maven, Node's and the console's by npm
	python3 -m venv interop/.deps/venv
	interop/.deps/venv/bin/pip install -q -r interop/python/requirements.txt
	python3 -m venv interop/.deps/venv3
	interop/.deps/venv3/bin/pip install -q -r interop/python/requirements3.txt
	cd interop/node && npm ci --no-audit --no-fund
	cd interop/dubbogo && $(GO) build -trimpath -o ../.deps/dubbogo .
	cd interop && mvn -B -q -T 2 compile dependency:build-classpath -Dmdep.outputFile=target/classpath

.PHONY: durability
durability: ## kill a server ZENSUS_KILLS times (default 200) among writes; nothing acknowledged may be lost
	cd interop && ZENSUS_KILLS=$${ZENSUS_KILLS:-200} $(GO) test -count=1 -v -timeout 30m -run Kills ./durability

.PHONY: e2e
e2e: web-deps ## the console in Chromium
	ZENSUS_REQUIRE_INTEROP=1 $(GO) test -count=1 -run TestScreensInChromium -v ./console

.PHONY: lint
lint: ## gofmt, vet and golangci-lint
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	cd interop && $(GO) vet ./...
	$(TOOL) golangci-lint run ./...

.PHONY: generate
generate: ## regenerate what is generated from protocol definitions
	$(GO) run -C tools ./protogen

.PHONY: web-deps
web-deps: ## install what the console is built with
	cd console/web && npm ci --no-audit --no-fund

.PHONY: web
web: web-deps ## build the console into console/dist
	cd console/web && npm run build

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
