# The shop's database server, for backup-database and restore-database. Variables as those of the shop's pod: STORE_DB_*.
database=$STORE_DB_NAME
export PGHOST=$STORE_DB_HOST PGPORT=${STORE_DB_PORT:-5432} PGUSER=$STORE_DB_USER PGPASSWORD=$STORE_DB_PASSWORD PGCONNECT_TIMEOUT=10
case ${STORE_DB_TLS:-none} in
none) export PGSSLMODE=disable ;;
require) export PGSSLMODE=require ;;
verify) export PGSSLMODE=verify-full PGSSLROOTCERT=${STORE_DB_CA:-/etc/ssl/certs/ca-certificates.crt} ;;
esac
# Seconds for which the server may be unreachable: it may be restarting.
database_seconds=${STORE_DATABASE_SECONDS:-120}

client() { psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 "$@"; }
sql() { client --dbname="$1" --command="$2"; } # DATABASE STATEMENT
text() { printf "'%s'" "${1//\'/\'\'}"; }
name() { printf '"%s"' "${1//\"/\"\"}"; }

# DATABASE: which of the server's databases to try; a restore that ended early may have left the shop's own under another name
wait_for_database() { # DATABASE
  local until=$((SECONDS + database_seconds))
  until sql "$1" 'SELECT 1' >/dev/null 2>"$work/connect.log"; do
    [ $SECONDS -lt $until ] || fail 20 "the database is not reachable: $(first_line "$work/connect.log" '')"
    sleep 1
  done
}
has_shop() { [ "$(sql "$1" "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename IN ('store', 'storeplane_state')" 2>/dev/null)" = 2 ]; } # DATABASE
# The first line of a backup.
dump_header='-- storeplane: database of a Medusa shop'
