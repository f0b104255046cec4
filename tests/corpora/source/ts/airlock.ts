// case: handler_tag
import { ordersDb, crm } from "@airlock/resources";
export default async function handle(input: { customer: string }) {
  const [orders, profile] = await Promise.all([
    ordersDb.sql`select id, total from orders where customer = ${input.customer} order by id`,
    crm.get(`/customers/${input.customer}`),
  ]);
  return { count: orders.length, tier: profile.tier };
}
// case: handler_template
import { ordersDb } from "@airlock/resources";
export default async function handle(input: { customer: string }) {
  return ordersDb.query(`select id from orders where customer = '${input.customer}'`); //!
}
// case: namespace_import
import * as resources from "@airlock/resources";
export default async (input) => resources.ordersDb.query("select * from orders where id = " + input.id); //!
// case: renamed_import
import { orders as o } from "@airlock/resources";
export default async (input) => o.query("select * from orders where id = " + input.id); //!
// case: odd_name_parameter
import { ledger } from "@airlock/resources";
export default async (input) => ledger.query(input.sql); //! sql_parameter
// case: stream
import { ledger } from "@airlock/resources";
export default async function handle(input) {
  for await (const batch of ledger.stream(`select * from entries where day = '${input.day}'`)) console.log(batch.length); //!
}
// case: stream_safe
import { ledger } from "@airlock/resources";
export default async function handle(input) {
  for await (const batch of ledger.stream("select * from entries where day = $1", [input.day])) console.log(batch.length);
}
// case: transaction
import { ledger } from "@airlock/resources";
export default async function handle(input) {
  await ledger.transaction(async (t) => {
    await t.execute("update accounts set total = total - $1 where id = $2", [input.amount, input.from]);
    await t.execute("update accounts set total = total + " + input.amount + " where id = 2"); //!
  });
}
// case: kv_key
import { cache } from "@airlock/resources";
export default async (input) => (await cache.get(`select/${input.id}`)) ?? (await cache.set("update set " + input.id, 1));
// case: blob_key
import { files } from "@airlock/resources";
export default async (input) => files.text(`reports/${input.year}.json`);
// case: http_query_option
import { crm } from "@airlock/resources";
export default async (input) => crm.get("/search", { query: { q: input.text } });
// case: graphql_variables
import { crm } from "@airlock/resources";
export default async (input) => crm.post("/graphql", { query: "query ($id: ID!) { customer(id: $id) { name } }", variables: { id: input.id } });
// case: graphql_template
import { crm } from "@airlock/resources";
export default async (input) => crm.post("/graphql", { query: `query { customer(id: "${input.id}") { name } }` }); //! graphql_dynamic
// case: passed_to_helper
import { ordersDb } from "@airlock/resources";
async function load(anything, id) { return anything.query("select * from orders where id = " + id); } //!
export default async (input) => load(ordersDb, input.id);
// case: passed_to_helper_text
import { ordersDb } from "@airlock/resources";
async function load(anything, text) { return anything.query(text); }
export default async (input) => load(ordersDb, "select 1");
// case: loop_with_values
import { ordersDb } from "@airlock/resources";
export default async function handle(input) {
  for (const id of input.ids) await ordersDb.execute("delete from orders where id = $1", [id]);
}
// case: dynamic_method
import { ordersDb } from "@airlock/resources";
export default async (input) => ordersDb[input.method]("select 1"); //! dynamic_member
// case: eval_input
export default async (input) => eval(input.code); //! dynamic_code
// case: function_constructor
export default (input) => new Function("return " + input.code)(); //! dynamic_code
// case: set_timeout_text
setTimeout("run()", 10); //! dynamic_code
// case: set_timeout_function
setTimeout(() => db.query("select 1"), 10);
// case: dynamic_import
const module = await import(input.name); //! dynamic_import
// case: constant_import
const module = await import("./queries.ts");
// case: require_value
const plugin = require("./plugins/" + name); //! dynamic_import
// case: require_constant
const fs = require("fs");
