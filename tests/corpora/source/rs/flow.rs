// case: const_item
const FIND: &str = "SELECT * FROM t WHERE id = $1";
pub fn f(client: &mut Client, id: i32) { client.query(FIND, &[&id]).unwrap(); }
// case: static_item
static FIND: &str = "SELECT * FROM t WHERE id = $1";
pub fn f(client: &mut Client, id: i32) { client.query(FIND, &[&id]).unwrap(); }
// case: const_below
pub fn f(client: &mut Client, id: i32) { client.query(FIND, &[&id]).unwrap(); }
const FIND: &str = "SELECT * FROM t WHERE id = $1";
// case: module_const
mod sql { pub const FIND: &str = "SELECT * FROM t WHERE id = $1"; }
pub fn f(client: &mut Client, id: i32) { client.query(sql::FIND, &[&id]).unwrap(); }
// case: associated_const
struct Q;
impl Q { const FIND: &'static str = "SELECT * FROM t WHERE id = $1"; }
pub fn f(client: &mut Client, id: i32) { client.query(Q::FIND, &[&id]).unwrap(); }
// case: concat_macro
client.query(concat!("SELECT * ", "FROM t ", "WHERE id = $1"), &[&id])?;
// case: include_str
client.batch_execute(include_str!("schema.sql"))?;
// case: format_constants
const TABLE: &str = "users";
let sql = format!("SELECT * FROM {TABLE} WHERE id = $1");
client.query(&sql, &[&id])?;
// case: format_constant_argument
const TABLE: &str = "users";
client.query(&format!("SELECT * FROM {} WHERE id = $1", TABLE), &[&id])?;
// case: format_named
client.query(&format!("SELECT * FROM t WHERE a = '{a}'", a = input.a), &[])?; //~
// case: format_positional
client.query(&format!("SELECT * FROM {0} WHERE a = {1}", "t", a), &[])?; //~
// case: format_debug
client.query(&format!("SELECT * FROM t WHERE a = {:?}", a), &[])?; //~
// case: format_escaped_braces
client.query(&format!("SELECT '{{}}'::jsonb FROM t WHERE id = $1"), &[&id])?;
// case: variable
let sql = "SELECT * FROM t WHERE id = $1";
client.query(sql, &[&id])?;
// case: variable_string
let sql = String::from("SELECT * FROM t WHERE id = $1");
client.query(&sql, &[&id])?;
// case: shadowed
let sql = "SELECT * FROM t WHERE id = ";
let sql = format!("{sql}{id}"); //~
client.query(&sql, &[])?;
// case: shadowed_safe
let sql = format!("SELECT * FROM t WHERE id = {}", id);
println!("{sql}");
let sql = "SELECT * FROM t WHERE id = $1";
client.query(sql, &[&id])?;
// case: push_str
let mut sql = String::from("SELECT * FROM t WHERE id = ");
sql.push_str(&id); //~ sql_append
client.query(&sql, &[])?;
// case: push_str_constant
let mut sql = String::from("SELECT * FROM t");
if active { sql.push_str(" WHERE active"); }
client.query(&sql, &[])?;
// case: push_str_format
let mut sql = String::from("SELECT * FROM t WHERE 1 = 1");
if let Some(name) = name { sql.push_str(&format!(" AND name = '{}'", name)); } //~
client.query(&sql, &[])?;
// case: plus_equals
let mut sql = "SELECT * FROM t WHERE id = ".to_string();
sql += &id; //~ sql_append
client.query(&sql, &[])?;
// case: plus_equals_constant
let mut sql = "SELECT * FROM t".to_string();
sql += " WHERE id = $1";
client.query(&sql, &[&id])?;
// case: write_macro
let mut sql = String::new();
write!(sql, "SELECT * FROM t WHERE id = {}", id)?; //~
client.query(&sql, &[])?;
// case: write_macro_reference
let mut sql = String::new();
write!(&mut sql, "SELECT * FROM {}", table).unwrap(); //~ sql_identifier
client.query(&sql, &[])?;
// case: write_macro_numbered
let mut sql = String::from("SELECT * FROM t WHERE 1 = 1");
let mut n = 0;
if a { n += 1; write!(sql, " AND a = ${}", n)?; }
client.query(&sql, &params)?;
// case: loop_append
let mut sql = String::from("SELECT * FROM t WHERE 1 = 1");
for c in conditions { sql.push_str(" AND "); sql.push_str(c); } //~
client.query(&sql, &[])?;
// case: loop_append_constant
let mut sql = String::from("INSERT INTO t VALUES (?)");
for _ in 1..rows.len() { sql.push_str(", (?)"); }
conn.execute(&sql, params)?;
// case: if_expression
let sql = if desc { "SELECT * FROM t ORDER BY a DESC" } else { "SELECT * FROM t ORDER BY a" };
client.query(sql, &[])?;
// case: if_expression_value
let sql = if desc { "SELECT 1".to_string() } else { format!("SELECT * FROM t ORDER BY {}", order) }; //~
client.query(&sql, &[])?;
// case: match_constants
let order = match sort { "name" => "u.name", "age" => "u.age", _ => "u.id" };
client.query(&format!("SELECT * FROM users u ORDER BY {order}"), &[])?;
// case: match_value
let order = match sort { "name" => "u.name", other => other };
client.query(&format!("SELECT * FROM users u ORDER BY {order}"), &[])?; //~
// case: match_itself
pub fn f(client: &mut Client, sort: &str) {
    let order = match sort { "name" | "age" => sort, _ => return };
    client.query(&format!("SELECT * FROM users ORDER BY {order}"), &[]).unwrap();
}
// case: enum_names
pub enum Order { Name, Age }
impl Order { fn as_sql(&self) -> &'static str { match self { Order::Name => "name", Order::Age => "age" } } }
pub fn f(client: &mut Client, order: Order) { client.query(&format!("SELECT * FROM t ORDER BY {}", order.as_sql()), &[]).unwrap(); }
// case: matches_guard
pub fn f(client: &mut Client, column: &str) {
    if !matches!(column, "name" | "age") { return; }
    client.query(&format!("SELECT * FROM t ORDER BY {}", column), &[]).unwrap();
}
// case: contains_guard
const ALLOWED: [&str; 2] = ["name", "age"];
pub fn f(client: &mut Client, column: &str) -> Result<(), Error> {
    if !ALLOWED.contains(&column) { return Err(Error::Column); }
    client.query(&format!("SELECT * FROM t ORDER BY {}", column), &[])?;
    Ok(())
}
// case: contains_no_return
const ALLOWED: [&str; 2] = ["name", "age"];
pub fn f(client: &mut Client, column: &str) {
    if !ALLOWED.contains(&column) { eprintln!("odd"); }
    client.query(&format!("SELECT * FROM t ORDER BY {}", column), &[]).unwrap(); //~
}
// case: assert_guard
pub fn f(client: &mut Client, column: &str) {
    assert!(["name", "age"].contains(&column));
    client.query(&format!("SELECT * FROM t ORDER BY {}", column), &[]).unwrap();
}
// case: helper_builds
fn clause(id: &str) -> String { format!("WHERE id = {}", id) } //~
pub fn f(client: &mut Client, id: &str) { client.query(&format!("SELECT * FROM t {}", clause(id)), &[]).unwrap(); }
// case: helper_constant
fn table() -> &'static str { "users" }
pub fn f(client: &mut Client) { client.query(&format!("SELECT * FROM {}", table()), &[]).unwrap(); }
// case: helper_runs
fn run(client: &mut Client, sql: &str) { client.query(sql, &[]).unwrap(); }
pub fn f(client: &mut Client) { run(client, "SELECT 1"); }
// case: helper_runs_unsafe
fn run(client: &mut Client, sql: &str) { client.query(sql, &[]).unwrap(); }
pub fn f(client: &mut Client, id: &str) { run(client, &format!("SELECT * FROM t WHERE id = {id}")); } //~
// case: public_runner
pub fn run(client: &mut Client, sql: &str) { client.query(sql, &[]).unwrap(); } //~ sql_parameter
// case: static_parameter
pub fn run(client: &mut Client, sql: &'static str) { client.query(sql, &[]).unwrap(); }
// case: helper_by_reference
fn add(sql: &mut String, name: &str) { sql.push_str(" AND name = '"); sql.push_str(name); sql.push('\''); } //~
pub fn f(client: &mut Client, name: &str) {
    let mut sql = String::from("SELECT * FROM t WHERE 1 = 1");
    add(&mut sql, name);
    client.query(&sql, &[]).unwrap();
}
// case: helper_by_reference_constant
fn add(sql: &mut String) { sql.push_str(" AND name = $1"); }
pub fn f(client: &mut Client, name: &str) {
    let mut sql = String::from("SELECT * FROM t WHERE 1 = 1");
    add(&mut sql);
    client.query(&sql, &[&name]).unwrap();
}
// case: closure
let find = |id: &str| client.query(&format!("SELECT * FROM t WHERE id = '{id}'"), &[]); //~
// case: closure_builds
let build = |id: &str| format!("SELECT * FROM t WHERE id = '{id}'"); //~
client.query(&build(id), &[])?;
// case: struct_field_constant
struct Repo { pool: PgPool, table: &'static str }
impl Repo {
    fn new(pool: PgPool) -> Self { Self { pool, table: "users" } }
    async fn all(&self) { sqlx::query(&format!("SELECT * FROM {}", self.table)).fetch_all(&self.pool).await.unwrap(); }
}
async fn main() { let repo = Repo::new(pool); repo.all().await; }
// case: struct_field_value
pub struct Repo { pool: PgPool, table: String }
impl Repo {
    pub fn new(pool: PgPool, table: String) -> Self { Self { pool, table } }
    pub async fn all(&self) { sqlx::query(&format!("SELECT * FROM {}", self.table)).fetch_all(&self.pool).await.unwrap(); } //~
}
// case: method_runs
pub struct Repo { client: Client }
impl Repo {
    pub fn find(&mut self, id: i32) { self.run("SELECT * FROM t WHERE id = $1", &[&id]); }
    fn run(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) { self.client.query(sql, params).unwrap(); }
}
// case: method_runs_unsafe
pub struct Repo { client: Client }
impl Repo {
    pub fn find(&mut self, id: i32) { self.run(&format!("SELECT * FROM t WHERE id = {id}")); } //~
    fn run(&mut self, sql: &str) { self.client.query(sql, &[]).unwrap(); }
}
// case: plus
let sql = "SELECT * FROM t WHERE name = '".to_string() + &name + "'"; //~ sql_concat
client.query(&sql, &[])?;
// case: plus_constants
let sql = "SELECT * ".to_string() + "FROM t";
client.query(&sql, &[])?;
// case: join_values
client.query(&format!("SELECT * FROM t WHERE id IN ({})", ids.join(",")), &[])?; //~
// case: join_constants
let columns = ["id", "name"].join(", ");
client.query(&format!("SELECT {columns} FROM t"), &[])?;
// case: join_array_macro
let sql = vec!["SELECT *", "FROM t", "WHERE id = $1"].join(" ");
client.query(&sql, &[&id])?;
// case: concat_array
let sql = ["SELECT * FROM t WHERE id = ", &id].concat(); //~
client.query(&sql, &[])?;
// case: replace_value
let sql = "SELECT * FROM t WHERE id = {id}".replace("{id}", &id); //~
client.query(&sql, &[])?;
// case: conditions
let mut conditions = Vec::new();
if a.is_some() { conditions.push("a = $1"); }
if b.is_some() { conditions.push("b = $2"); }
client.query(&format!("SELECT * FROM t WHERE {}", conditions.join(" AND ")), &params)?;
// case: conditions_values
let mut conditions = Vec::new();
if let Some(a) = a { conditions.push(format!("a = '{}'", a)); } //~
client.query(&format!("SELECT * FROM t WHERE {}", conditions.join(" AND ")), &[])?;
// case: conditions_numbered
let mut conditions = Vec::new();
if a.is_some() { params.push(&a); conditions.push(format!("a = ${}", params.len())); }
client.query(&format!("SELECT * FROM t WHERE {}", conditions.join(" AND ")), &params)?;
// case: option_default
let order = order.unwrap_or("id");
client.query(&format!("SELECT * FROM t ORDER BY {order}"), &[])?; //~
// case: tuple
let (sql, n) = ("SELECT * FROM t WHERE id = $1", 1);
client.query(sql, &[&id])?;
// case: tuple_unsafe
let (sql, n) = (format!("SELECT * FROM t WHERE id = {id}"), 1); //~
client.query(&sql, &[])?;
// case: block_expression
let sql = { let table = "t"; format!("SELECT * FROM {table}") };
client.query(&sql, &[])?;
// case: alias_client
let c = &client;
c.query(&format!("SELECT * FROM t WHERE id = {id}"), &[]).await?; //~
// case: odd_client_name
pub fn f(it: &mut postgres::Client, id: &str) { it.query(&format!("SELECT * FROM t WHERE id = {id}"), &[]).unwrap(); } //~
// case: clone_and_into
let sql: String = "SELECT * FROM t".into();
let again = sql.clone();
client.query(again.as_str(), &[])?;
// case: axum_handler
async fn find(State(pool): State<PgPool>, Path(id): Path<String>) -> Json<User> {
    Json(sqlx::query_as(&format!("SELECT * FROM users WHERE id = '{id}'")).fetch_one(&pool).await.unwrap()) //~
}
// case: axum_handler_safe
async fn find(State(pool): State<PgPool>, Path(id): Path<String>) -> Json<User> {
    Json(sqlx::query_as("SELECT * FROM users WHERE id = $1").bind(id).fetch_one(&pool).await.unwrap())
}
// case: actix_handler
#[get("/users/{id}")]
async fn find(pool: web::Data<Pool>, id: web::Path<String>) -> impl Responder {
    let conn = pool.get().unwrap();
    conn.query_row(&format!("SELECT name FROM users WHERE id = '{}'", id), [], |row| row.get(0)).unwrap() //~
}
// case: env_args
fn main() {
    let name = std::env::args().nth(1).unwrap();
    let conn = Connection::open("a.db").unwrap();
    conn.execute(&format!("DELETE FROM t WHERE name = '{name}'"), []).unwrap(); //~
}
// case: number
pub fn f(conn: &Connection, limit: i64) { conn.prepare(&format!("SELECT * FROM t LIMIT {limit}")).unwrap(); } //~
// case: like_parameter
conn.prepare("SELECT * FROM t WHERE name LIKE ?1")?.query([format!("%{term}%")])?;
// case: like_value
conn.prepare(&format!("SELECT * FROM t WHERE name LIKE '%{term}%'"))?; //~
// case: let_else
pub fn f(client: &mut Client, name: Option<&str>) {
    let Some(name) = name else { return };
    client.query(&format!("SELECT * FROM t WHERE name = '{name}'"), &[]).unwrap(); //~
}
// case: array_index
const QUERIES: [&str; 2] = ["SELECT 1", "SELECT 2"];
pub fn f(client: &mut Client, i: usize) { client.query(QUERIES[i], &[]).unwrap(); }
// case: map_lookup
let columns = HashMap::from([("name", "u.name"), ("age", "u.age")]);
let column = columns.get(sort).unwrap();
client.query(&format!("SELECT * FROM users u ORDER BY {column}"), &[])?;
// case: trait_default
trait Finder { const TABLE: &'static str; fn client(&self) -> &Client; }
pub fn f(client: &mut Client) { client.query("SELECT 1", &[]).unwrap(); }
// case: use_inside
pub fn f(client: &mut Client, id: &str) { use queries::FIND; client.query(FIND, &[&id]).unwrap(); }
mod queries { pub const FIND: &str = "SELECT * FROM t WHERE id = $1"; }
// case: raw_string
client.query(r#"SELECT "a" FROM t WHERE id = $1"#, &[&id])?;
// case: raw_string_format
client.query(&format!(r#"SELECT "a" FROM t WHERE id = {}"#, id), &[])?; //~
// case: for_constants
for table in ["a", "b"] { client.execute(&format!("DELETE FROM {table}"), &[])?; }
// case: for_values
for table in tables { client.execute(&format!("DELETE FROM {table}"), &[])?; } //~
// case: try_block_reassigned
let mut sql = "SELECT 1".to_owned();
sql = other(); 
client.query(&sql, &[])?; //~
// case: async_block
tokio::spawn(async move { client.query(&format!("SELECT {id}"), &[]).await }); //~
// case: cow
let sql = Cow::Borrowed("SELECT * FROM t WHERE id = $1");
client.query(sql.as_ref(), &[&id])?;
// case: once_lock
static SQL: LazyLock<String> = LazyLock::new(|| format!("SELECT * FROM {}", "t"));
pub fn f(client: &mut Client) { client.query(SQL.as_str(), &[]).unwrap(); }
// case: std_fs
let sql = std::fs::read_to_string("a.sql")?;
client.batch_execute(&sql)?; //~
// case: recursion
pub fn walk(client: &mut Client, id: i32) { for row in client.query("SELECT id FROM t WHERE parent = $1", &[&id]).unwrap() { walk(client, row.get(0)); } }
