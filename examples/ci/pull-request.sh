#!/bin/sh
# pull-request.sh TARGET HEAD: checks a pull request of a fleet, and says in one comment, kept up to date, what merging it would do.
#
# TARGET is the commit that is merged into, HEAD the one that is merged. Both, the fleet's tags and the status branch must be in the clone in which
# this runs. It needs ingot, git 2.38 or newer, curl and jq. Nothing of the pull request is executed, nothing is decrypted.
#
# Exit code: 0 merging does what the plan says; 1 there is no plan, as the fleet would be refused or does not merge, or none of some host, whose status
# page cannot be read; 3 it would erase, and the consent is missing: nothing is erased, and what waits, waits (INGOT_HELD=pass makes this 0). A comment
# that cannot be posted fails nothing.
#
# Environment:
#   INGOT_FORGE    github, gitea or gitlab
#   INGOT_API      of the forge: https://api.github.com, https://git.example.com/api/v1, https://gitlab.example.com/api/v4
#   INGOT_PROJECT  owner/name; on GitLab the project's number
#   INGOT_NUMBER   of the pull request
#   INGOT_TOKEN    may write comments; empty: none is posted, as for forks, and the plan is in the job's log
#   INGOT_AUTHOR   whose comments these are. Default: github-actions[bot], gitea-actions, on GitLab the token's user. Others' comments are not touched.
#   INGOT_HELD     fail (default) or pass
set -eu

marker='<!-- ingot-plan -->' # the first line of what `ingot plan -o markdown` prints
limit=65000                  # bytes of a comment; GitHub takes 65536 characters

main() {
  target=$(git rev-parse --verify "$1^{commit}")
  head=$(git rev-parse --verify "$2^{commit}")
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  code=0
  if merge; then
    validate
    plan
  else
    code=1
  fi
  body
  show "$work/body.md"
  [ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$work/body.md" >>"$GITHUB_STEP_SUMMARY"
  comment || echo "note: the comment could not be posted; the plan is above" >&2
  verdict
}

# merge makes what merging will make, so that the plan is right for a branch that is behind its target too.
merge() {
  status=0
  tree=$(git merge-tree --write-tree --no-messages "$target" "$head") || status=$?
  case $status in
  0) merged=$(git -c user.name=ingot -c user.email=ingot@localhost commit-tree -p "$target" -p "$head" -m "What merging makes" "$tree") ;;
  1) echo "This does not merge: resolve the conflicts with the branch it goes into." >"$work/errors" ;;
  *) echo "git cannot merge this, see the job's log. It takes git 2.38 or newer, and a clone with its whole history." >"$work/errors" ;;
  esac
  return "$status"
}

# validate shows findings at their lines. Errors among them leave no plan, which is what fails.
validate() {
  case $INGOT_FORGE in
  github) ingot validate --commit "$merged" -o github ;;
  gitlab) ingot validate --commit "$merged" -o gitlab >gl-code-quality-report.json ;;
  *) ingot validate --commit "$merged" >"$work/findings" ;;
  esac || [ $? -eq 2 ] || echo "note: the fleet could not be read" >&2
  [ ! -e "$work/findings" ] || show "$work/findings"
}

# show prints a file whose lines may be anything: none of them is a command to the forge's runner.
show() {
  case $INGOT_FORGE in
  github | gitea)
    echo "::stop-commands::${work##*/}"
    cat "$1"
    echo "::${work##*/}::"
    ;;
  *) cat "$1" ;;
  esac
}

plan() {
  ingot plan --base "$target" --head "$merged" -o markdown >"$work/plan.md" 2>"$work/errors" || code=$?
}

# body is the comment. What stands indented is no markup, whatever files are called.
body() {
  if [ "$code" -eq 0 ] || [ "$code" -eq 2 ] || [ "$code" -eq 3 ] || [ -s "$work/plan.md" ]; then
    cat "$work/plan.md"
  else
    printf '%s\n### ingot plan\n\n**There is no plan: merged, this would be refused and change nothing.**\n\n' "$marker"
    head -n 100 "$work/errors" | head -c 50000 | sed 's/^/    /'
    printf '\n'
  fi >"$work/whole.md"
  if [ "$code" -eq 1 ] && [ -s "$work/plan.md" ]; then
    printf '\n%s\n' "🔴 This plan is incomplete: what is UNKNOWN may be erased. Run this again when the daemon has written its pages anew." >>"$work/whole.md"
  fi
  if [ "$code" -eq 3 ]; then
    printf '\n%s\n' "🟡 Merging erases nothing: what is held waits for its consent. \`ingot consent HOST\` writes it; push that here and this check passes." >>"$work/whole.md"
  fi
  printf '\nWhat merging %s into %s does.\n' "$head" "$target" >"$work/end.md"
  size=$(wc -c <"$work/whole.md")
  if [ "$size" -gt $((limit - 200)) ]; then
    head -c $((limit - 200)) "$work/whole.md"
    printf '\n\n…cut.\n'
  else
    cat "$work/whole.md"
  fi >"$work/body.md"
  cat "$work/end.md" >>"$work/body.md"
}

# comment posts the body, or puts it in the place of the one that was posted before.
comment() {
  [ -n "${INGOT_TOKEN:-}" ] || return 0
  case $INGOT_FORGE in
  github | gitea)
    comments="$INGOT_API/repos/$INGOT_PROJECT/issues/$INGOT_NUMBER/comments"
    one="$INGOT_API/repos/$INGOT_PROJECT/issues/comments"
    change=PATCH
    ;;
  gitlab)
    comments="$INGOT_API/projects/$INGOT_PROJECT/merge_requests/$INGOT_NUMBER/notes"
    one=$comments
    change=PUT
    ;;
  *)
    echo "INGOT_FORGE is $INGOT_FORGE: github, gitea or gitlab" >&2
    return 1
    ;;
  esac
  jq -Rs '{body: .}' <"$work/body.md" >"$work/request.json"
  author || return 1
  find_ours || return 1
  if [ -n "$ours" ]; then
    request "$change" "$one/$ours" >/dev/null
  else
    request POST "$comments" >/dev/null
  fi
}

author() {
  case $INGOT_FORGE in
  github) author=${INGOT_AUTHOR:-'github-actions[bot]'} ;;
  gitea) author=${INGOT_AUTHOR:-gitea-actions} ;;
  gitlab)
    author=${INGOT_AUTHOR:-}
    [ -n "$author" ] || { request GET "$INGOT_API/user" >"$work/user.json" && author=$(jq -er .username "$work/user.json"); }
    ;;
  esac
}

# find_ours looks for our comment: one that begins with the marker, and that nobody else can have written or change.
find_ours() {
  ours='' page=1
  while [ "$page" -le 100 ]; do
    request GET "$comments?per_page=100&page=$page" >"$work/page.json" || return 1
    # shellcheck disable=SC2016 # the variables are jq's
    ours=$(jq -r --arg marker "$marker" --arg author "$author" \
      '[.[] | select(((.body // "") | startswith($marker)) and ((.user.login // .author.username) == $author)) | .id][0] // empty' "$work/page.json") || return 1
    # Gitea gives all of them on any page.
    if [ -n "$ours" ] || [ "$INGOT_FORGE" = gitea ] || [ "$(jq length "$work/page.json")" -lt 100 ]; then
      return 0
    fi
    page=$((page + 1))
  done
}

# request METHOD URL: what the forge answers. The token is not among curl's arguments, which others on the machine can read.
request() {
  method=$1 url=$2
  case $INGOT_FORGE in
  gitlab) header="PRIVATE-TOKEN: $INGOT_TOKEN" ;;
  *) header="Authorization: token $INGOT_TOKEN" ;;
  esac
  set -- --silent --show-error --fail --max-time 60 --header 'Accept: application/json' --header @-
  if [ "$method" = GET ]; then
    set -- "$@" --retry 3
  else # never twice: a comment whose answer was lost is there
    set -- "$@" --request "$method" --header 'Content-Type: application/json' --data-binary "@$work/request.json"
  fi
  printf '%s\n' "$header" | curl "$@" "$url"
}

verdict() {
  case $code in
  0 | 2) exit 0 ;;
  3)
    [ "${INGOT_HELD:-fail}" != pass ] || exit 0
    echo "this would erase, and the consent is missing: see \`ingot consent\`, or set INGOT_HELD=pass" >&2
    exit 3
    ;;
  *) exit 1 ;;
  esac
}

main "$@"
