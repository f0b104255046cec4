//! What tables a database has, as its reading role sees them: read with one statement of our own, through the same door and
//! under the same caps as those of guests.

use airlock_model::{HostError, HostReply, ResourceName, Rows, SqlVerb, StatementClass, TenantName};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::{Dialect, SqlRequest, StopNotice};

/// Columns of one database that are told; more are cut.
const COLUMNS_MAX: u64 = 20_000;
const BYTES_MAX: u64 = 8 << 20;

/// The tables of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// By schema and name.
    pub tables: Vec<Table>,
    /// There is more than is told here.
    pub truncated: bool,
}

/// A table or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Empty where the database knows no schemas.
    pub schema: String,
    /// Its name, without quotes.
    pub name: String,
    /// Whether it is a view.
    pub is_view: bool,
    /// In order.
    pub columns: Vec<Column>,
}

/// A column of a table or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, without quotes.
    pub name: String,
    /// The database's own name of the type.
    pub database_type: String,
    /// Whether it can hold NULL.
    pub nullable: bool,
    /// Whether the database fills it in when an INSERT leaves it out.
    pub has_default: bool,
    /// Its place in the primary key, from 1; 0 when it is none of it.
    pub primary_key: u32,
    /// `schema.table.column`, or `table.column` where there are no schemas; empty for none.
    pub references: String,
}

/// One line of what the statements below return.
#[derive(Deserialize)]
struct Line(String, String, String, String, String, Value, Value, u32, String);

const SQLITE: &str = r#"
select '', m.name, m.type, p.name, p.type, p."notnull" = 0 and p.pk = 0, p.dflt_value is not null or p.hidden > 1, p.pk,
  coalesce((select f."table" || coalesce('.' || f."to", '') from pragma_foreign_key_list(m.name) f where f."from" = p.name limit 1), '')
from sqlite_schema m join pragma_table_xinfo(m.name) p
where m.type in ('table', 'view') and m.name not like 'sqlite\_%' escape '\' and p.hidden <> 1
order by m.name, p.cid"#;

const POSTGRES: &str = r"
select n.nspname::text, c.relname::text, case when c.relkind in ('v', 'm') then 'view' else 'table' end, a.attname::text,
  format_type(a.atttypid, a.atttypmod), not a.attnotnull, a.atthasdef or a.attidentity <> '',
  coalesce(array_position(p.conkey, a.attnum), 0), coalesce(f.target, '')
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_constraint p on p.conrelid = c.oid and p.contype = 'p'
left join lateral (
  select tn.nspname || '.' || tc.relname || '.' || ta.attname as target
  from pg_constraint k
  join pg_class tc on tc.oid = k.confrelid
  join pg_namespace tn on tn.oid = tc.relnamespace
  join pg_attribute ta on ta.attrelid = k.confrelid and ta.attnum = k.confkey[array_position(k.conkey, a.attnum)]
  where k.conrelid = c.oid and k.contype = 'f' and a.attnum = any(k.conkey)
  order by k.conname limit 1
) f on true
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and has_schema_privilege(n.oid, 'usage') and has_column_privilege(c.oid, a.attnum, 'select')
order by 1, 2, a.attnum";

/// A schema is a database there, and its name is nobody's business.
const MYSQL: &str = r"
select '', c.table_name, case when t.table_type like '%VIEW' then 'view' else 'table' end, c.column_name, c.column_type,
  c.is_nullable = 'YES', (c.column_default is not null and c.column_default <> 'NULL') or c.extra <> '',
  coalesce(p.ordinal_position, 0), coalesce(f.target, '')
from information_schema.columns c
join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
left join information_schema.key_column_usage p on p.table_schema = c.table_schema and p.table_name = c.table_name
  and p.column_name = c.column_name and p.constraint_name = 'PRIMARY'
left join (
  select table_name, column_name, min(concat(referenced_table_name, '.', referenced_column_name)) as target
  from information_schema.key_column_usage
  where table_schema = database() and referenced_table_schema = database()
  group by table_name, column_name
) f on f.table_name = c.table_name and f.column_name = c.column_name
where c.table_schema = database()
order by c.table_name, c.ordinal_position";

/// The statement that asks a database for its tables.
pub(crate) fn request(dialect: Dialect, resource: &ResourceName, tenant: &TenantName, deadline: Instant) -> SqlRequest {
    let statement = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MYSQL,
    };
    SqlRequest {
        resource: resource.clone(),
        tenant: tenant.clone(),
        verb: SqlVerb::Query,
        class: StatementClass::Read,
        statement: statement.to_owned(),
        parameters: "[]".to_owned(),
        deadline,
        affected_max: None,
        connection_by: deadline,
        rows_max: COLUMNS_MAX,
        bytes_max: BYTES_MAX,
        stop: StopNotice::default(),
    }
}

/// Reads what the database said.
///
/// # Errors
/// When it is not what was asked for: a bug of ours or a server that is none.
pub(crate) fn read(resource: &ResourceName, reply: HostReply) -> Result<Schema, HostError> {
    let odd = |why: &dyn std::fmt::Display| {
        tracing::error!(%resource, %why, "a database described itself in another way than asked");
        HostError::Unavailable(format!("`{resource}` did not describe its tables"))
    };
    let HostReply::Rows(Rows { rows, truncated, .. }) = reply else { return Err(odd(&"no rows")) };
    let lines: Vec<Line> = serde_json::from_str(&rows).map_err(|why| odd(&why))?;
    let mut tables: Vec<Table> = Vec::new();
    for Line(schema, name, kind, column, database_type, nullable, has_default, primary_key, references) in lines {
        let (nullable, has_default) = (is_true(&nullable), is_true(&has_default));
        let column = Column { name: column, database_type, nullable, has_default, primary_key, references };
        match tables.last_mut().filter(|table| table.schema == schema && table.name == name) {
            Some(table) => table.columns.push(column),
            None => tables.push(Table { schema, name, is_view: kind == "view", columns: vec![column] }),
        }
    }
    Ok(Schema { tables, truncated })
}

/// Not every database has a type for it.
fn is_true(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| value.as_i64() == Some(1))
}
