#!/usr/bin/env bash
# fetch.sh DIRECTORY puts libchdb.so (the embedded ClickHouse) and flights-3m.parquet (the demo's events) into
# DIRECTORY. Both come out of npm packages of pinned versions and are checked against the sums below, the package
# when it arrives and the file each time it is taken out of the cache.
set -euo pipefail
. "$(dirname "$0")/cache.sh"

CHDB_VERSION=26.7.3-stable.1
VEGA_VERSION=3.2.1

# sums PACKAGE prints the npm integrity of the package and the SHA-256 of its file.
sums() {
  case "$1" in
    "@chdb/lib-linux-x64-gnu@$CHDB_VERSION")
      echo "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==" \
        36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5 ;;
    "vega-datasets@$VEGA_VERSION")
      echo "sha512-lTSwZA6yq6qSU2YZm+6bqILiIvTPPxn4itir7jPGFmHIdPvUfQ9pCzzcrklYywMJgLUbaIeSkZQdiJd6wBxPug==" \
        dbeb920c90f59b6ccaff823dcc3d08f25a97fa1ce128d93f40be4e931f5900b0 ;;
  esac
}

# platform prints the end of the name of chdb's package for this machine.
platform() {
  case "$(uname -s)/$(uname -m)" in
    Linux/x86_64) echo linux-x64-gnu ;;
    Linux/aarch64 | Linux/arm64) echo linux-arm64-gnu ;;
    Darwin/arm64) echo darwin-arm64 ;;
    Darwin/x86_64) echo darwin-x64 ;;
    *)
      echo "fetch.sh: there is no embedded ClickHouse for $(uname -s)/$(uname -m): give a server by --clickhouse-addr" >&2
      return 1 ;;
  esac
}

integrity() {
  node -e 'const h = require("crypto").createHash("sha512");
    require("fs").createReadStream(process.argv[1]).on("data", d => h.update(d))
      .on("end", () => console.log("sha512-" + h.digest("base64")))' "$1"
}

# agree WHAT WANT GOT refuses what does not have the pinned sum.
agree() {
  if [ -z "$2" ]; then
    echo "fetch.sh: no sum is pinned for $1 on this platform; npm's own check is all there is" >&2
  elif [ "$2" != "$3" ]; then
    echo "fetch.sh: $1 has the sum $3, want $2" >&2
    return 1
  fi
}

# download PACKAGE MEMBER FILE takes one member of an npm package to FILE.
download() {
  local package=$1 member=$2 file=$3 want got dir tarball
  read -r want _ <<<"$(sums "$package")" || true
  mkdir -p "$(dirname "$file")"
  dir=$(mktemp -d "$(dirname "$file")/fetch.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$dir'" EXIT
  echo "fetching $package"
  (cd "$dir" && npm pack "$package" --silent >/dev/null)
  tarball=$(find "$dir" -name '*.tgz')
  got=$(integrity "$tarball")
  agree "$package" "$want" "$got"
  tar -xzf "$tarball" -C "$dir" "package/$member"
  mv "$dir/package/$member" "$file"
  rm -rf "$dir"
}

# place PACKAGE MEMBER NAME DIRECTORY links or copies the member, out of the cache, into DIRECTORY.
place() {
  local package=$1 member=$2 name=$3 directory=$4 file want=
  file="$(cache_dir)/$name/$(basename "$member")"
  read -r _ want <<<"$(sums "$package")" || true
  [ -f "$file" ] || download "$package" "$member" "$file"
  if ! agree "$file" "$want" "$(sha256 "$file")"; then
    rm -f "$file"
    echo "fetch.sh: removed it from the cache; run again to fetch it anew" >&2
    return 1
  fi
  mkdir -p "$directory"
  ln -f "$file" "$directory/" 2>/dev/null || cp -f "$file" "$directory/"
}

directory=${1:?usage: fetch.sh DIRECTORY}
on=$(platform)
place "@chdb/lib-$on@$CHDB_VERSION" libchdb.so "libchdb-$CHDB_VERSION-$on" "$directory"
place "vega-datasets@$VEGA_VERSION" data/flights-3m.parquet "vega-datasets-$VEGA_VERSION" "$directory"
