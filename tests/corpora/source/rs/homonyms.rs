// case: println
println!("SELECT * FROM t WHERE id = {}", id); eprintln!("delete from {table}");
// case: tracing
tracing::info!("update t set a = {}", a); log::debug!("select {} from {}", a, b);
// case: error
return Err(anyhow!("insert into {} failed", table));
// case: command
Command::new("ls").arg(format!("select {dir}")).output()?;
// case: task_execute
task.execute(&context)?; job.run(&format!("select {name}"))?;
// case: url_query
let url = url.query_pairs_mut().append_pair("q", &name).finish(); let q = request.uri().query();
// case: map_get
map.get(&format!("select {id}")); cache.insert(format!("insert into {id}"), 1);
// case: regex
let re = Regex::new(&format!("select {name}"))?; re.find(text);
// case: not_sent
let sql = format!("SELECT * FROM t WHERE id = {id}");
println!("{sql}");
// case: thread_pool
pool.execute(move || compute(id)); pool.spawn(async move { work(id).await });
// case: iterators
let found = items.iter().any(|x| x.name == name); let all = items.iter().all(|x| x.ok);
// case: select_macro
tokio::select! { a = first() => use_it(a), b = second() => use_it(b) }
// case: http
let body = client.get(format!("https://api/select/{id}")).send().await?;
// case: http_execute
let response = client.execute(request).await?;
// case: file
file.write_all(format!("INSERT INTO t VALUES ({id});").as_bytes())?;
// case: diesel_execute
diesel::update(users.find(id)).set(name.eq(new_name)).execute(&mut conn)?;
// case: stmt_execute
let mut stmt = conn.prepare("INSERT INTO t VALUES (?1)")?;
for v in values { stmt.execute([v])?; }
// case: stmt_query_row
let mut stmt = conn.prepare("SELECT a FROM t WHERE id = ?1")?;
let a: String = stmt.query_row([id], |row| row.get(0))?;
// case: assert_text
assert_eq!(sql, format!("SELECT * FROM {table}"));
// case: dom_query
let node = document.query_selector(&format!("#{id}"))?;
// case: ecs_query
fn system(mut query: Query<&mut Transform>) { for mut t in query.iter_mut() { t.x += 1.0; } }
// case: test_module
#[cfg(test)]
mod tests { fn t(client: &mut Client, x: &str) { client.query(x, &[]).unwrap(); } }
// case: display
impl fmt::Display for Table { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "select {}", self.0) } }
// case: query_struct
let result = engine.query(&Query { filter: name, limit: 10 });
// case: parameters_like_sql
client.execute("INSERT INTO notes (body) VALUES ($1)", &[&format!("select * from {name}")]).await?;
// case: channel
sender.send(format!("delete from {table}"))?;
// case: builder_pattern
let request = Request::builder().uri(format!("/select/{id}")).body(())?;
// case: graphql_constant
let body = client.query("query ($id: ID!) { user(id: $id) { name } }", vars).await?;
// case: graphql_format
let body = client.query(&format!("query {{ user(id: \"{id}\") {{ name }} }}"), ()).await?; //~ graphql_dynamic
// case: row_get
let name: String = row.get(&*format!("select_{i}"));
// case: other_builders
let builder = AstBuilder::new(allocator); let server = Builder::new(TokioExecutor::new()); let raw = RawValue::from_string(text)?;
// case: constant_of_another_file
use super::clock::NOW_MS;
pub fn f(conn: &Connection) { conn.execute(&format!("DELETE FROM t WHERE expires < {NOW_MS}"), []).unwrap(); }
// case: constant_by_path
pub fn f(client: &mut Client) { client.query(crate::queries::FIND, &[]).unwrap(); client.query(queries::FIND_ALL, &[]).unwrap(); }
