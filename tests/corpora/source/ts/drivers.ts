// case: pg_template
import { Pool } from "pg";
const pool = new Pool();
export async function user(id: string) {
  return pool.query(`SELECT * FROM users WHERE id = ${id}`); //! sql_template
}
// case: pg_parameters
import { Pool } from "pg";
const pool = new Pool();
export async function user(id: string) {
  return pool.query("SELECT * FROM users WHERE id = $1", [id]);
}
// case: pg_concat
import pg from "pg";
const client = new pg.Client();
export const byName = (name: string) => client.query("SELECT * FROM users WHERE name = '" + name + "'"); //! sql_concat
// case: pg_config_object_safe
import { Client } from "pg";
const client = new Client();
export const find = (email: string) => client.query({ text: "SELECT id FROM users WHERE email = $1", values: [email] });
// case: pg_config_object_unsafe
import { Client } from "pg";
const client = new Client();
export const find = (email: string) => client.query({ text: `SELECT id FROM users WHERE email = '${email}'` }); //!
// case: pg_named_statement
await client.query({ name: "fetch-user", text: "SELECT * FROM users WHERE id = $1", values: [req.params.id] });
// case: pg_transaction
const client = await pool.connect();
try {
  await client.query("BEGIN");
  await client.query("INSERT INTO photos(user_id, url) VALUES ($1, $2)", [id, url]);
  await client.query("COMMIT");
} catch (e) {
  await client.query("ROLLBACK");
  throw e;
} finally { client.release(); }
// case: pg_connect_unsafe
const conn = await pool.connect();
const res = await conn.query("DELETE FROM sessions WHERE token = '" + req.cookies.token + "'"); //!
// case: pg_callback_unsafe
pool.query("SELECT * FROM products WHERE category = '" + req.query.category + "'", function (err, result) { res.json(result.rows); }); //!
// case: pg_callback_safe
pool.query("SELECT * FROM products WHERE category = $1", [req.query.category], (err, result) => res.json(result.rows));
// case: mysql2_execute_safe
import mysql from "mysql2/promise";
const connection = await mysql.createConnection({ host: "localhost" });
const [rows] = await connection.execute("SELECT * FROM `users` WHERE `name` = ? AND `age` > ?", [name, 53]);
// case: mysql2_query_unsafe
import mysql from "mysql2";
const connection = mysql.createConnection({});
connection.query("SELECT * FROM users WHERE id = " + userId, (err, rows) => {}); //!
// case: mysql2_placeholder_object
connection.query("INSERT INTO posts SET ?", { title }, cb);
// case: mysql_options_unsafe
connection.query({ sql: "SELECT * FROM books WHERE author = '" + author + "'", timeout: 40000 }, cb); //!
// case: mysql_options_safe
connection.query({ sql: "SELECT * FROM books WHERE author = ?", timeout: 40000, values: [author] }, cb);
// case: better_sqlite3_prepare_safe
import Database from "better-sqlite3";
const db = new Database("app.db");
const row = db.prepare("SELECT * FROM users WHERE id = ?").get(userId);
// case: better_sqlite3_prepare_unsafe
import Database from "better-sqlite3";
const db = new Database("app.db");
const row = db.prepare(`SELECT * FROM users WHERE id = ${userId}`).get(); //!
// case: better_sqlite3_exec_schema
import Database from "better-sqlite3";
const db = new Database(":memory:");
db.exec("CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY);");
// case: better_sqlite3_exec_unsafe
db.exec("DROP TABLE " + name); //! sql_identifier
// case: sqlite3_run_safe
const sqlite3 = require("sqlite3");
const db = new sqlite3.Database(":memory:");
db.run("INSERT INTO lorem VALUES (?)", [x]);
db.all("SELECT rowid AS id, info FROM lorem WHERE info = ?", [x], (err, rows) => {});
// case: sqlite3_each_unsafe
const sqlite3 = require("sqlite3");
const db = new sqlite3.Database(":memory:");
db.each("SELECT * FROM lorem WHERE info = '" + x + "'", (err, row) => {}); //!
// case: sqlite3_get_unsafe
db.get(`SELECT * FROM users WHERE username = '${username}' AND password = '${password}'`, (err, row) => {}); //!
// case: postgres_js_tag
import postgres from "postgres";
const sql = postgres(process.env.URL);
const users = await sql`select name, age from users where name like ${name + "%"} and age > ${age}`;
// case: postgres_js_helpers
import postgres from "postgres";
const sql = postgres();
await sql`insert into users ${sql(user, "name", "age")}`;
await sql`select ${sql(columns)} from users`;
// case: postgres_js_unsafe
import postgres from "postgres";
const sql = postgres();
await sql.unsafe("select " + columns + " from users where id = " + id); //!
// case: postgres_js_unsafe_constant
import postgres from "postgres";
const sql = postgres();
await sql.unsafe("select now()");
// case: postgres_js_fragment
import postgres from "postgres";
const sql = postgres();
const olderThan = (x) => sql`and age > ${x}`;
await sql`select * from users where name is not null ${filterAge ? olderThan(50) : sql``}`;
// case: knex_raw_unsafe
const rows = await knex.raw("select * from users where id = " + id); //!
// case: knex_raw_safe
const rows = await knex.raw("select * from users where id = ?", [id]);
// case: knex_builder
const rows = await knex("users").where("id", id).andWhere({ active: true }).select("name");
// case: knex_where_raw_unsafe
const rows = await knex("users").whereRaw(`lower(name) = '${name}'`); //!
// case: knex_where_raw_safe
const rows = await knex("users").whereRaw("lower(name) = ?", [name]);
// case: knex_order_by_raw_unsafe
knex("users").orderByRaw(req.query.sort); //!
// case: prisma_query_raw_tag
const users = await prisma.$queryRaw`SELECT * FROM "User" WHERE email = ${email}`;
// case: prisma_execute_raw_tag
await prisma.$executeRaw`UPDATE "User" SET active = ${active} WHERE id = ${id}`;
// case: prisma_unsafe
const users = await prisma.$queryRawUnsafe(`SELECT * FROM "User" WHERE email = '${email}'`); //!
// case: prisma_unsafe_bound
const users = await prisma.$queryRawUnsafe('SELECT * FROM "User" WHERE email = $1', email);
// case: prisma_execute_unsafe
await prisma.$executeRawUnsafe("UPDATE \"User\" SET role = '" + role + "'"); //!
// case: prisma_raw
import { Prisma } from "@prisma/client";
await prisma.$queryRaw`SELECT * FROM "User" ORDER BY ${Prisma.raw(req.query.sort)}`; //!
// case: prisma_sql_join
import { Prisma } from "@prisma/client";
await prisma.$queryRaw`SELECT * FROM "User" WHERE id IN (${Prisma.join(ids)})`;
// case: prisma_model
const user = await prisma.user.findMany({ where: { email: { contains: input.email } } });
// case: sequelize_unsafe
const [results] = await sequelize.query("UPDATE users SET y = 42 WHERE x = " + x); //!
// case: sequelize_replacements
await sequelize.query("SELECT * FROM projects WHERE status = ?", { replacements: ["active"], type: QueryTypes.SELECT });
// case: sequelize_named
await sequelize.query("SELECT * FROM projects WHERE status = :status", { replacements: { status } });
// case: sequelize_literal_unsafe
await User.findAll({ order: sequelize.literal(`name ${req.query.dir} and id = '${id}'`) }); //!
// case: typeorm_query_unsafe
const users = await dataSource.query(`SELECT * FROM users WHERE name = '${name}'`); //!
// case: typeorm_query_safe
const users = await dataSource.query("SELECT * FROM users WHERE name = $1", [name]);
// case: typeorm_manager_unsafe
await this.entityManager.query("SELECT * FROM logs WHERE day = '" + day + "'"); //!
// case: typeorm_builder_safe
const user = await repo.createQueryBuilder("user").where("user.name = :name", { name }).getOne();
// case: typeorm_builder_unsafe
const user = await repo.createQueryBuilder("user").where(`user.name = '${name}'`).getOne(); //!
// case: drizzle_sql
import { sql } from "drizzle-orm";
await db.execute(sql`select * from ${users} where ${users.id} = ${id}`);
// case: drizzle_raw
import { sql } from "drizzle-orm";
await db.execute(sql.raw(`select * from users where id = ${id}`)); //!
// case: drizzle_raw_hole
import { sql } from "drizzle-orm";
await db.execute(sql`select * from users where ${sql.raw(filter)}`); //!
// case: drizzle_raw_constant
import { sql } from "drizzle-orm";
await db.execute(sql.raw("select 1"));
// case: drizzle_builder
await db.select().from(users).where(eq(users.id, input.id));
// case: kysely_builder
await db.selectFrom("person").where("id", "=", id).selectAll().executeTakeFirst();
// case: slonik
import { sql } from "slonik";
await pool.query(sql.unsafe`SELECT * FROM users WHERE id = ${id}`);
// case: neon_call_unsafe
import { neon } from "@neondatabase/serverless";
const sql = neon(process.env.DATABASE_URL);
const posts = await sql("SELECT * FROM posts WHERE id = " + id); //!
// case: neon_call_safe
import { neon } from "@neondatabase/serverless";
const sql = neon(process.env.DATABASE_URL);
const posts = await sql("SELECT * FROM posts WHERE id = $1", [id]);
// case: vercel_tag
import { sql } from "@vercel/postgres";
const { rows } = await sql`SELECT * FROM pets WHERE name = ${name};`;
// case: d1_bind
const { results } = await env.DB.prepare("SELECT * FROM customers WHERE id = ?").bind(id).all();
// case: d1_unsafe
const { results } = await env.DB.prepare(`SELECT * FROM customers WHERE id = '${id}'`).all(); //!
// case: libsql_object_safe
await turso.execute({ sql: "SELECT * FROM users WHERE id = ?", args: [id] });
// case: libsql_object_unsafe
await turso.execute({ sql: "SELECT * FROM users WHERE id = " + id, args: [] }); //!
// case: libsql_batch
await db.batch([{ sql: "INSERT INTO t VALUES (?)", args: [1] }, "DELETE FROM t WHERE id = 2"]);
// case: pg_promise_one_unsafe
const user = await db.one("SELECT * FROM users WHERE name = '" + name + "'"); //!
// case: pg_promise_named
const user = await db.oneOrNone("SELECT * FROM users WHERE name = $<name>", { name });
// case: mssql_request_unsafe
const result = await pool.request().query(`select * from users where id = ${id}`); //!
// case: mssql_request_safe
const result = await pool.request().input("id", sql.Int, id).query("select * from users where id = @id");
// case: mssql_tag
const result = await sql.query`select * from mytable where id = ${value}`;
// case: query_stream
const stream = client.query(new QueryStream("SELECT * FROM big WHERE day = '" + day + "'")); //!
// case: jsforce_soql_unsafe
const res = await conn.query("SELECT Id FROM Account WHERE Name = '" + name + "'"); //!
// case: jsforce_soql_constant
const res = await conn.query("SELECT Id, Name FROM Account LIMIT 10");
// case: promisified
import { promisify } from "util";
const query = promisify(connection.query).bind(connection);
const rows = await query("SELECT * FROM t WHERE a = " + a); //!
// case: promisified_safe
import { promisify } from "util";
const query = promisify(connection.query).bind(connection);
const rows = await query("SELECT * FROM t WHERE a = ?", [a]);
// case: bun_sqlite
import { Database } from "bun:sqlite";
const db = new Database("a.sqlite");
const query = db.query("select $message;");
query.get({ $message: input });
// case: expo_sqlite_unsafe
tx.executeSql("SELECT * FROM items WHERE value = '" + value + "'", [], cb); //!
// case: expo_sqlite_safe
tx.executeSql("SELECT * FROM items WHERE value = ?", [value], cb);
