#!/bin/sh
# Makes the plans of the fixtures anew, with a real Terraform or OpenTofu and the stand-in
# provider: sh e2e/terraform/make.sh [CASE...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$here/../../internal/terraform/testdata
program=${TERRAFORM:-terraform}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "${PROVIDER:-}" ]; then
  PROVIDER=$work/bin
  (cd "$here/provider" && CGO_ENABLED=0 go build -o "$PROVIDER/terraform-provider-aws" .)
fi
cat > "$work/rc" <<RC
provider_installation {
  dev_overrides {
    "hashicorp/aws" = "$PROVIDER"
  }
  direct {}
}
RC
export TF_CLI_CONFIG_FILE="$work/rc" TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1
mkdir -p "$out"
[ $# -gt 0 ] || set -- $(ls "$here/cases")
for case; do
  cp -r "$here/cases/$case" "$work/$case"
  cd "$work/$case"
  export STANDIN_FILE="$work/$case.cloud.json"
  [ ! -f cloud.json ] || cp cloud.json "$STANDIN_FILE"
  if [ -f before.tf ]; then
    mv main.tf "$work/main.tf"
    "$program" apply -no-color -auto-approve > log 2>&1 || { cat log; exit 1; }
    rm before.tf
    mv "$work/main.tf" main.tf
  fi
  "$program" get -no-color >> log
  # The plan of errored fails, and is saved all the same.
  "$program" plan -no-color -out "$work/plan" >> log 2>&1 || [ "$case" = errored ] || { cat log; exit 1; }
  "$program" show -json "$work/plan" > "$out/$case.json"
  echo "$case: $(wc -c < "$out/$case.json") bytes"
done
