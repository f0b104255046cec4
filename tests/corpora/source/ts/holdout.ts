// case: nested_template
db.query(`SELECT * FROM t WHERE a IN (${`SELECT id FROM u WHERE n = '${n}'`})`); //!
// case: template_in_variable_in_object
const q = { find: (id: string) => `SELECT * FROM t WHERE id = '${id}'` }; //!
db.query(q.find(req.params.id));
// case: object_of_functions_constant
const q = { find: () => "SELECT * FROM t WHERE id = $1" };
db.query(q.find(), [id]);
// case: getter
class Repo { get base() { return "SELECT * FROM t"; } find(db, id) { return db.query(this.base + " WHERE id = $1", [id]); } }
// case: getter_value
export class Repo { constructor(private name: string) {} get base() { return "SELECT * FROM " + this.name; } find(db) { return db.query(this.base); } } //!
// case: static_method_builder
class Sql { static byId(id) { return "SELECT * FROM t WHERE id = " + id; } } //!
db.query(Sql.byId(req.params.id));
// case: async_builder
async function build(id) { return `SELECT * FROM t WHERE id = ${id}`; } //!
export async function f(db, id) { const q = await build(id); return db.query(q); }
// case: then_chain
getText().then((text) => db.query(text)); //!
// case: callback_parameter
items.forEach((item) => db.query("INSERT INTO t VALUES ('" + item + "')")); //!
// case: callback_parameter_safe
items.forEach((item) => db.query("INSERT INTO t VALUES ($1)", [item]));
// case: for_of_destructured
for (const { id, name } of rows) await db.query(`UPDATE t SET name = '${name}' WHERE id = 1`); //!
// case: reduce_values
const w = filters.reduce((acc, f) => acc + " AND " + f, "1 = 1"); //!
db.query("SELECT * FROM t WHERE " + w);
// case: reduce_constant
const w = filters.reduce((acc) => acc + " AND x = ?", "1 = 1");
db.query("SELECT * FROM t WHERE " + w, filters);
// case: object_keys_of_input
const cols = Object.keys(body).join(", "); //!
db.query("INSERT INTO t (" + cols + ") VALUES (1)");
// case: object_keys_of_constant
const MAP = { a: 1, b: 2 };
db.query("SELECT " + Object.keys(MAP).join(", ") + " FROM t");
// case: in_operator_guard
const MAP = { a: "x", b: "y" };
export function f(db, key) { if (!(key in MAP)) throw new Error(); return db.query(`SELECT ${MAP[key]} FROM t`); }
// case: equality_guard
export function f(db, dir) { if (dir !== "asc" && dir !== "desc") throw new Error("dir"); return db.query(`SELECT * FROM t ORDER BY a ${dir}`); }
// case: ternary_equality
const dir = req.query.dir === "desc" ? "DESC" : "ASC";
db.query("SELECT * FROM t ORDER BY a " + dir);
// case: upper_case_guard
const dir = String(req.query.dir).toUpperCase();
db.query("SELECT * FROM t ORDER BY a " + dir); //!
// case: validated_then_reassigned
export function f(db, c) { if (!["a", "b"].includes(c)) return; c = c + other; return db.query(`SELECT ${c} FROM t`); } //!
// case: sanitize_call
db.query(`SELECT * FROM t WHERE name = ${escape(name)}`); //!
// case: mysql_escape
connection.query("SELECT * FROM users WHERE id = " + connection.escape(id)); //!
// case: comment_only_difference
db.query("SELECT 1 -- " + note); //!
// case: multi_line_concat
db.query( //
  "SELECT * " + //!
  "FROM t " +
  "WHERE id = " + id);
// case: multi_line_constant
db.query(
  "SELECT * " +
  "FROM t " +
  "WHERE id = $1", [id]);
// case: array_of_lines
const lines = ["SELECT *", "FROM t", "WHERE id = $1"];
db.query(lines.join("\n"), [id]);
// case: array_of_lines_value
const lines = ["SELECT *", "FROM t", "WHERE id = " + id]; //!
db.query(lines.join("\n"));
// case: spread_arguments
const args = ["SELECT * FROM t WHERE id = $1", [id]];
db.query(...args);
// case: spread_arguments_unsafe
const args = [`SELECT * FROM t WHERE id = ${id}`]; //!
db.query(...args);
// case: rest_parameter
const run = (...args) => db.query(...args);
run("SELECT * FROM t WHERE id = " + id); //!
// case: default_export_object
export default { async fetch(request, env) { return env.DB.prepare("SELECT * FROM t WHERE id = " + new URL(request.url).searchParams.get("id")).all(); } }; //!
// case: default_export_object_safe
export default { async fetch(request, env) { return env.DB.prepare("SELECT * FROM t WHERE id = ?").bind(new URL(request.url).searchParams.get("id")).all(); } };
// case: object_method
const repo = { table: "users", all() { return db.query(`SELECT * FROM ${this.table}`); } };
repo.all();
// case: switch_return
function table(kind) { switch (kind) { case "a": return "apples"; default: return "berries"; } }
db.query(`SELECT * FROM ${table(req.query.kind)}`);
// case: labelled_break
let q = "SELECT 1";
outer: for (const a of list) { for (const b of a) { if (b) { q = "SELECT * FROM " + b; break outer; } } } //!
db.query(q);
// case: while_loop
let i = 0, q = "SELECT * FROM t WHERE 1 = 1";
while (i < filters.length) { q += " AND " + filters[i]; i++; } //!
db.query(q);
// case: comma_operator
db.query((0, "SELECT * FROM t WHERE id = " + id)); //!
// case: void_return
const noop = () => {}; noop("SELECT * FROM t WHERE id = " + id);
// case: type_assertion
db.query(("SELECT * FROM t WHERE id = " + id) as string); //!
// case: satisfies
const Q = { find: "SELECT * FROM t WHERE id = $1" } satisfies Record<string, string>;
db.query(Q.find, [id]);
// case: frozen
const Q = Object.freeze({ find: "SELECT * FROM t WHERE id = $1" });
db.query(Q.find, [id]);
// case: nullish_assignment
let q; q ??= "SELECT 1"; db.query(q);
// case: logical_assignment_value
let q = ""; q ||= req.body.q; db.query(q); //!
// case: tagged_helper_member
const rows = await ctx.db.sql`select * from t where id = ${id}`;
// case: sql_tag_with_raw_call
const rows = await sql`select * from t order by ${sql.unsafe(req.query.sort)}`; //!
// case: function_hoisted_below
export async function f(db, id) { return db.query(build(id)); }
function build(id) { return "SELECT * FROM t WHERE id = " + id; } //!
// case: immediately_destructured_method
export async function f({ db }, { id }) { return db.query(`DELETE FROM t WHERE id = ${id}`); } //!
// case: event_handler
socket.on("message", async (m) => { await pool.query("INSERT INTO log VALUES ('" + m + "')"); }); //!
// case: nest_repository
@Injectable()
export class S { constructor(@InjectRepository(U) private readonly users: Repository<U>) {} find(n: string) { return this.users.query(`SELECT * FROM u WHERE n = '${n}'`); } } //!
// case: nest_repository_safe
@Injectable()
export class S { constructor(@InjectRepository(U) private readonly users: Repository<U>) {} find(n: string) { return this.users.query("SELECT * FROM u WHERE n = $1", [n]); } }
// case: fastify
fastify.get("/u/:id", async (req, reply) => { const c = await fastify.pg.connect(); return c.query("SELECT * FROM u WHERE id = " + req.params.id); }); //!
// case: date_in_text
db.query(`SELECT * FROM t WHERE day = '${new Date().toISOString()}'`); //!
// case: process_env
db.query(`SET search_path TO ${process.env.SCHEMA}`); //!
// case: url_builder
const url = "https://x/" + encodeURIComponent("select * from t where id = " + id); fetch(url);
// case: search_client
await searchClient.query({ query: `title:${title}`, from: 0 });
// case: apollo_variables
await apollo.query({ query: GET_USER, variables: { id } });
// case: zod_object
const schema = z.object({ query: z.string() }); const { query } = schema.parse(req.body); console.log(query);
// case: jquery
$("select[name='" + name + "']").on("change", update);
// case: string_builder_not_sent
let out = ""; for (const r of rows) out += `insert into t values (${r.id});\n`; fs.writeFileSync("dump.sql", out);
// case: commander
program.command("query <text>").action((text) => { console.log(`select ${text}`); });
