// case: nested_format
client.query(&format!("SELECT * FROM t WHERE a IN ({})", format!("SELECT id FROM u WHERE n = '{}'", n)), &[])?; //~
// case: format_width
client.query(&format!("SELECT * FROM t WHERE a = {:>10}", a), &[])?; //~
// case: format_no_holes
client.query(&format!("SELECT * FROM t"), &[])?;
// case: associated_function
struct Sql;
impl Sql { fn by_id(id: &str) -> String { format!("SELECT * FROM t WHERE id = {id}") } } //~
pub fn f(client: &mut Client, id: &str) { client.query(&Sql::by_id(id), &[]).unwrap(); }
// case: associated_function_constant
struct Sql;
impl Sql { fn all() -> String { String::from("SELECT * FROM t") } }
pub fn f(client: &mut Client) { client.query(&Sql::all(), &[]).unwrap(); }
// case: result_builder
fn build(id: &str) -> Result<String, Error> { Ok(format!("SELECT * FROM t WHERE id = {id}")) } //~
pub fn f(client: &mut Client, id: &str) -> Result<(), Error> { let sql = build(id)?; client.query(&sql, &[])?; Ok(()) }
// case: option_map
let clause = name.map(|n| format!(" WHERE name = '{n}'")).unwrap_or_default(); //~
client.query(&format!("SELECT * FROM t{clause}"), &[])?;
// case: option_constant
let clause = if name.is_some() { " WHERE name = $1" } else { "" };
client.query(&format!("SELECT * FROM t{clause}"), &params)?;
// case: iterator_fold
let sql = conditions.iter().fold(String::from("SELECT * FROM t WHERE 1 = 1"), |acc, c| acc + " AND " + c); //~
client.query(&sql, &[])?;
// case: extend_chars
let mut sql = String::from("SELECT * FROM t WHERE id = ");
sql.extend(id.chars()); //~
client.query(&sql, &[])?;
// case: insert_str
let mut sql = String::from("SELECT * FROM t");
sql.insert_str(7, &columns); //~
client.query(&sql, &[])?;
// case: struct_update
let base = Config { sql: "SELECT 1".to_string(), n: 1 };
let other = Config { sql: format!("SELECT * FROM {}", table), ..base }; //~
client.query(&other.sql, &[])?;
// case: struct_constant
let config = Config { sql: "SELECT 1".to_string(), n: 1 };
client.query(&config.sql, &[])?;
// case: tuple_struct
let q = Query("SELECT 1");
client.query(q.0, &[])?; //~
// case: enum_match_other
pub fn f(client: &mut Client, e: Event) { match e { Event::Named(name) => { client.query(&format!("SELECT * FROM t WHERE n = '{name}'"), &[]).unwrap(); } _ => {} } } //~
// case: if_let_guard
pub fn f(client: &mut Client, c: &str) { let c = if c == "a" { "a" } else { "b" }; client.query(&format!("SELECT {c} FROM t"), &[]).unwrap(); }
// case: equality_guard
pub fn f(client: &mut Client, d: &str) { if d != "asc" && d != "desc" { return; } client.query(&format!("SELECT * FROM t ORDER BY a {d}"), &[]).unwrap(); }
// case: guard_then_shadowed
pub fn f(client: &mut Client, d: &str, o: &str) { if d != "asc" { return; } let d = o; client.query(&format!("SELECT * FROM t ORDER BY a {d}"), &[]).unwrap(); } //~
// case: guard_without_return
pub fn f(client: &mut Client, d: &str) { if d != "asc" { println!("odd"); } client.query(&format!("SELECT * FROM t ORDER BY a {d}"), &[]).unwrap(); } //~
// case: match_bool
let dir = match desc { true => "DESC", false => "ASC" };
client.query(&format!("SELECT * FROM t ORDER BY a {dir}"), &[])?;
// case: const_array_join
const COLUMNS: &[&str] = &["id", "name"];
pub fn f(client: &mut Client) { client.query(&format!("SELECT {} FROM t", COLUMNS.join(", ")), &[]).unwrap(); }
// case: const_fn
const fn table() -> &'static str { "t" }
pub fn f(client: &mut Client) { client.query(&format!("SELECT * FROM {}", table()), &[]).unwrap(); }
// case: nested_module
mod a { pub mod b { pub const Q: &str = "SELECT * FROM t WHERE id = $1"; } }
pub fn f(client: &mut Client, id: i32) { client.query(a::b::Q, &[&id]).unwrap(); }
// case: crate_path
mod queries { pub const Q: &str = "SELECT * FROM t WHERE id = $1"; }
use crate::queries::Q;
pub fn f(client: &mut Client, id: i32) { client.query(queries::Q, &[&id]).unwrap(); }
// case: trait_method
trait Run { fn run(&self, sql: &str); }
struct Db { client: Client }
impl Run for Db { fn run(&self, sql: &str) { self.client.query(sql, &[]).unwrap(); } } //~
// case: generic_executor
pub async fn f<'e, E: Executor<'e>>(executor: E, id: &str) { sqlx::query(&format!("DELETE FROM t WHERE id = '{id}'")).execute(executor).await.unwrap(); } //~
// case: generic_executor_safe
pub async fn f<'e, E: Executor<'e>>(executor: E, id: &str) { sqlx::query("DELETE FROM t WHERE id = $1").bind(id).execute(executor).await.unwrap(); }
// case: spawn_blocking
tokio::task::spawn_blocking(move || conn.execute(&format!("DELETE FROM t WHERE id = {id}"), [])).await??; //~
// case: interact
let n = conn.interact(move |conn| conn.execute(&format!("DELETE FROM t WHERE id = {id}"), [])).await?; //~
// case: interact_safe
let n = conn.interact(move |conn| conn.execute("DELETE FROM t WHERE id = ?1", [id])).await?;
// case: transaction_closure
conn.transaction(|c| diesel::sql_query(format!("DELETE FROM t WHERE id = {}", id)).execute(c))?; //~
// case: macro_rules_call
my_query!("SELECT * FROM t WHERE id = $1", id);
// case: while_loop
let mut sql = String::from("SELECT * FROM t WHERE 1 = 1");
while let Some(c) = parts.pop() { sql += " AND "; sql += &c; } //~
client.query(&sql, &[])?;
// case: loop_break
let mut sql = String::from("SELECT 1");
loop { if let Some(t) = next() { sql = format!("SELECT * FROM {t}"); break; } } //~
client.query(&sql, &[])?;
// case: repeat_marks
let marks = "?,".repeat(ids.len());
conn.prepare(&format!("SELECT * FROM t WHERE id IN ({})", marks.trim_end_matches(',')))?;
// case: repeat_n
let marks = std::iter::repeat("?").take(ids.len()).collect::<Vec<_>>().join(",");
conn.prepare(&format!("SELECT * FROM t WHERE id IN ({marks})"))?;
// case: itertools_join
let list = ids.iter().join(",");
conn.prepare(&format!("SELECT * FROM t WHERE id IN ({list})"))?; //~
// case: string_from_utf8
let sql = String::from_utf8(body)?;
client.batch_execute(&sql)?; //~
// case: env_var
let schema = std::env::var("SCHEMA")?;
client.batch_execute(&format!("SET search_path TO {schema}"))?; //~
// case: serde_input
let input: Input = serde_json::from_str(&body)?;
client.query(&format!("SELECT * FROM t WHERE a = '{}'", input.a), &[])?; //~
// case: chrono
client.query(&format!("SELECT * FROM t WHERE day = '{}'", Utc::now().format("%F")), &[])?; //~
// case: uuid
client.query("SELECT * FROM t WHERE id = $1", &[&Uuid::new_v4()])?;
// case: as_ref_str
let sql = "SELECT * FROM t WHERE id = $1".to_string();
client.query::<str, _>(sql.as_ref(), &[&id])?;
// case: boxed
let sql: Box<str> = format!("SELECT * FROM t WHERE id = {id}").into(); //~
client.query(&*sql, &[])?;
// case: lines_joined
let sql = ["SELECT *", "FROM t", "WHERE id = $1"].join("\n");
client.query(&sql, &[&id])?;
// case: static_slice_parameter
pub async fn run(pool: &PgPool, sql: &'static str) -> sqlx::Result<()> { sqlx::query(sql).execute(pool).await?; Ok(()) }
// case: string_parameter
pub async fn run(pool: &PgPool, sql: String) -> sqlx::Result<()> { sqlx::query(&sql).execute(pool).await?; Ok(()) } //~
// case: sqlx_query_builder_loop
let mut qb = QueryBuilder::<Postgres>::new("UPDATE t SET ");
for (k, v) in fields { qb.push(k); qb.push(" = "); qb.push_bind(v); } //~
// case: sqlx_query_builder_constants
let mut qb = QueryBuilder::<Postgres>::new("SELECT * FROM t");
qb.push(if active { " WHERE active" } else { "" });
// case: actix_state
async fn find(db: web::Data<AppState>, q: web::Query<Q>) -> HttpResponse { sqlx::query(&format!("SELECT * FROM t ORDER BY {}", q.sort)).fetch_all(&db.pool).await.unwrap(); HttpResponse::Ok().finish() } //~
// case: rocket
#[get("/u/<id>")]
fn find(conn: DbConn, id: String) -> String { conn.query_row(&("SELECT n FROM t WHERE id = '".to_owned() + &id + "'"), [], |r| r.get(0)).unwrap() } //~
// case: mongo
collection.find_one(doc! { "name": name }).await?; collection.update_one(doc! { "_id": id }, doc! { "$set": { "a": format!("set {a}") } }).await?;
// case: redis
redis::cmd("GET").arg(format!("select:{id}")).query(&mut con)?;
// case: redis_async
let v: String = redis::cmd("SET").arg(key).arg(value).query_async(&mut con).await?;
// case: bevy
commands.spawn(Text::new(format!("select {name}")));
// case: clap
let cmd = Command::new("x").about(format!("update {name}")).arg(Arg::new("query"));
// case: dns
let response = resolver.query(&name, RecordType::A)?;
// case: graph
let paths = graph.query(&node, depth); let hits = index.query(&point, 10);
// case: tantivy
let query = parser.parse_query(&format!("title:{title}"))?; searcher.search(&query, &TopDocs::with_limit(10))?;
// case: log_record
log::warn!("delete from {} took {}", table, elapsed);
// case: dump
for r in rows { writeln!(out, "INSERT INTO t VALUES ({});", r.id)?; }
