//! What databases say of their own tables: as the reading role sees them, and in one shape.

use airlock_resources::{Column, Schema};
use airlock_tests::{mariadb::Mariadb, postgres};

fn columns<'a>(schema: &'a Schema, table: &str) -> Option<&'a [Column]> {
    schema.tables.iter().find(|known| known.name == table).map(|known| known.columns.as_slice())
}

/// `name type facts`, as short as a test wants it.
fn told(schema: &Schema, table: &str) -> Vec<String> {
    let one = |column: &Column| {
        let Column { name, database_type, nullable, has_default, primary_key, references } = column;
        let facts = [(*nullable, "null"), (*has_default, "default"), (*primary_key > 0, "key")];
        let facts: Vec<_> = facts.into_iter().filter_map(|(holds, word)| holds.then_some(word)).collect();
        format!("{name} {database_type} {} {references}", facts.join("+")).trim_end().to_owned()
    };
    columns(schema, table).expect("the table is there").iter().map(one).collect()
}

#[tokio::test]
async fn postgres_tells_types_keys_and_only_what_may_be_read() {
    let server = postgres::Postgres::start();
    server.sql(&format!(
        "create table lines (id integer generated always as identity primary key, order_id integer not null references orders (id), \
         note varchar(40), hidden text); create table secret (id integer); \
         grant select (id, order_id, note) on lines to {reader}; revoke all on secret from {reader}; \
         create view totals as select customer, sum(total) as total from orders group by customer; grant select on totals to {reader}",
        reader = postgres::NAMES[0]
    ));
    server.sql(&format!(
        "revoke select on lines from {0}; grant select (id, order_id, note) on lines to {0}",
        postgres::NAMES[0]
    ));
    let schema = server.client("").describe().await.expect("described");
    assert_eq!(told(&schema, "orders"), ["id integer key", "customer text", "total numeric(12,2)"]);
    let lines = ["id integer default+key", "order_id integer  public.orders.id", "note character varying(40) null"];
    assert_eq!(told(&schema, "lines"), lines);
    assert!(schema.tables.iter().any(|table| table.name == "totals" && table.is_view && table.schema == "public"));
    assert_eq!(columns(&schema, "secret"), None);
    assert!(schema.tables.iter().all(|table| !table.schema.starts_with("pg_")), "{schema:?}");
    assert!(!schema.truncated);
}

#[tokio::test]
async fn mariadb_tells_the_same_and_not_the_name_of_its_database() {
    let server = Mariadb::start();
    server.sql(
        "create table line_items (id bigint unsigned auto_increment primary key, order_id integer not null, note varchar(40) default null, \
         at timestamp default current_timestamp, foreign key (order_id) references orders (id))",
    );
    server.sql("create view totals as select customer, sum(total) as total from orders group by customer");
    let schema = server.client("").describe().await.expect("described");
    let lines = [
        "id bigint(20) unsigned default+key",
        "order_id int(11)  orders.id",
        "note varchar(40) null",
        "at timestamp default",
    ];
    let found = told(&schema, "line_items");
    assert_eq!(found[..3], lines[..3]);
    assert!(found[3].starts_with("at timestamp") && found[3].contains("default"), "{found:?}");
    assert!(schema.tables.iter().any(|table| table.name == "totals" && table.is_view));
    assert!(schema.tables.iter().all(|table| table.schema.is_empty()), "{schema:?}");
}
