#!/usr/bin/env bash
# Formatting, vet, linters, the house's rules, generated files: `make check`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/tools"
linter=golangci-lint-2.15.0
workflows=actionlint-1.7.12
pipelines=check-jsonschema-0.39.0

# once FOLDER COMMAND...: makes a tool's folder in the cache, unless it is there whole.
once() {
  local folder="$tools/$1"
  shift
  mkdir -p "$tools"
  (
    flock 9
    [[ -e "$folder.done" ]] || {
      echo "building ${folder##*/} (once)" >&2
      "$@" "$folder"
      touch "$folder.done"
    }
  ) 9>"$folder.lock"
}
build() { (cd / && GOBIN="$2" GOFLAGS=-mod=mod go install "$1"); }
python() { python3 -m venv --clear "$2" && "$2/bin/pip" install --quiet --disable-pip-version-check --requirement "$1"; }

unformatted=$(gofmt -l .)
[[ -z "$unformatted" ]] || { echo "not formatted, run gofmt -w: $unformatted" >&2; exit 1; }
go vet ./...
go vet -tags e2e ./...
once $linter build "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v${linter##*-}"
"$tools/$linter/golangci-lint" run --allow-serial-runners ./...
go test -count=1 ./internal/archtest
go mod tidy -diff
(cd packaging/image && go vet . && "$tools/$linter/golangci-lint" run --allow-serial-runners ./... && go mod tidy -diff)
shellcheck -x scripts/*.sh .ci/run examples/ci/*.sh packaging/debian/{pre,post}{inst,rm} test/service/guest.sh
once $workflows build "github.com/rhysd/actionlint/cmd/actionlint@v${workflows##*-}"
"$tools/$workflows/actionlint" examples/ci/github.yml examples/ci/gitea.yml
once $pipelines python "$PWD/scripts/$pipelines.txt"
"$tools/$pipelines/bin/check-jsonschema" --quiet --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci examples/ci/gitlab.yml
promtool=$(scripts/promtool.sh)
"$promtool" check rules examples/monitoring/ingot.rules.yml >/dev/null
(cd examples/monitoring && "$promtool" test rules ingot.test.yml >/dev/null)
changes() { git diff --stat=200 -- .; git ls-files --others --exclude-standard; }
before=$(changes)
go generate ./...
after=$(changes)
[[ "$before" == "$after" ]] || { echo "generated files are stale, commit what 'make generate' wrote: $after" >&2; exit 1; }
echo "check: all good"
