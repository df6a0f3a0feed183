#!/bin/bash
# Starts MariaDB. The first start creates the data directory, the database and its user. Takes the official image's
# variables: MARIADB_{DATABASE,USER,PASSWORD,ROOT_PASSWORD,AUTO_UPGRADE}, the first four also as ..._FILE.
# Every start sets users and passwords before the first connection, so a changed Secret needs only a restart.
set -euo pipefail
trap 'exit 143' TERM INT # process 1 ignores signals that it does not handle; mariadbd handles its own

log() { echo "store-db: $*" >&2; }
from_file() { # NAME: sets $NAME from the file $NAME_FILE, if that is set
  local file=$1_FILE
  if [ -n "${!file:-}" ]; then printf -v "$1" %s "$(<"${!file}")"; fi
  if [[ ${!1:-} == *$'\n'* ]]; then log "$1 must be one line"; exit 1; fi
}
quoted() { # an SQL string
  local s=${1//\\/\\\\}
  printf "'%s'" "${s//\'/\\\'}"
}
name() { printf '`%s`' "${1//\`/\`\`}"; } # an SQL name

[ $# -gt 0 ] && [ "${1:0:1}" != - ] || set -- mariadbd "$@"
[ "$1" = mariadbd ] || exec "$@"

data=/var/lib/mysql
for arg in "$@"; do case $arg in --datadir=*) data=${arg#*=} ;; esac; done

# The system database is moved last: without it the next start does all this again.
if [ ! -d "$data/mysql" ]; then
  log "creating the data directory $data"
  mkdir -p "$data"
  rm -rf "$data/.first-start"
  mkdir "$data/.first-start"
  tar -C "$data/.first-start" --no-same-owner -xzf /usr/share/storeplane/data.tar.gz
  for entry in "$data"/.first-start/*; do
    [ "${entry##*/}" = mysql ] && continue
    rm -rf "${data:?}/${entry##*/}"
    mv "$entry" "$data/"
  done
  cp /usr/share/storeplane/version "$data/.storeplane-version"
  sync -f "$data"
  mv "$data/.first-start/mysql" "$data/mysql"
  rm -rf "$data/.first-start"
fi

# After a power loss the transaction coordinator's log may be empty or all zeros. It then holds no transaction, but MariaDB refuses to start.
tc_log=$data/tc.log
if [ -f "$tc_log" ] && [ -z "$(tr -d '\0' <"$tc_log" | head -c 1)" ]; then
  log "removing $tc_log: it is empty, probably after a power loss"
  rm -f "$tc_log"
fi

for v in MARIADB_DATABASE MARIADB_USER MARIADB_PASSWORD MARIADB_ROOT_PASSWORD; do from_file "$v"; done
statements() { # SQL that MariaDB runs before it accepts connections
  local root user pattern database
  root=${MARIADB_ROOT_PASSWORD:-$(od -An -tx1 -N24 /dev/urandom | tr -d ' \n')}
  echo "DELETE FROM mysql.global_priv WHERE User IN ('', 'root') AND Host <> 'localhost';"
  echo "FLUSH PRIVILEGES;"
  echo "ALTER USER IF EXISTS 'root'@'localhost' IDENTIFIED BY $(quoted "$root");"
  if [ -n "${MARIADB_DATABASE:-}" ]; then
    echo "CREATE DATABASE IF NOT EXISTS $(name "$MARIADB_DATABASE") CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;"
  fi
  if [ -n "${MARIADB_USER:-}" ] && [ -n "${MARIADB_PASSWORD:-}" ]; then
    user="$(quoted "$MARIADB_USER")@'%'"
    echo "CREATE USER IF NOT EXISTS $user IDENTIFIED BY $(quoted "$MARIADB_PASSWORD");"
    echo "ALTER USER $user IDENTIFIED BY $(quoted "$MARIADB_PASSWORD");"
    if [ -n "${MARIADB_DATABASE:-}" ]; then
      pattern=${MARIADB_DATABASE//_/\\_} # in a grant, _ is a wildcard
      pattern=${pattern//%/\\%}
      for database in "$pattern" "${pattern}\\_restore" "${pattern}\\_replaced"; do # the latter two are those of restore-database
        echo "GRANT ALL ON $(name "$database").* TO $user;"
      done
    fi
  fi
}

# System tables of another version are upgraded once, while the server runs.
if [ -n "${MARIADB_AUTO_UPGRADE:-}" ] && ! cmp -s /usr/share/storeplane/version "$data/.storeplane-version"; then
  (
    export MYSQL_PWD=${MARIADB_ROOT_PASSWORD:-}
    until mariadb-admin --user=root --silent ping 2>/dev/null; do sleep 0.2; done
    if mariadb-upgrade --user=root --silent; then cp /usr/share/storeplane/version "$data/.storeplane-version"; fi
  ) &
fi
# The statements hold passwords. They go through a pipe, so that no file has them and nothing of them is left once they are read.
sql=$(statements)
unset MARIADB_PASSWORD MARIADB_ROOT_PASSWORD
exec 3<<<"$sql"
exec "$@" --init-file=/dev/fd/3
