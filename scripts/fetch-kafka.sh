#!/usr/bin/env bash
# fetch-kafka.sh puts the jars of Apache Kafka (45 MB, from Maven Central) into the user's cache, where the tests look
# for them. They are those of kafka/pom.xml and are checked against kafka/SHA256SUMS, when they arrive and each time after.
# Without java or mvn it says so and does nothing; with CI set that is an error. It may run more than once at a time.
set -euo pipefail
. "$(dirname "$0")/cache.sh"

COPY=org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies
pinned=$(cd "$(dirname "$0")/kafka" && pwd)
version=$(sed -n 's:^  <version>\(.*\)</version>$:\1:p' "$pinned/pom.xml")
kept="$(cache_dir)/apache-kafka-$version"

# without WHAT ends the script for want of a program.
without() {
  echo "fetch-kafka.sh: no $1 here: what needs a real Apache Kafka will not be run" >&2
  [ -z "${CI:-}" ] || exit 1
  exit 0
}

# intact DIRECTORY holds that the directory has the pinned jars and nothing else.
intact() {
  local want file
  while read -r want file; do
    if [ ! -f "$1/$file" ] || [ "$(sha256 "$1/$file")" != "$want" ]; then
      echo "fetch-kafka.sh: $1/$file is missing or is not what SHA256SUMS pins" >&2
      return 1
    fi
  done <"$pinned/SHA256SUMS"
  [ "$(find "$1" -type f | wc -l)" -eq "$(wc -l <"$pinned/SHA256SUMS")" ] || {
    echo "fetch-kafka.sh: $1 has files that SHA256SUMS does not name" >&2
    return 1
  }
}

if [ -d "$kept" ]; then
  intact "$kept" && exit 0
  rm -rf "$kept"
fi
command -v java >/dev/null || without java
command -v mvn >/dev/null || without mvn

# Everything happens in a directory of our own, also Maven's repository, which two Mavens may not share; what is
# done is moved into place in one step.
mkdir -p "$(cache_dir)"
work=$(mktemp -d "$(cache_dir)/fetch-kafka.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetching Apache Kafka $version"
mvn -B -q -Dstyle.color=never -f "$pinned/pom.xml" -Dmaven.repo.local="$work/repository" "$COPY" \
  -DincludeScope=runtime -DoutputDirectory="$work/jars"
intact "$work/jars"
chmod 755 "$work/jars"
# Renamed, not moved: onto a directory that another run made meanwhile that fails, where mv would put it inside.
node -e 'require("fs").renameSync(process.argv[1], process.argv[2])' "$work/jars" "$kept" 2>/dev/null || intact "$kept"
