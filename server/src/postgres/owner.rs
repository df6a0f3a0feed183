//! What only the owner of the schema sets, after migrations: the rights of the role as which the server runs, if that is another one, and how
//! long audit records are kept at least.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, Statement, TransactionTrait as _};

/// As the owner of the schema. `%1$I` is the role, `%2$I` the schema. Migrations add tables, so the rights are set anew after each.
///
/// Audit records can be added and read. The chains' heads and anchors change only through the trigger and `audit_remove`, which
/// run as the owner.
const GRANTS: &str = "
DO $do$
DECLARE
  serving text := current_setting('storeplane.serving_role');
  statement text;
BEGIN
  FOREACH statement IN ARRAY ARRAY[
    'GRANT USAGE ON SCHEMA %2$I TO %1$I',
    'REVOKE ALL ON ALL TABLES IN SCHEMA %2$I FROM %1$I',
    'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %2$I TO %1$I',
    'GRANT USAGE ON ALL SEQUENCES IN SCHEMA %2$I TO %1$I',
    'REVOKE UPDATE, DELETE ON %2$I.audit_events FROM %1$I',
    'REVOKE INSERT, UPDATE, DELETE ON %2$I.audit_chain_heads, %2$I.audit_settings, %2$I.event_history, %2$I.server_keys, %2$I.seaql_migrations FROM %1$I',
    'GRANT EXECUTE ON FUNCTION %2$I.audit_remove(text, timestamptz, bigint) TO %1$I'
  ] LOOP
    EXECUTE format(statement, serving, current_schema());
  END LOOP;
END $do$";

/// Roles that the owner cannot restrict.
const UNRESTRICTED: &str =
    "SELECT rolsuper OR pg_has_role(oid, current_user, 'MEMBER') FROM pg_roles WHERE rolname = $1";

const MAY_SET: &str = "SELECT has_table_privilege('audit_settings', 'UPDATE')";
const KEEP: &str = "UPDATE audit_settings SET kept_seconds = $1 WHERE kept_seconds IS DISTINCT FROM $1";

/// Gives a role the rights that the server needs, and no others. Call it as the owner of the schema, after migrations.
///
/// # Errors
/// The role does not exist, or no rights can be taken from it, because it is a superuser or a member of the owner.
pub(super) async fn grant(connection: &DatabaseConnection, role: &str) -> Result<(), DbErr> {
    let unrestricted = Statement::from_sql_and_values(DbBackend::Postgres, UNRESTRICTED, [role.into()]);
    let row = connection.query_one_raw(unrestricted).await?;
    match row.map(|row| row.try_get_by_index::<bool>(0)).transpose()? {
        None => return Err(DbErr::Custom(format!("the serving role {role:?} does not exist"))),
        Some(true) => {
            let problem = "is a superuser, the owner of the schema or a member of it: it could change the audit log";
            return Err(DbErr::Custom(format!("the serving role {role:?} {problem}")));
        }
        Some(false) => {}
    }
    let transaction = connection.begin().await?;
    let set = "SELECT set_config('storeplane.serving_role', $1, true)";
    transaction.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, set, [role.into()])).await?;
    transaction.execute_unprepared(GRANTS).await?;
    transaction.commit().await
}

/// Sets how long `audit_remove` keeps records at least; `None` for forever. Does nothing as a role that may not set it: it is then not the owner,
/// who sets it when it migrates.
pub(super) async fn keep_audit(connection: &DatabaseConnection, kept: Option<Duration>) -> Result<(), DbErr> {
    let may_set = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, MAY_SET)).await?;
    if may_set.map(|row| row.try_get_by_index(0)).transpose()? != Some(true) {
        return Ok(());
    }
    let seconds = kept.map(|kept| i64::try_from(kept.as_secs()).unwrap_or(i64::MAX));
    connection.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, KEEP, [seconds.into()])).await.map(drop)
}
