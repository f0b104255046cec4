// case: sqlx_query_bind
pub async fn find(pool: &PgPool, name: &str) -> sqlx::Result<()> { sqlx::query("SELECT * FROM users WHERE name = $1").bind(name).execute(pool).await?; Ok(()) }
// case: sqlx_query_format
pub async fn find(pool: &PgPool, name: &str) -> sqlx::Result<()> { sqlx::query(&format!("SELECT * FROM users WHERE name = '{}'", name)).execute(pool).await?; Ok(()) } //~ sql_template
// case: sqlx_query_inline
pub async fn find(pool: &PgPool, name: &str) { sqlx::query(&format!("SELECT * FROM users WHERE name = '{name}'")).fetch_one(pool).await.unwrap(); } //~
// case: sqlx_query_as
let user = sqlx::query_as::<_, User>("SELECT * FROM users WHERE id = $1").bind(id).fetch_one(&pool).await?;
// case: sqlx_query_as_unsafe
let user = sqlx::query_as::<_, User>(&format!("SELECT * FROM users WHERE id = {}", id)).fetch_one(&pool).await?; //~
// case: sqlx_query_scalar
let n: i64 = sqlx::query_scalar("SELECT count(*) FROM users WHERE a = ?").bind(a).fetch_one(&pool).await?;
// case: sqlx_query_scalar_unsafe
let n: i64 = sqlx::query_scalar(&("SELECT count(*) FROM ".to_string() + table)).fetch_one(&pool).await?; //~ sql_identifier
// case: sqlx_macro
let rows = sqlx::query!("SELECT id FROM users WHERE name = $1", name).fetch_all(&pool).await?;
// case: sqlx_macro_as
let rows = sqlx::query_as!(User, "SELECT * FROM users WHERE name = $1", name).fetch_all(&pool).await?;
// case: sqlx_macro_concat
let rows = sqlx::query!("SELECT id FROM users " + "WHERE name = $1", name).fetch_all(&pool).await?;
// case: sqlx_imported
use sqlx::query;
async fn f(pool: &PgPool, id: i32) { query("SELECT 1 WHERE a = $1").bind(id).execute(pool).await.unwrap(); }
// case: sqlx_imported_unsafe
use sqlx::query;
async fn f(pool: &PgPool, id: &str) { query(&format!("DELETE FROM t WHERE id = {id}")).execute(pool).await.unwrap(); } //~
// case: sqlx_builder
let mut qb: QueryBuilder<Postgres> = QueryBuilder::new("SELECT * FROM users WHERE a = ");
qb.push_bind(a);
qb.push(" AND b = ").push_bind(b);
let rows = qb.build().fetch_all(&pool).await?;
// case: sqlx_builder_unsafe
let mut qb: QueryBuilder<Postgres> = QueryBuilder::new("SELECT * FROM users WHERE a = ");
qb.push(a); //~
let rows = qb.build().fetch_all(&pool).await?;
// case: sqlx_builder_format
let mut qb = sqlx::QueryBuilder::<Postgres>::new("SELECT * FROM users WHERE 1 = 1");
qb.push(format!(" AND a = '{}'", a)); //~
// case: sqlx_builder_new_unsafe
let mut qb: QueryBuilder<Postgres> = QueryBuilder::new(format!("SELECT * FROM {}", table)); //~
// case: sqlx_builder_values
let mut qb: QueryBuilder<MySql> = QueryBuilder::new("INSERT INTO t (a, b) ");
qb.push_values(rows, |mut b, row| { b.push_bind(row.a).push_bind(row.b); });
// case: sqlx_builder_separated
let mut qb: QueryBuilder<MySql> = QueryBuilder::new("SELECT * FROM t WHERE id IN (");
let mut separated = qb.separated(", ");
for id in ids { separated.push_bind(id); }
separated.push_unseparated(")");
// case: sqlx_execute_str
pool.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER)").await?;
// case: sqlx_execute_str_unsafe
pool.execute(format!("DROP TABLE {}", name).as_str()).await?; //~
// case: sqlx_raw_sql
sqlx::raw_sql(&script).execute(&pool).await?; //~
// case: sqlx_variable
let q = sqlx::query("SELECT * FROM t WHERE a = $1").bind(a);
q.execute(&pool).await?;
// case: sqlx_transaction
let mut tx = pool.begin().await?;
sqlx::query("UPDATE t SET a = $1").bind(a).execute(&mut *tx).await?;
tx.commit().await?;
// case: sqlx_assert_safe
sqlx::query(AssertSqlSafe(format!("SELECT * FROM t WHERE a = {a}"))).execute(&pool).await?; //~
// case: tokio_postgres_query
let rows = client.query("SELECT * FROM users WHERE name = $1", &[&name]).await?;
// case: tokio_postgres_format
let rows = client.query(&format!("SELECT * FROM users WHERE name = '{}'", name), &[]).await?; //~
// case: tokio_postgres_query_one
let row = client.query_one("SELECT count(*) FROM t WHERE a = $1", &[&a]).await?;
// case: tokio_postgres_query_one_unsafe
let row = client.query_one(&*format!("SELECT count(*) FROM t WHERE a = {a}"), &[]).await?; //~
// case: tokio_postgres_query_opt_variable
let sql = format!("SELECT * FROM t WHERE a = '{a}'"); //~
let row = client.query_opt(sql.as_str(), &[]).await?;
// case: tokio_postgres_prepare
let stmt = client.prepare("SELECT * FROM t WHERE a = $1").await?;
let rows = client.query(&stmt, &[&a]).await?;
// case: tokio_postgres_prepare_unsafe
let stmt = client.prepare(&format!("SELECT * FROM {} WHERE a = $1", table)).await?; //~
// case: tokio_postgres_batch
client.batch_execute("CREATE TABLE a (id INT); CREATE TABLE b (id INT);").await?;
// case: tokio_postgres_batch_unsafe
client.batch_execute(&sql).await?; //~
// case: tokio_postgres_simple_unsafe
client.simple_query(&format!("SET ROLE {}", role)).await?; //~
// case: tokio_postgres_transaction
let tx = client.transaction().await?;
tx.execute("INSERT INTO t VALUES ($1)", &[&a]).await?;
// case: tokio_postgres_transaction_unsafe
let tx = client.transaction().await?;
tx.execute(&("INSERT INTO t VALUES ('".to_owned() + a + "')"), &[]).await?; //~
// case: tokio_postgres_copy
let sink = client.copy_in("COPY t FROM STDIN").await?;
// case: deadpool
let client = pool.get().await?;
let stmt = client.prepare_cached("SELECT 1 + $1").await?;
// case: deadpool_unsafe
let client = pool.get().await?;
let stmt = client.prepare_cached(&format!("SELECT 1 + {}", n)).await?; //~
// case: rusqlite_execute
conn.execute("INSERT INTO person (name, data) VALUES (?1, ?2)", (&me.name, &me.data))?;
// case: rusqlite_execute_params
conn.execute("INSERT INTO person (name) VALUES (?1)", params![name])?;
// case: rusqlite_execute_unsafe
conn.execute(&format!("INSERT INTO person (name) VALUES ('{}')", name), [])?; //~
// case: rusqlite_query_row
let n: i64 = conn.query_row("SELECT count(*) FROM t WHERE a = ?1", [a], |row| row.get(0))?;
// case: rusqlite_query_row_unsafe
let n: i64 = conn.query_row(&format!("SELECT count(*) FROM t WHERE a = '{a}'"), [], |row| row.get(0))?; //~
// case: rusqlite_prepare
let mut stmt = conn.prepare("SELECT id, name FROM person WHERE id = :id")?;
let rows = stmt.query_map(&[(":id", &id)], |row| row.get(0))?;
// case: rusqlite_prepare_unsafe
let mut stmt = conn.prepare(&("SELECT id FROM person WHERE name = '".to_string() + &name + "'"))?; //~
// case: rusqlite_batch
conn.execute_batch("BEGIN; CREATE TABLE foo(x INTEGER); COMMIT;")?;
// case: rusqlite_batch_unsafe
conn.execute_batch(&script)?; //~
// case: rusqlite_pragma
conn.pragma_update(None, "journal_mode", "WAL")?;
// case: rusqlite_named
conn.execute("UPDATE t SET a = :a", named_params! { ":a": a })?;
// case: rusqlite_in_marks
let marks = vec!["?"; ids.len()].join(",");
let sql = format!("SELECT * FROM t WHERE id IN ({marks})");
let mut stmt = conn.prepare(&sql)?;
// case: rusqlite_in_marks_map
let marks = ids.iter().map(|_| "?").collect::<Vec<_>>().join(", ");
let mut stmt = conn.prepare(&format!("SELECT * FROM t WHERE id IN ({})", marks))?;
// case: postgres_in_marks_numbered
let marks: Vec<String> = (1..=ids.len()).map(|i| format!("${i}")).collect();
let rows = client.query(&format!("SELECT * FROM t WHERE id IN ({})", marks.join(",")), &params).await?;
// case: postgres_in_marks_enumerate
let marks: Vec<String> = ids.iter().enumerate().map(|(i, _)| format!("${}", i + 1)).collect();
let rows = client.query(&format!("SELECT * FROM t WHERE id IN ({})", marks.join(",")), &params).await?;
// case: rusqlite_in_values
let list = ids.iter().map(|id| id.to_string()).collect::<Vec<_>>().join(","); //~ sql_join
let mut stmt = conn.prepare(&format!("SELECT * FROM t WHERE id IN ({})", list))?;
// case: diesel_sql_query
let users = diesel::sql_query("SELECT * FROM users WHERE id = $1").bind::<Integer, _>(id).load::<User>(&mut conn)?;
// case: diesel_sql_query_unsafe
let users = diesel::sql_query(format!("SELECT * FROM users WHERE id = {}", id)).load::<User>(&mut conn)?; //~
// case: diesel_imported_unsafe
use diesel::sql_query;
fn f(conn: &mut PgConnection, q: &str) { sql_query(q).execute(conn).unwrap(); } //~
// case: diesel_dsl
let users = users::table.filter(users::name.eq(name)).load::<User>(&mut conn)?;
// case: diesel_dsl_execute
diesel::insert_into(users::table).values(&new_user).execute(&mut conn)?;
// case: diesel_batch
conn.batch_execute(&format!("TRUNCATE {}", table))?; //~
// case: diesel_dsl_sql
let users = users::table.filter(diesel::dsl::sql::<Bool>(&format!("name = '{}'", name))).load::<User>(&mut conn)?; //~
// case: mysql_async
let rows: Vec<u32> = conn.exec("SELECT id FROM t WHERE a = ?", (a,)).await?;
// case: mysql_query_drop
conn.query_drop("CREATE TEMPORARY TABLE payment (id INT)")?;
// case: mysql_query_drop_unsafe
conn.query_drop(format!("DELETE FROM payment WHERE id = {}", id))?; //~
// case: mysql_exec_unsafe
conn.exec_drop(format!("INSERT INTO {} VALUES (?)", table), (a,))?; //~
// case: mysql_query_map_unsafe
let all = conn.query_map(&sql, |id| id)?; //~
// case: sea_orm_statement
let rows = db.query_all(Statement::from_sql_and_values(DbBackend::Postgres, "SELECT * FROM t WHERE a = $1", [a.into()])).await?;
// case: sea_orm_statement_unsafe
let rows = db.query_all(Statement::from_string(DbBackend::Postgres, format!("SELECT * FROM t WHERE a = '{}'", a))).await?; //~
// case: sea_orm_unprepared
db.execute_unprepared(&format!("DROP TABLE {}", name)).await?; //~
// case: sea_orm_entity
let cheese = Cheese::find().filter(cheese::Column::Name.contains(name)).all(&db).await?;
// case: sea_query_cust
let q = Query::select().from(Char::Table).and_where(Expr::cust(format!("a = '{}'", a))).to_owned(); //~
// case: libsql
let rows = conn.query("SELECT * FROM users WHERE id = ?1", libsql::params![id]).await?;
// case: libsql_unsafe
let rows = conn.query(&format!("SELECT * FROM users WHERE id = {id}"), ()).await?; //~
// case: airlock_sdk
#[airlock_guest::function]
async fn handle(input: Input) -> Result<Output, airlock_guest::Error> {
    let rows = resources::orders_db::query("select id from orders where customer = $1", [&input.customer]).await?;
    Ok(Output { count: rows.len() })
}
// case: airlock_sdk_unsafe
#[airlock_guest::function]
async fn handle(input: Input) -> Result<Output, airlock_guest::Error> {
    let rows = resources::orders_db::query(&format!("select id from orders where customer = '{}'", input.customer), ()).await?; //~
    Ok(Output { count: rows.len() })
}
// case: airlock_sdk_imported
use resources::ledger;
fn handle(input: Input) -> Result<Output, Error> {
    ledger::execute(&input.sql, ())?; //~
    Ok(Output {})
}
// case: airlock_sdk_transaction
fn handle(input: Input) -> Result<Output, Error> {
    let tx = resources::ledger::begin()?;
    tx.execute("update t set a = $1", (input.a,))?;
    tx.commit()?;
    Ok(Output {})
}
// case: airlock_sdk_transaction_unsafe
fn handle(input: Input) -> Result<Output, Error> {
    let tx = resources::ledger::begin()?;
    tx.execute(&format!("update t set a = {}", input.a), ())?; //~
    Ok(Output {})
}
// case: airlock_sdk_stream
fn handle(input: Input) -> Result<Output, Error> {
    let mut batches = resources::ledger::query_stream(&format!("select * from t where a = '{}'", input.a), ())?; //~
    Ok(Output {})
}
// case: airlock_kv
fn handle(input: Input) -> Result<Output, Error> {
    let v = resources::cache::get(&format!("select/{}", input.key))?;
    Ok(Output { v })
}
// case: tiberius
let stream = client.query("SELECT @P1", &[&1i32]).await?;
// case: tiberius_unsafe
let stream = client.simple_query(format!("SELECT * FROM t WHERE a = '{a}'")).await?; //~
// case: odbc_unsafe
connection.execute(&format!("SELECT * FROM t WHERE a = '{}'", a), ())?; //~
// case: clickhouse
let rows = client.query("SELECT ?fields FROM some WHERE no BETWEEN ? AND ?").bind(500).fetch::<MyRow>()?;
// case: clickhouse_unsafe
let rows = client.query(&format!("SELECT ?fields FROM some WHERE no = {no}")).fetch::<MyRow>()?; //~
// case: surreal
let r = db.query("SELECT * FROM person WHERE name = $name").bind(("name", name)).await?;
// case: surreal_unsafe
let r = db.query(format!("SELECT * FROM person WHERE name = '{}'", name)).await?; //~
// case: worker_d1
let statement = db.prepare("SELECT * FROM things WHERE id = ?1");
let query = statement.bind(&[id.into()])?;
// case: worker_d1_unsafe
let statement = db.prepare(format!("SELECT * FROM things WHERE id = {}", id)); //~
