# Every target works on a fresh Debian 12 machine; scripts/setup.sh installs what is missing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
BACKEND ?= qemu
FUZZTIME ?= 60s

.PHONY: help setup setup-test build package package-test image test check e2e demo bench fuzz soak sim sim-long kill generate clean
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## everything the lab, the demo and e2e need (packages, coreos-installer, Ignition, OS image, cloud image, Debian tree, Gitea)
	@scripts/setup.sh full
	@scripts/coreos-installer.sh >/dev/null
	@scripts/osimage.sh >/dev/null
	@scripts/cloudimage.sh >/dev/null
	@scripts/debian.sh >/dev/null
	@scripts/sushy-tools.sh >/dev/null
	@scripts/gitea.sh >/dev/null

setup-test: ## what the fast tests need
	@scripts/setup.sh test

build: ## bin/ingot and bin/ingot-agent
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ingot ./cmd/ingot
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ingot-agent ./cmd/ingot-agent

package: build ## dist/*.deb: the programs, a hardened systemd unit, man pages, completions
	@scripts/package.sh '$(VERSION)'

package-test: setup build ## the package in a clean Debian: installed, upgraded, downgraded, removed, purged; systemd-analyze (as root)
	@scripts/package-test.sh

image: build ## dist/*.oci.tar: a container image from scratch, as an OCI archive
	@scripts/image.sh '$(VERSION)'

test: setup-test ## the fast tests
	$(GO) test -timeout 20m ./...

check: setup-test ## formatting, vet, linters, the house's rules, generated files
	@scripts/check.sh

sim: ## a thousand simulated sites with faults and people: no rule of docs/safety.md may break
	$(GO) test ./test/sim -count=1 -timeout 30m -run 'TestSim$$' -v -seeds 1000 -steps 1000000 -kinds 60

e2e: setup build ## the demo's story and its faults on QEMU with Secure Boot, the package's unit in a Debian machine, the container image, the page in a browser, an unknown machine from the medium to its system, an install through sushy-tools, Secrets with the real sops, commit statuses on a real Gitea, and DMTF's validators on the lab's BMC
	$(GO) test -tags e2e -count=1 -timeout 80m ./test/... ./boot/media ./internal/lab/qemu ./internal/lab/bmc ./inventory/secrets/sops ./inventory/forge

demo: ## a machine from a commit to a running OS, and a held reinstall; BACKEND=sim for in-process machines
	@scripts/demo.sh $(BACKEND)

bench: setup build ## figures, not verdicts
	@scripts/setup.sh bench
	$(GO) test -run '^$$' -bench . -benchmem -timeout 60m ./...
	$(GO) test -tags e2e -run '^$$' -bench . -benchtime 1x -timeout 60m ./test/e2e

sim-long: ## ten thousand simulated sites, ten million inventories, and each guard of docs/safety.md taken out in turn
	$(GO) test ./test/sim -count=1 -timeout 12h -run 'TestSim$$|TestInventories$$' -v -seeds 10000 -steps 10000000 -kinds 60 \
		-inventories 10000000
	$(GO) run ./test/sim/guards -seeds 2000

kill: setup-test ## the real daemon, killed 1,000 times at random moments (make test: 30 times)
	$(GO) test -count=1 -timeout 4h -v ./test/kill -kills 1000

soak: kill sim-long ## what is counted, and takes hours: the daemon killed 1,000 times, and what `make sim-long` does

fuzz: ## every fuzz target for FUZZTIME each
	@scripts/fuzz.sh $(FUZZTIME)

generate: ## regenerate committed files
	$(GO) generate ./...

clean: ## remove build results (not the cache)
	rm -rf bin dist
