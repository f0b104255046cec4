// case: dom
const el = document.querySelector(`#${id}`); document.execCommand("copy");
// case: search_params
const params = new URLSearchParams(location.search); params.get("select"); router.query("x" + id);
// case: router_query
const { id } = router.query; router.push({ pathname: "/x", query: { id: `${id}` } });
// case: log_text
console.log(`select * from users where id = ${id}`); logger.info("delete from x where id = " + id);
// case: error_text
throw new Error(`update failed: set ${name} from ${old}`);
// case: regexp_exec
const match = /a(b)/.exec(text); pattern.exec("select " + text);
// case: react_query
const result = useQuery(["user", id], () => fetch(`/user/${id}`));
// case: command_execute
await command.execute(interaction); await job.execute({ id });
// case: map_get
cache.get("select-" + id); map.get(`update ${id}`);
// case: array_from
const list = Array.from(items).filter((x) => x.from).map((x) => `select ${x}`);
// case: element_text
element.innerHTML = `<select name="${name}"><option>from</option></select>`;
// case: url
const res = await fetch(`https://api.example.com/query?select=${id}&from=users`);
// case: shell
exec("ls " + directory, (err, out) => {});
// case: redis
await redis.get(`user:${id}`); await redis.set("insert into " + id, 1);
// case: i18n
t(`select.${kind}`); t("Select " + count + " items from the list");
// case: mongo
await users.find({ name }).toArray(); await collection.updateOne({ _id }, { $set: { name } });
// case: elastic
await elastic.search({ index, query: { match: { name } } });
// case: string_not_sent
const sql = `select * from t where id = ${id}`;
console.log(sql);
// case: string_compared
if (sql === "select * from " + table) count += 1;
// case: test_text
describe(`select from ${name}`, () => { it("deletes from " + name, () => {}); });
// case: query_selector_all
const nodes = page.locator(`select[name=${name}]`).all();
// case: graphql_constant_tag
const Q = gql`query Find($id: ID!) { user(id: $id) { name } }`;
client.query({ query: Q, variables: { id } });
// case: graphql_fragment
const F = gql`fragment F on User { name }`;
const Q = gql`query { me { ...F } } ${F}`;
// case: graphql_tag_value
const Q = gql`query { user(id: "${id}") { name } }`; //! graphql_dynamic
// case: graphql_request_value
await client.request(`mutation { rename(id: "${id}", name: "${name}") { id } }`); //! graphql_dynamic
// case: graphql_request_constant
await client.request("query ($id: ID!) { user(id: $id) { name } }", { id });
// case: html_tag
const page = html`<p>select ${name} from ${list}</p>`;
// case: styled
const Box = styled.div`from: ${(p) => p.color}; select: none;`;
// case: model_update
await user.update({ name: `set ${name}` }); await model.delete(id);
// case: event_emit
bus.emit("query", `select ${id}`); socket.send("select * from t where id = " + id);
// case: file_write
fs.writeFileSync("out.sql", `insert into t values (${id});`);
// case: key_only
const key = `select:${id}`; store.set(key, value);
// case: stringify
const body = JSON.stringify({ name: `select ${name}` });
// case: typed_parameter
export function total(items: { price: number }[], query: string) { return items.length + query.length; }
// case: prisma_like_names
const select = { id: true }; const data = await prisma.order.findFirst({ select, where: { id: input.id } });
// case: worker_run
await worker.run(task); pool.run(() => compute(id)); executor.execute(() => compute(id));
// case: query_object_argument
const result = await client.query({ from: "users", filter: { id } });
// case: parameter_that_is_text
await db.query("INSERT INTO notes (body) VALUES ($1)", [`select * from ${name}`]);
// case: parameter_concat
await db.query("SELECT * FROM t WHERE name LIKE ?", ["%" + name + "%"]);
// case: dates
await db.query("SELECT * FROM t WHERE day = $1", [new Date().toISOString()]);
