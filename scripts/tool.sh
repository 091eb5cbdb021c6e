#!/usr/bin/env bash
# tool.sh DIRECTORY PACKAGE@VERSION installs a Go program of a pinned version as DIRECTORY/NAME. It is built once for
# each version of the program and of Go, and kept in the user's cache.
set -euo pipefail
. "$(dirname "$0")/cache.sh"

directory=${1:?usage: tool.sh DIRECTORY PACKAGE@VERSION}
package=${2:?usage: tool.sh DIRECTORY PACKAGE@VERSION}
name=$(basename "${package%@*}")
version=${package#*@}
kept="$(cache_dir)/tools/$name-$version-$(go env GOVERSION)"

if [ ! -x "$kept/$name" ]; then
  echo "building $name $version (once; kept in $kept)"
  # Outside the checkout, so that our go.mod has no say in the tool's.
  (cd / && GOFLAGS= CGO_ENABLED=0 GOBIN="$kept.part$$" go install "$package")
  mkdir -p "$kept"
  mv "$kept.part$$/$name" "$kept/$name"
  rmdir "$kept.part$$"
fi
mkdir -p "$directory"
ln -sf "$kept/$name" "$directory/$name"
