//! The rights of the role as which the server runs, if another one owns the schema.

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, Statement};

use super::pool::connect;

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
    'REVOKE INSERT, UPDATE, DELETE ON %2$I.audit_chain_heads, %2$I.server_keys, %2$I.seaql_migrations FROM %1$I',
    'GRANT EXECUTE ON FUNCTION %2$I.audit_remove(text, timestamptz, bigint) TO %1$I'
  ] LOOP
    EXECUTE format(statement, serving, current_schema());
  END LOOP;
END $do$";

/// Roles that the owner cannot restrict.
const UNRESTRICTED: &str =
    "SELECT rolsuper OR pg_has_role(oid, current_user, 'MEMBER') FROM pg_roles WHERE rolname = $1";

/// Gives a role the rights that the server needs, and no others. Call it as the owner of the schema, after migrations.
///
/// # Errors
/// The role does not exist, or no rights can be taken from it, because it is a superuser or a member of the owner.
pub async fn grant(url: &str, role: &str) -> Result<(), DbErr> {
    let pool = connect(url, 1).map_err(|error| DbErr::Custom(error.to_string()))?;
    let unrestricted = Statement::from_sql_and_values(DbBackend::Postgres, UNRESTRICTED, [role.into()]);
    let row = pool.query_one_raw(unrestricted).await?;
    match row.map(|row| row.try_get_by_index::<bool>(0)).transpose()? {
        None => return Err(DbErr::Custom(format!("the serving role {role:?} does not exist"))),
        Some(true) => {
            let problem = "is a superuser, the owner of the schema or a member of it: it could change the audit log";
            return Err(DbErr::Custom(format!("the serving role {role:?} {problem}")));
        }
        Some(false) => {}
    }
    let transaction = pool.begin().await?;
    let set = "SELECT set_config('storeplane.serving_role', $1, true)";
    transaction.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, set, [role.into()])).await?;
    transaction.execute_unprepared(GRANTS).await?;
    transaction.commit().await
}
