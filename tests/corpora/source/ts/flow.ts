// case: const_variable
const Q = "SELECT * FROM a WHERE b = $1";
export const f = (db, b) => db.query(Q, [b]);
// case: const_concat
const COLS = "id, name";
const TABLE = "users";
db.query("SELECT " + COLS + " FROM " + TABLE + " WHERE id = $1", [id]);
// case: const_template
const TABLE = "users" as const;
db.query(`SELECT * FROM ${TABLE} WHERE id = $1`, [id]);
// case: variable_template
export async function f(db, id) {
  const q = `SELECT * FROM t WHERE id = ${id}`; //!
  return await db.query(q);
}
// case: let_reassigned
export async function f(db, id) {
  let q = "SELECT * FROM t";
  q = "SELECT * FROM t WHERE id = " + id; //!
  return db.query(q);
}
// case: let_reassigned_constants
export async function f(db, all) {
  let q = "SELECT * FROM t";
  if (!all) { q = "SELECT * FROM t WHERE active"; }
  return db.query(q);
}
// case: append_value
export async function f(db, id) {
  let q = "SELECT * FROM t WHERE 1 = 1";
  if (id) q += " AND id = " + id; //!
  return db.query(q);
}
// case: append_parameter
export async function f(db, id) {
  let q = "SELECT * FROM t WHERE 1 = 1";
  const params = [];
  if (id) { params.push(id); q += ` AND id = $${params.length}`; }
  return db.query(q, params);
}
// case: append_whole
let q = "SELECT * FROM t WHERE id = ";
q += req.query.id; //! sql_append
db.query(q);
// case: append_in_loop
let q = "SELECT * FROM t WHERE 1 = 1";
for (const c of conditions) q += " AND " + c; //!
db.query(q);
// case: append_constant_in_loop
let q = "INSERT INTO t VALUES (?)";
for (let i = 1; i < rows.length; i++) q += ", (?)";
db.query(q, rows);
// case: ternary_constants
db.query(desc ? "SELECT * FROM t ORDER BY a DESC" : "SELECT * FROM t ORDER BY a");
// case: ternary_fragment
db.query(`SELECT * FROM t ORDER BY a ${desc ? "DESC" : "ASC"}`);
// case: ternary_value
db.query("SELECT * FROM t WHERE " + (id ? "id = " + id : "1 = 1")); //!
// case: or_default_constant
const order = undefined || "id";
db.query("SELECT * FROM t ORDER BY " + order);
// case: or_default_value
const order = req.query.order || "id";
db.query("SELECT * FROM t ORDER BY " + order); //! sql_identifier
// case: constant_map
const COLUMNS = { name: "u.name", age: "u.age" };
const column = COLUMNS[req.query.sort] ?? "u.id";
db.query(`SELECT * FROM users u ORDER BY ${column}`);
// case: constant_map_get
const COLUMNS = new Map([["name", "u.name"], ["age", "u.age"]]);
const column = COLUMNS.get(req.query.sort) ?? "u.id";
db.query(`SELECT * FROM users u ORDER BY ${column}`);
// case: map_fallback_value
const COLUMNS = { name: "u.name" };
const column = COLUMNS[sort] ?? sort;
db.query(`SELECT * FROM users u ORDER BY ${column}`); //!
// case: allow_list
export function f(db, column) {
  if (!["name", "age"].includes(column)) throw new Error("no such column");
  return db.query(`SELECT * FROM users ORDER BY ${column}`);
}
// case: allow_list_set
const ALLOWED = new Set(["name", "age"]);
export function f(db, column) {
  if (!ALLOWED.has(column)) return null;
  return db.query(`SELECT * FROM users ORDER BY ${column}`);
}
// case: allow_list_ternary
const ALLOWED = ["name", "age"];
const column = req.query.c;
const safe = ALLOWED.includes(column) ? column : "id";
db.query(`SELECT * FROM users ORDER BY ${safe}`);
// case: allow_list_ignored
export function f(db, column) {
  if (!["name", "age"].includes(column)) console.warn("odd column");
  return db.query(`SELECT * FROM users ORDER BY ${column}`); //!
}
// case: switch_constants
export function f(db, kind) {
  let table;
  switch (kind) {
    case "a": table = "apples"; break;
    case "b": table = "berries"; break;
    default: throw new Error("unknown");
  }
  return db.query(`SELECT * FROM ${table}`);
}
// case: switch_default_value
export function f(db, kind) {
  let table;
  switch (kind) {
    case "a": table = "apples"; break;
    default: table = kind;
  }
  return db.query(`SELECT * FROM ${table}`); //!
}
// case: helper_builds
function where(id) { return "WHERE id = " + id; } //!
export const f = (db, id) => db.query("SELECT * FROM t " + where(id));
// case: helper_constant
function table() { return "users"; }
export const f = (db, id) => db.query(`SELECT * FROM ${table()} WHERE id = $1`, [id]);
// case: helper_runs
const run = (db, sql, params) => db.query(sql, params);
export const f = (db, id) => run(db, "SELECT * FROM t WHERE id = $1", [id]);
// case: helper_runs_unsafe
const run = (db, sql) => db.query(sql);
export const f = (db, id) => run(db, "SELECT * FROM t WHERE id = " + id); //!
// case: exported_runner
export async function run(db, sql) {
  return db.query(sql); //! sql_parameter
}
// case: two_helpers
const inner = (x) => `id = ${x}`; //!
const outer = (x) => "SELECT * FROM t WHERE " + inner(x);
export const f = (db, x) => db.query(outer(x));
// case: closure
export function make(db, table) {
  return (id) => db.query(`SELECT * FROM ${table} WHERE id = $1`, [id]); //!
}
// case: closure_constant
const finder = (table) => (db, id) => db.query(`SELECT * FROM ${table} WHERE id = $1`, [id]);
const users = finder("users");
users(db, 1);
// case: default_parameter
export const list = (db, order = "id") => db.query("SELECT * FROM t ORDER BY " + order); //!
// case: default_parameter_internal
const list = (db, order = "id") => db.query("SELECT * FROM t ORDER BY " + order);
list(db);
// case: destructured_input
export default async function handle({ id, sort }) {
  return db.query(`SELECT * FROM t WHERE id = ${id}`); //!
}
// case: destructured_constant
const { FIND } = { FIND: "SELECT * FROM t WHERE id = $1" };
db.query(FIND, [id]);
// case: destructured_client
const { query } = db;
query("SELECT * FROM t WHERE id = " + id); //!
// case: alias_client
const d = db;
const e = d;
e.query("SELECT * FROM t WHERE id = " + id); //!
// case: alias_method
const run = db.query.bind(db);
run(`SELECT * FROM t WHERE id = ${id}`); //!
// case: alias_method_safe
const run = db.query.bind(db);
run("SELECT * FROM t WHERE id = $1", [id]);
// case: call_apply
db.query.call(db, "SELECT * FROM t WHERE id = " + id); //!
db.query.apply(db, ["SELECT * FROM t WHERE id = " + id]); //!
// case: object_field
const queries = { find: "SELECT * FROM t WHERE id = $1" };
db.query(queries.find, [id]);
// case: object_field_changed
const options = { sql: "SELECT 1" };
options.sql = "SELECT * FROM t WHERE id = " + id; //!
db.query(options.sql);
// case: object_spread
const base = { text: "SELECT * FROM t WHERE id = $1" };
client.query({ ...base, values: [id] });
// case: object_spread_input
const base = { text: "SELECT 1" };
client.query({ ...base, ...input }); //!
// case: enum_member
enum Table { Users = "users", Orders = "orders" }
db.query(`SELECT * FROM ${Table.Users} WHERE id = $1`, [id]);
// case: enum_lookup
enum Table { Users = "users", Orders = "orders" }
db.query(`SELECT * FROM ${Table[name]} WHERE id = $1`, [id]);
// case: class_field_constant
class Repo {
  private readonly table = "users";
  constructor(private db: Pool) {}
  find(id: string) { return this.db.query(`SELECT * FROM ${this.table} WHERE id = $1`, [id]); }
}
// case: class_field_value
export class Repo {
  constructor(private db: Pool, private table: string) {}
  find(id: string) { return this.db.query(`SELECT * FROM ${this.table} WHERE id = $1`, [id]); } //!
}
// case: class_static
class Q { static readonly FIND = "SELECT * FROM t WHERE id = $1"; }
db.query(Q.FIND, [id]);
// case: class_private_runner
export class Repo {
  constructor(private db: Pool) {}
  find(id: string) { return this.run("SELECT * FROM t WHERE id = $1", [id]); }
  private run(sql: string, params: unknown[]) { return this.db.query(sql, params); }
}
// case: class_private_runner_unsafe
export class Repo {
  constructor(private db: Pool) {}
  find(id: string) { return this.run("SELECT * FROM t WHERE id = " + id); } //!
  private run(sql: string) { return this.db.query(sql); }
}
// case: class_inherited
class Base { protected run(sql: string) { return this.db.query(sql); } }
export class Users extends Base { find(id) { return this.run(`SELECT * FROM users WHERE id = ${id}`); } } //!
// case: class_built_up
class Builder {
  sql = "SELECT * FROM t WHERE 1 = 1";
  and(cond) { this.sql += " AND " + cond; return this; } //!
  run(db) { return db.query(this.sql); }
}
new Builder().and(req.query.filter).run(db);
// case: array_join_values
db.query("SELECT * FROM t WHERE id IN (" + ids.join(",") + ")"); //!
// case: array_join_constants
const cols = ["id", "name", "age"];
db.query(`SELECT ${cols.join(", ")} FROM t`);
// case: array_join_placeholders
const marks = ids.map((_, i) => `$${i + 1}`).join(", ");
db.query(`SELECT * FROM t WHERE id IN (${marks})`, ids);
// case: array_join_question_marks
db.query(`SELECT * FROM t WHERE id IN (${ids.map(() => "?").join(",")})`, ids);
// case: array_fill_question_marks
const marks = Array(ids.length).fill("?").join(",");
db.query("SELECT * FROM t WHERE id IN (" + marks + ")", ids);
// case: array_map_values
db.query(`SELECT * FROM t WHERE id IN (${ids.map((id) => `'${id}'`).join(",")})`); //!
// case: conditions_with_parameters
const where = [], params = [];
if (a) { params.push(a); where.push(`a = $${params.length}`); }
if (b) { params.push(b); where.push(`b = $${params.length}`); }
const sql = "SELECT * FROM t" + (where.length ? " WHERE " + where.join(" AND ") : "");
db.query(sql, params);
// case: conditions_with_values
const where = [];
if (a) where.push(`a = '${a}'`); //!
db.query("SELECT * FROM t WHERE " + where.join(" AND "));
// case: conditions_with_names
const sets = [];
for (const [key, value] of Object.entries(body)) sets.push(`${key} = ?`); //!
db.query("UPDATE t SET " + sets.join(", "), Object.values(body));
// case: conditions_with_constant_names
const FIELDS = ["name", "age"];
const sets = FIELDS.map((field) => `${field} = ?`).join(", ");
db.query(`UPDATE t SET ${sets}`, values);
// case: replace_value
db.query("SELECT * FROM t WHERE id = :id".replace(":id", id)); //! sql_replace
// case: replace_constant
db.query("SELECT * FROM {t}".replace("{t}", "users"));
// case: escape_by_hand
const safe = name.replace(/'/g, "''");
db.query(`SELECT * FROM t WHERE name = '${safe}'`); //!
// case: string_raw
db.query(String.raw`SELECT * FROM t WHERE a = ${a}`); //!
// case: string_raw_constant
db.query(String.raw`SELECT * FROM t WHERE a ~ '\d+'`);
// case: concat_method
db.query("SELECT * FROM t WHERE id = ".concat(id)); //!
// case: number_cast
db.query(`SELECT * FROM t LIMIT ${Number(limit)}`); //!
// case: chained_trim
db.query(`
  SELECT * FROM t WHERE id = $1
`.trim(), [id]);
// case: loose_tag_text
const text = html`SELECT * FROM t WHERE id = ${id}`; //!
db.query(text);
// case: async_iife
(async () => { await db.query("SELECT * FROM t WHERE a = '" + process.argv[2] + "'"); })(); //!
// case: express_route
app.get("/user/:id", async (req, res) => {
  const result = await db.query(`SELECT * FROM users WHERE id = '${req.params.id}'`); //!
  res.json(result.rows);
});
// case: express_route_safe
app.get("/user/:id", async (req, res) => {
  const result = await db.query("SELECT * FROM users WHERE id = $1", [req.params.id]);
  res.json(result.rows);
});
// case: try_catch_assigned
let q;
try { q = build(req.body); } catch (e) { q = "SELECT 1"; }
db.query(q); //!
// case: null_then_assigned
let q = null;
if (x) { q = "SELECT * FROM a"; } else { q = "SELECT * FROM b"; }
db.query(q);
// case: early_return
export function f(db, name) {
  let order = "id";
  if (name === "age") { order = "age"; }
  if (name === "evil") { return db.query("SELECT 1"); }
  return db.query("SELECT * FROM t ORDER BY " + order);
}
// case: own_tag_that_concatenates
function raw(strings, ...values) { return strings.reduce((a, s, i) => a + s + (values[i] ?? ""), ""); } //!
db.query(raw`SELECT * FROM t WHERE id = ${id}`);
// case: reassigned_by_other_function
let table = "users";
export function setTable(t) { table = t; }
export function all(db) { return db.query("SELECT * FROM " + table); } //!
// case: array_element
const QUERIES = ["SELECT 1", "SELECT 2"];
db.query(QUERIES[index]);
// case: array_destructured
const [first] = [`SELECT * FROM t WHERE id = ${id}`]; //!
db.query(first);
// case: optional_chaining
await db?.query?.(`SELECT * FROM t WHERE id = ${id}`); //!
// case: computed_constant_method
db["query"]("SELECT * FROM t WHERE id = $1", [id]);
// case: computed_constant_method_unsafe
db["query"]("SELECT * FROM t WHERE id = " + id); //!
// case: module_exports_runner
const run = (sql) => pool.query(sql); //!
module.exports = { run };
// case: generator
function* texts() { yield req.query.x; }
for (const t of texts()) db.query("SELECT " + t); //!
// case: promise_all
await Promise.all([db.query("SELECT 1"), db.query("SELECT * FROM t WHERE a = " + a)]); //!
// case: namespace_constant
namespace Sql { export const FIND = "SELECT * FROM t WHERE id = $1"; }
db.query(Sql.FIND, [id]);
// case: logical_and_fragment
db.query(`SELECT * FROM t ${active && "WHERE active"}`);
// case: arrow_returning_constant
const sqlFor = (kind) => kind === "a" ? "SELECT * FROM a" : "SELECT * FROM b";
db.query(sqlFor(req.query.kind));
// case: json_path
db.query("SELECT data->'" + key + "' FROM t"); //!
// case: like_value
db.query(`SELECT * FROM t WHERE name LIKE '%${term}%'`); //!
// case: like_parameter
db.query("SELECT * FROM t WHERE name LIKE $1", [`%${term}%`]);
