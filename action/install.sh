#!/usr/bin/env bash
# Puts sgward into $RUNNER_TEMP/sgward: a release whose checksum is right, or the action's own source, built.
set -euo pipefail

folder=$RUNNER_TEMP/sgward
mkdir -p "$folder"
version=${SGWARD_VERSION:-source}

fail() {
  echo "::error title=sgward was not installed::$1"
  exit 1
}

# A branch or a commit of the action has no release.
if [ -z "${SGWARD_VERSION_NAMED:-}" ] && ! [[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+ ]]; then version=source; fi

if [ "$version" = source ]; then
  command -v go >/dev/null || fail "building it needs Go: put actions/setup-go before it, or name a release by the input version"
  cd "$GITHUB_ACTION_PATH"
  CGO_ENABLED=0 GOTOOLCHAIN=auto go build -trimpath -buildvcs=false -o "$folder/sgward" ./cmd/sgward
  "$folder/sgward" --version
  exit
fi

[[ $version =~ ^v[0-9A-Za-z.+-]+$ ]] || fail "the input version is '${version//[^0-9A-Za-z.+_-]/?}': want a release such as v1.2.3, or source"
case $(uname -s) in
  Linux) system=linux ;;
  Darwin) system=darwin ;;
  *) fail "there is no release for $(uname -s) that this action can unpack: use a runner with Linux or macOS" ;;
esac
case $(uname -m) in
  x86_64 | amd64) machine=amd64 ;;
  aarch64 | arm64) machine=arm64 ;;
  *) fail "there is no release for $(uname -m)" ;;
esac
name=sgward-$version-$system-$machine
cd "$folder"
for file in "$name.tar.gz" SHA256SUMS; do
  curl --fail --silent --show-error --location --retry 3 --output "$file" "$SGWARD_RELEASES/$version/$file" ||
    fail "$SGWARD_RELEASES/$version/$file could not be fetched"
done
awk -v name="$name.tar.gz" '$2 == name' SHA256SUMS >sum
[ -s sum ] || fail "SHA256SUMS of $version does not list $name.tar.gz"
if command -v sha256sum >/dev/null; then check=(sha256sum --check --quiet); else check=(shasum -a 256 --check --quiet); fi
"${check[@]}" sum || fail "$name.tar.gz is not the file that SHA256SUMS of $version names"
tar -xzf "$name.tar.gz"
mv "$name/sgward" sgward
./sgward --version
