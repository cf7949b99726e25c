# Every target works on a fresh Debian 12 machine; scripts/setup.sh installs what is missing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
BACKEND ?= qemu
FUZZTIME ?= 60s

.PHONY: help setup setup-test build test check e2e demo bench fuzz soak generate clean
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## everything the lab, the demo and e2e need (packages, coreos-installer, Ignition, OS image, ramdisk)
	@scripts/setup.sh full
	@scripts/coreos-installer.sh >/dev/null
	@scripts/osimage.sh >/dev/null

setup-test: ## what the fast tests need
	@scripts/setup.sh test

build: ## bin/ingot and bin/ingot-agent
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ingot ./cmd/ingot
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ingot-agent ./cmd/ingot-agent

test: setup-test ## the fast tests
	$(GO) test -timeout 20m ./...

check: setup-test ## formatting, vet, linters, the house's rules, generated files
	@scripts/check.sh

e2e: setup build ## the demo's story and its faults on QEMU with Secure Boot, the page in a browser, and Secrets with the real sops
	$(GO) test -tags e2e -count=1 -timeout 80m ./test/... ./boot/media ./internal/lab/qemu ./inventory/secrets/sops

demo: ## a machine from a commit to a running OS, and a held reinstall; BACKEND=sim for in-process machines
	@scripts/demo.sh $(BACKEND)

bench: setup build ## figures, not verdicts
	$(GO) test -run '^$$' -bench . -benchmem ./...
	$(GO) test -tags e2e -run '^$$' -bench . -benchtime 1x -timeout 60m ./test/e2e

fuzz: ## every fuzz target for FUZZTIME each
	@scripts/fuzz.sh $(FUZZTIME)

generate: ## regenerate committed files
	$(GO) generate ./...

clean: ## remove build results (not the cache)
	rm -rf bin dist
