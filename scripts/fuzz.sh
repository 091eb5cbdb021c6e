#!/usr/bin/env bash
# fuzz.sh TIME runs every fuzz target of the module for TIME each.
set -euo pipefail
time=${1:?usage: fuzz.sh TIME}
count=0
for package in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "== $package $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
    count=$((count + 1))
  done
done
echo "$count fuzz targets held for $time each"
[ "$count" -gt 0 ]
