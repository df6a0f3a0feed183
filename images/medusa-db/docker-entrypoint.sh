#!/bin/bash
# Starts PostgreSQL. The first start creates the data directory; every start creates what is missing and sets the password before the first connection, so
# a changed Secret needs only a restart. Takes the official image's variables: PGDATA, POSTGRES_{DB,USER,PASSWORD}, the last three also as ..._FILE.
# POSTGRES_USER is no superuser: it owns its database and may create others, which restore-database does.
set -euo pipefail
trap 'exit 143' TERM INT # process 1 ignores signals that it does not handle; postgres handles its own

log() { echo "medusa-db: $*" >&2; }
from_file() { # NAME: sets $NAME from the file $NAME_FILE, if that is set
  local file=$1_FILE
  if [ -n "${!file:-}" ]; then printf -v "$1" %s "$(<"${!file}")"; fi
  if [[ ${!1:-} == *$'\n'* ]]; then log "$1 must be one line"; exit 1; fi
}
text() { printf "'%s'" "${1//\'/\'\'}"; }  # an SQL string
name() { printf '"%s"' "${1//\"/\"\"}"; }  # an SQL name

[ $# -gt 0 ] && [ "${1:0:1}" != - ] || set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"

data=$PGDATA
settings=(-c config_file=/etc/storeplane/postgresql.conf -c "data_directory=$data")
version=$(postgres --version) version=${version#postgres (PostgreSQL) } version=${version%%.*}

# PG_VERSION is moved last: without it the next start does all this again.
if [ ! -s "$data/PG_VERSION" ]; then
  log "creating the data directory $data"
  rm -rf "$data"
  mkdir -p -m 700 "$data/.first-start"
  tar -C "$data/.first-start" --no-same-owner -xzf /usr/share/storeplane/data.tar.gz
  find "$data/.first-start" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv -t "$data" {} +
  sync -f "$data"
  mv "$data/.first-start/PG_VERSION" "$data/PG_VERSION"
  rmdir "$data/.first-start"
fi
if [ "$(<"$data/PG_VERSION")" != "$version" ]; then
  log "the data directory is of PostgreSQL $(<"$data/PG_VERSION"), this is $version: restore a backup into a new volume instead"
  exit 1
fi
chmod 700 "$data" # fsGroup opens it to the group
rm -f "$data/postmaster.pid" # of a container that is gone: the volume is in one pod at a time

for v in POSTGRES_DB POSTGRES_USER POSTGRES_PASSWORD; do from_file "$v"; done
# Without a server, and without a trace: the statements are in no file and no argument, and single-user mode logs none.
statements() {
  [ -n "${POSTGRES_USER:-}" ] && [ -n "${POSTGRES_PASSWORD:-}" ] || return 0
  echo "DO \$do\$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $(text "$POSTGRES_USER")) THEN CREATE ROLE $(name "$POSTGRES_USER"); END IF; END \$do\$;"
  echo "ALTER ROLE $(name "$POSTGRES_USER") LOGIN CREATEDB PASSWORD $(text "$POSTGRES_PASSWORD");"
}
sql() { postgres --single "${settings[@]}" template1 >/dev/null; }
if [ -n "${POSTGRES_USER:-}" ]; then
  {
    statements
    # there is no IF NOT EXISTS for it; an error of one statement does not end single-user mode
    echo "CREATE DATABASE $(name "${POSTGRES_DB:-$POSTGRES_USER}") OWNER $(name "$POSTGRES_USER");"
  } | sql 2> >(grep -v 'already exists' >&2)
fi
unset POSTGRES_PASSWORD
exec "$@" "${settings[@]}"
