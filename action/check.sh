#!/usr/bin/env bash
# Judges the files that the action was given: annotations to the log, a table to the summary of the run, and reports for other steps.
set -euo pipefail

sgward=$RUNNER_TEMP/sgward/sgward
arguments=(--policy "$SGWARD_POLICY" --fail-on "$SGWARD_FAIL_ON" --quiet)
while IFS= read -r line; do
  if [ -n "$line" ]; then arguments+=(--parameter-overrides "$line"); fi
done <<<"$SGWARD_PARAMETERS"
arguments+=(--)
files=0
while IFS= read -r line; do
  if [ -n "$line" ]; then
    arguments+=("$line")
    files=$((files + 1))
  fi
done <<<"$SGWARD_PATHS"
if [ "$files" = 0 ]; then
  echo "::error title=sgward check::the input paths names no plan, template or folder"
  exit 2
fi

# Errors of a policy quote it: a link in a pull request must not name a file of the runner.
workspace=$(realpath "$GITHUB_WORKSPACE")
if policy=$(realpath "$SGWARD_POLICY" 2>/dev/null) && [[ "$policy" != "$workspace"/* ]]; then
  echo "::error title=sgward check::the input policy names a file outside the workspace"
  exit 2
fi

folder=$(mktemp -d "$RUNNER_TEMP/sgward-check-XXXXXX")
status=0
"$sgward" check --format github "${arguments[@]}" 2>"$folder/errors" || status=$?
# The runner takes "##[" for a command, wherever it stands, and "::" at the start of a line.
sed -e 's/##\[/## [/g' -e 's/^[[:space:]]*::/: :/' "$folder/errors" >&2
echo "exit-status=$status" >>"$GITHUB_OUTPUT"
case $status in
  0 | 1 | 3)
    for report in markdown:summary.md sarif:check.sarif json:check.json; do
      "$sgward" check --format "${report%%:*}" --out "$folder/${report#*:}" "${arguments[@]}" 2>/dev/null || true
    done
    if [ -e "$folder/summary.md" ]; then cat "$folder/summary.md" >>"$GITHUB_STEP_SUMMARY"; fi
    for name in sarif json; do
      if [ -e "$folder/check.$name" ]; then echo "$name=$folder/check.$name" >>"$GITHUB_OUTPUT"; fi
    done
    ;;
esac
# What keeps sgward from judging anything is on standard error alone.
if [ "$status" = 2 ] || { [ "$status" = 1 ] && [ ! -e "$folder/summary.md" ]; }; then
  while IFS= read -r line; do
    line=${line#sgward: }
    echo "::error title=sgward check::${line//'%'/%25}"
  done <"$folder/errors"
fi
exit "$status"
