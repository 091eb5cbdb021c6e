#!/usr/bin/env bash
# compose-secrets.sh DIRECTORY makes the passwords, tokens, certificate and signing key that docker-compose.yml mounts, each
# where it is not there yet. ROLLCALL is the command that makes tokens and the key; by default the image that "docker compose build" made.
#
# DIRECTORY is for its owner alone. The files in it can be read by all, since each container has a user of its own; those
# in DIRECTORY/access and DIRECTORY/keys only by the owner, whom the containers of Rollcall run as.
set -euo pipefail

directory=${1:?usage: compose-secrets.sh DIRECTORY}
umask 077
mkdir -p "$directory/access" "$directory/keys"
chmod 0700 "$directory" "$directory/access" "$directory/keys"
directory=$(cd "$directory" && pwd)

# random prints a password without a line break: Kafka takes its file as it is.
random() { openssl rand -hex 24 | tr -d '\n'; }

# missing NAME says whether a file is not there.
missing() { [ ! -e "$directory/$1" ]; }

# keep NAME [MODE] takes standard input for a file, by default one that all containers may read.
keep() {
  cat >"$directory/$1.part"
  chmod "${2:-0444}" "$directory/$1.part"
  mv "$directory/$1.part" "$directory/$1"
}

# rollcall DIRECTORY ARGUMENT... runs the program; in its container the directory, one of those here, is /given.
rollcall() {
  local given=$1
  shift
  if [ -n "${ROLLCALL:-}" ]; then
    "$ROLLCALL" "${@//\/given/$directory/$given}"
  else
    docker run --rm --network none --user "$(id -u):$(id -g)" --volume "$directory/$given:/given" rollcall:local "$@"
  fi
}

# token NAME ROLE FILE [MODE] makes a token and keeps it, unless it is there.
token() {
  missing "$3" || return 0
  local text
  text=$(rollcall access token --tokens /given/tokens create "$1" --role "$2" --expires 8760h)
  printf %s "$text" | keep "$3" "${4:-0600}"
}

for name in clickhouse-password clickhouse-grafana-password kafka-password kafka-hops-password grafana-password; do
  if missing "$name"; then random | keep "$name"; fi
done

# ClickHouse keeps the hash; its user default stays for the container's own loopback alone.
if missing clickhouse-users.xml || ! grep -q '<grafana>' "$directory/clickhouse-users.xml"; then
  hash=$(openssl dgst -sha256 -r "$directory/clickhouse-password" | cut -d ' ' -f 1)
  grafana=$(openssl dgst -sha256 -r "$directory/clickhouse-grafana-password" | cut -d ' ' -f 1)
  keep clickhouse-users.xml <<XML
<clickhouse>
  <profiles>
    <grafana>
      <readonly>2</readonly>
      <max_execution_time>30</max_execution_time>
      <max_memory_usage>1000000000</max_memory_usage>
    </grafana>
  </profiles>
  <users>
    <default>
      <networks replace="replace"><ip>127.0.0.1</ip></networks>
    </default>
    <rollcall>
      <password_sha256_hex>$hash</password_sha256_hex>
      <networks><ip>::/0</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
    </rollcall>
    <grafana>
      <password_sha256_hex>$grafana</password_sha256_hex>
      <networks><ip>::/0</ip></networks>
      <profile>grafana</profile>
      <quota>default</quota>
      <grants><query>GRANT SELECT ON rollcall.*</query></grants>
    </grafana>
  </users>
</clickhouse>
XML
fi

# A certificate that vouches for itself, so that it is what to trust too. Put one of your own in its place.
if missing access/tls-cert.pem; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=rollcall \
    -addext "subjectAltName=DNS:localhost,DNS:ingest,DNS:reconcile,DNS:inspector,DNS:$(hostname),IP:127.0.0.1" \
    -keyout "$directory/access/tls-key.pem" -out "$directory/access/tls-cert.pem" 2>/dev/null
  chmod 0444 "$directory/access/tls-cert.pem"
fi

# The key that signs certificates. The program refuses to make a first one where there is one.
if missing keys/keys.json; then rollcall keys keys create --keys /given; fi

token prometheus viewer prometheus-token 0444
token hops ingest hops-token
token admin admin admin-token

# The containers of Rollcall run as the owner of the files. Root is nobody to run as, so it gives them away.
if [ "$(id -u)" = 0 ]; then
  chown -R 65532:65532 "$directory/access" "$directory/keys"
elif ! grep -qs '^ROLLCALL_UID=' "$directory/../.env"; then
  printf 'ROLLCALL_UID=%s\nROLLCALL_GID=%s\n' "$(id -u)" "$(id -g)" >>"$directory/../.env"
fi
