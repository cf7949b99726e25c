#!/usr/bin/env bash
# Formatting, vet, linters, the house's rules, generated files: `make check`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
linter_version=2.15.0
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/tools/golangci-lint-$linter_version"

linter() {
  local lock="$cache.lock"
  mkdir -p "$(dirname "$cache")"
  (
    flock 9
    [[ -x "$cache/golangci-lint" ]] || {
      echo "building golangci-lint $linter_version (once)" >&2
      cd / && GOBIN="$cache" GOFLAGS=-mod=mod go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$linter_version"
    }
  ) 9>"$lock"
  "$cache/golangci-lint" "$@"
}

unformatted=$(gofmt -l .)
[[ -z "$unformatted" ]] || { echo "not formatted, run gofmt -w: $unformatted" >&2; exit 1; }
go vet ./...
go vet -tags e2e ./...
linter run ./...
go test -count=1 ./internal/archtest
go mod tidy -diff
shellcheck -x scripts/*.sh .ci/run
changes() { git diff --stat=200 -- .; git ls-files --others --exclude-standard; }
before=$(changes)
go generate ./...
after=$(changes)
[[ "$before" == "$after" ]] || { echo "generated files are stale, commit what 'make generate' wrote: $after" >&2; exit 1; }
echo "check: all good"
