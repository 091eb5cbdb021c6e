#!/usr/bin/env bash
# vulncheck.sh GOVULNCHECK looks for known vulnerabilities in what we call. VULNDB names the database: a directory
# with db/ in it, or a .tgz of one. Without VULNDB the public one is asked, and where that cannot be reached, it says so.
set -euo pipefail
govulncheck=${1:?usage: vulncheck.sh GOVULNCHECK}

if [ -z "${VULNDB:-}" ]; then
  if out=$("$govulncheck" ./... 2>&1); then
    echo "$out"
    exit 0
  fi
  echo "$out"
  if grep -qE 'fetching vulnerabilities|dial tcp|no such host|Client.Timeout|connection refused|unexpected status' <<<"$out"; then
    echo "WARNING: the vulnerability database cannot be reached; nothing was checked. Set VULNDB to a copy of it." >&2
    exit 0
  fi
  exit 1
fi

database=$VULNDB
if [ -f "$database" ]; then
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' EXIT
  tar -xzf "$database" -C "$unpacked"
  database=$unpacked
fi
[ -d "$database/db" ] || { echo "vulncheck.sh: VULNDB=$VULNDB holds no db/" >&2; exit 1; }
"$govulncheck" -db "file://$(cd "$database/db" && pwd)" ./...
if [ -n "$(find "$VULNDB" -maxdepth 0 -mtime +60)" ]; then
  echo "WARNING: $VULNDB is more than 60 days old; a finding is a finding, none is no proof" >&2
fi
