# The shop's database server, for backup-database and restore-database. Variables as those of the shop's pod: STORE_DB_*.
database=$STORE_DB_NAME
export MYSQL_PWD=$STORE_DB_PASSWORD
connection=(--protocol=tcp --host="$STORE_DB_HOST" --port="${STORE_DB_PORT:-3306}" --user="$STORE_DB_USER" --max-allowed-packet=1G)
case ${STORE_DB_TLS:-none} in
none) connection+=(--skip-ssl) ;;
require) connection+=(--ssl --skip-ssl-verify-server-cert) ;;
verify) connection+=(--ssl --ssl-verify-server-cert --ssl-ca="${STORE_DB_CA:-/etc/ssl/certs/ca-certificates.crt}") ;;
esac
# Seconds for which the server may be unreachable: it may be restarting.
database_seconds=${STORE_DATABASE_SECONDS:-120}

client() { mariadb "${connection[@]}" --batch --raw --skip-column-names "$@"; }
sql() { client --execute="$1"; } # STATEMENTS
name() { printf '`%s`' "${1//\`/\`\`}"; }
text() { local s=${1//\\/\\\\}; printf "'%s'" "${s//\'/\\\'}"; }
# A definer that does not exist where the dump is imported would be refused. Rows begin with INSERT or a parenthesis.
without_definers() { LC_ALL=C sed -E '/^(INSERT|\()/!s/DEFINER=`[^`]*`@`[^`]*`//'; }

wait_for_database() {
  local until=$((SECONDS + database_seconds))
  until sql 'SELECT 1' >/dev/null 2>"$work/connect.log"; do
    [ $SECONDS -lt $until ] || fail 20 "the database is not reachable: $(first_line "$work/connect.log" '')"
    sleep 1
  done
}
# The first line of a backup.
dump_header='-- storeplane: database of a WooCommerce shop'
