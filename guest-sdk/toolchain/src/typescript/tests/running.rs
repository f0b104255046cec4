//! What a handler sees and what its caller gets.

use std::sync::OnceLock;

use serde_json::{Value, json};
use wasmtime::component::Component;

use super::host::{FunctionError, Level, Seen, compile, run};
use super::{build_files, options};

/// One component with many cases: a build costs more than a run.
const MAIN: &str = r#"
import { ordersDb, crm } from "@airlock/resources";
import { HostError, HttpError, FunctionError } from "@airlock/errors";
import { context } from "@airlock/context";
import total, { Tier, text as describe } from "./lib/orders";
import * as orders from "./lib/orders.js";

type Input = { case: string; value?: unknown };
interface Row { id: number; parameters: string }

const atBuild = { time: Date.now(), random: Math.random() };

const cases: Record<string, (input: Input) => unknown> = {
  async sql({ value }) {
    const rows = await ordersDb.sql<Row>`select * from orders where a = ${value as string} and b = ${7n}`;
    return { rows, truncated: rows.truncated, type: rows.columns[0]!.databaseType };
  },
  async execute() {
    return await ordersDb.execute("update orders set a = ?1", [null]);
  },
  async transaction({ value }) {
    const changed = await ordersDb.transaction(async (tx) => {
      const rows = await tx.sql`select ${value as string}`;
      const { rows: changed } = await tx.execute("update orders set a = $1", [rows.length]);
      if (value === "throw") throw new FunctionError("changed_my_mind", "no");
      return changed;
    });
    return { changed };
  },
  async stream({ value }) {
    const seen = [];
    for await (const batch of ordersDb.stream<{ n: number }>("select n")) {
      seen.push([batch.length, batch[0]!.n, batch.truncated]);
      if (value === "break") break;
    }
    return seen;
  },
  async overlap() {
    const all = await Promise.all([1, 2, 3].map((n) => ordersDb.sql`select ${n}`));
    return all.map((rows) => rows.length);
  },
  get: async () => crm.get("/customers/ada"),
  post: async () => crm.post("/customers/new", { name: "é€😀" }, { query: { a: [1, 2], b: undefined }, headers: { "x-y": "z" } }),
  async fetched() {
    const response = await fetch("https://crm.example/customers/new?a=b", { method: "post", headers: { "x-y": "z" }, body: "text" });
    return { status: response.status, type: response.headers.get("Content-Type"), asked: await response.json() };
  },
  async streamed() {
    async function* pieces() {
      yield "one";
      yield new Uint8Array([116, 119, 111]);
    }
    const response = await crm.stream({ method: "POST", path: "/echo", body: pieces() });
    const seen = [];
    for await (const piece of response) seen.push(String.fromCharCode(...piece));
    return { status: response.status, kind: response.header("X-Kind"), seen };
  },
  async status() {
    try {
      return await crm.get("/customers/nobody");
    } catch (error) {
      return error instanceof HttpError && { status: error.status, path: error.body.path };
    }
  },
  async response() {
    const response = await crm.request({ path: "/customers/nobody" });
    return { status: response.status, ok: response.ok, type: response.header("content-type"), path: response.json().path };
  },
  async caught({ value }) {
    try {
      return await ordersDb.query(value as string);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      return { ...error, message: error.message };
    }
  },
  uncaught: ({ value }) => ordersDb.query(value as string),
  context: () => context.current(),
  random: () => [Math.random(), Math.random(), crypto.randomUUID()],
  time: () => ({ now: Date.now(), atBuild: atBuild.time }),
  log() {
    console.log("loaded", { rows: 3 });
    console.warn("a", 1, [2], null);
    console.error(new TypeError("broken"));
  },
  throws() {
    return inner();
  },
  declared() {
    throw new FunctionError("customer_unknown", "no such customer", { id: 4 });
  },
  coded() {
    throw Object.assign(new Error("mine"), { code: "my_code" });
  },
  string() {
    throw "just text";
  },
  modules: () => ({ total: total([1, 2]), tier: Tier.Gold, described: describe(Tier.Silver), keys: Object.keys(orders.again) }),
  evaluate({ value }) {
    const refused = (run: () => unknown) => {
      try {
        return run();
      } catch (error) {
        return (error as Error).name;
      }
    };
    const AsyncFunction = Object.getPrototypeOf(async function () {}).constructor;
    return {
      eval: refused(() => eval(value as string)),
      indirect: refused(() => (0, eval)(value as string)),
      function: refused(() => new Function(value as string)),
      constructor: refused(() => (() => {}).constructor(value as string)),
      async: refused(() => AsyncFunction(value as string)),
      generator: refused(() => Object.getPrototypeOf(function* () {}).constructor(value as string)),
      instance: (() => {}) instanceof Function,
    };
  },
  nothing() {},
  async halves() {
    const half = "a\ud83d";
    console.log(half, { half });
    await ordersDb.query(half, [half]);
    await crm.get(`/customers/${half}`, { query: { half }, headers: { half } });
    return { half, escaped: "\\ud83d", whole: "😀" };
  },
  thrownHalf() {
    throw new FunctionError("c\ud83d", "m\ud83d", { half: "\ud83d" });
  },
  async unreadable({ value }) {
    const bare = Object.create(null);
    const thrower = () => {
      throw new Error("again");
    };
    const values = [
      bare,
      Object.assign(Object.create(null), { code: "X" }),
      { toString: thrower },
      Object.defineProperty(new Error("m"), "lazy", { enumerable: true, get: thrower }),
      Object.defineProperty(new Error("m"), "stack", { get: thrower }),
      new Proxy(new Error("m"), { get: thrower }),
      new FunctionError(bare as never, "m"),
      Object.assign(new FunctionError("c", "m"), { message: bare }),
    ];
    throw values[value as number];
  },
  async bytes() {
    const posted = async (body: unknown) => ((await crm.post("/customers/new", body as never)) as { body: string }).body;
    const odd = Object.setPrototypeOf({ length: 3 }, Uint8Array.prototype);
    return [await posted(new Uint8Array([65, 66])), await posted(new DataView(new Uint8Array([67]).buffer)), await posted(new Uint8Array([68]).buffer), typeof (await posted(odd))];
  },
  async parameters() {
    await ordersDb.execute("x", [2 ** 60, 2n ** 62n, 2n ** 70n, -0, 1.5, true, new Date(0), null]);
  },
  async mistakes() {
    const any = (value: unknown) => value as never;
    const calls: (() => Promise<unknown>)[] = [
      ...[NaN, Infinity, undefined, () => 1, Symbol("s"), new Date(NaN), new Number(NaN), {}, [1], { toJSON: () => NaN }].map(
        (one) => () => ordersDb.query("x", [any(one)]),
      ),
      ...[NaN, () => 1, Symbol("s")].map((body) => () => crm.post("/customers/new", any(body))),
      ...[new Map([["a", 1]]), "a=b", [["a", "b"]], { a: { b: 1 } }].map((query) => () => crm.get("/customers/ada", { query: any(query) })),
      async () => crypto.getRandomValues(any("abc")),
      () => ordersDb.query(any(5)),
      () => ordersDb.query("x", any("text")),
      () => ordersDb.execute(any(undefined)),
      () => crm.get(any(undefined)),
      () => crm.request({ method: any(7), path: "/" }),
    ];
    const names = [];
    for (const call of calls) names.push(await call().then(() => "sent", (error) => error.name));
    return names;
  },
  cycle() {
    const value: Record<string, unknown> = {};
    value.self = value;
    return value;
  },
};

function inner(): never {
  throw new RangeError("out of range");
}

export default async function handle(input: Input) {
  const one = cases[input.case];
  if (!one) throw new Error(`no case ${input.case}`);
  return await one(input);
}
"#;

const ORDERS: &str = r#"
export enum Tier { Gold = "gold", Silver = "silver" }
export type { Unused } from "./unused";
// The same name as a local of main.ts and of the SDK: neither may hide it.
const inner = "inner";
export const text = (tier: Tier): string => `${inner} ${tier}`;
export * as again from "./orders";
export default (values: number[]) => values.reduce((sum, value) => sum + value, 0);
"#;

fn component() -> &'static Component {
    static COMPONENT: OnceLock<Component> = OnceLock::new();
    COMPONENT.get_or_init(|| {
        let built = build_files(&[("src/main.ts", MAIN), ("src/lib/orders.ts", ORDERS)]).unwrap();
        compile(&built.component)
    })
}

fn case(name: &str, value: impl Into<Value>) -> (Result<Value, FunctionError>, Seen) {
    let input = json!({ "case": name, "value": value.into() });
    let (result, seen) = run(component(), &input.to_string());
    (result.map(|text| serde_json::from_str(&text).unwrap()), seen)
}

fn value(name: &str) -> Value {
    case(name, Value::Null).0.unwrap()
}

#[test]
fn holes_become_parameters_and_rows_become_objects() {
    let (result, seen) = case("sql", json!("x' or 1=1"));
    assert_eq!(seen.statements[0].0, "select * from orders where a = $1 and b = $2");
    assert_eq!(seen.statements[0].1, r#"["x' or 1=1",7]"#);
    let rows = json!([{ "id": 1, "parameters": seen.statements[0].1 }, { "id": 2, "parameters": "second" }]);
    assert_eq!(result.unwrap(), json!({ "rows": rows, "truncated": true, "type": "TEXT" }));
    assert_eq!(value("execute"), json!({ "rows": 2 }));
}

#[test]
fn a_transaction_commits_when_its_work_returns_and_rolls_back_when_it_throws() {
    let said = |seen: &Seen| seen.statements.iter().map(|(said, _)| said.clone()).collect::<Vec<_>>();
    let work = ["begin", "7: select $1", "7: update orders set a = $1"];
    let (result, seen) = case("transaction", "go");
    assert_eq!(result.unwrap(), json!({ "changed": 2 }));
    assert_eq!(said(&seen), [&work[..], &["7: commit", "drop 7"]].concat());
    let (result, seen) = case("transaction", "throw");
    assert_eq!(result.unwrap_err().code, "changed_my_mind");
    assert_eq!(said(&seen), [&work[..], &["7: rollback", "drop 7"]].concat());
}

#[test]
fn a_stream_is_pulled_and_ends_with_its_loop() {
    let said = |seen: &Seen| seen.statements.iter().map(|(said, _)| said.clone()).collect::<Vec<_>>();
    let (result, seen) = case("stream", "all");
    assert_eq!(result.unwrap(), json!([[2, 1, false], [2, 2, true]]));
    assert_eq!(said(&seen), ["select n", "next", "next", "next", "drop"]);
    let (result, seen) = case("stream", "break");
    assert_eq!(result.unwrap(), json!([[2, 1, false]]));
    assert_eq!(said(&seen), ["select n", "next", "drop"]);
}

#[test]
fn host_calls_overlap() {
    let (result, seen) = case("overlap", Value::Null);
    assert_eq!(result.unwrap(), json!([2, 2, 2]));
    assert_eq!(seen.overlap, 3);
}

#[test]
fn http_bodies_are_json_and_failures_are_errors() {
    assert_eq!(value("get"), json!({ "tier": "gold", "name": "Adé" }));
    let asked = value("post");
    assert_eq!(asked["body"], json!("{\"name\":\"é€😀\"}"));
    assert_eq!(asked["query"], json!([["a", "1"], ["a", "2"]]));
    assert_eq!(asked["headers"], json!([["x-y", "z"], ["content-type", "application/json"]]));
    assert_eq!(value("status"), json!({ "status": 404, "path": "/customers/nobody" }));
    let response = json!({ "status": 404, "ok": false, "type": "application/json", "path": "/customers/nobody" });
    assert_eq!(value("response"), response);
}

#[test]
fn fetch_is_a_request_through_the_resource_that_covers_the_url() {
    let fetched = value("fetched");
    assert_eq!((&fetched["status"], &fetched["type"]), (&json!(201), &json!("application/json")), "{fetched}");
    let asked = &fetched["asked"];
    assert_eq!((&asked["method"], &asked["path"]), (&json!("POST"), &json!("https://crm.example/customers/new?a=b")));
    assert_eq!((&asked["body"], &asked["headers"][0]), (&json!("text"), &json!(["x-y", "z"])));
}

#[test]
fn an_exchange_goes_piece_by_piece_both_ways() {
    assert_eq!(value("streamed"), json!({ "status": 201, "kind": "echo", "seen": ["one", "two"] }));
}

#[test]
fn host_errors_can_be_caught_with_all_their_fields() {
    let caught = |statement: &str| case("caught", json!(statement)).0.unwrap();
    let denied = caught("denied");
    assert_eq!((&denied["kind"], &denied["reason"]), (&json!("denied"), &json!("not_granted")));
    assert_eq!((&denied["rule"], &denied["hint"]), (&json!("grant orders-db:read"), &json!("ask for it")));
    assert_eq!(denied["resource"], json!("orders-db"));
    let limit = caught("limit");
    assert_eq!((&limit["kind"], &limit["limit"], &limit["used"]), (&json!("limit"), &json!("host_calls"), &json!(5)));
    for kind in ["timeout", "unavailable", "bad request"] {
        assert_eq!(caught(kind)["kind"], json!(kind.replace(' ', "_")));
    }
    let backend = caught("backend");
    assert_eq!((&backend["code"], &backend["message"]), (&json!("42P01"), &json!("orders-db: no such table")));
}

#[test]
fn uncaught_host_errors_reach_the_caller() {
    let error = case("uncaught", json!("denied")).0.unwrap_err();
    assert_eq!(error.code, "host_error.denied");
    let details: Value = serde_json::from_str(&error.details).unwrap();
    assert_eq!((&details["reason"], &details["hint"]), (&json!("not_granted"), &json!("ask for it")));
}

#[test]
fn exceptions_tell_where_they_come_from() {
    let error = case("throws", Value::Null).0.unwrap_err();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("exception", "out of range"));
    let details: Value = serde_json::from_str(&error.details).unwrap();
    assert_eq!(details["name"], json!("RangeError"));
    let line = MAIN.lines().position(|line| line.contains("throw new RangeError")).unwrap() + 1;
    let stack = details["stack"].as_str().unwrap();
    assert!(stack.contains(&format!("inner (src/main.ts:{line})")), "{stack}");
}

#[test]
fn declared_errors_arrive_as_declared() {
    let declared = case("declared", Value::Null).0.unwrap_err();
    assert_eq!((declared.code.as_str(), declared.details.as_str()), ("customer_unknown", r#"{"id":4}"#));
    assert_eq!(case("coded", Value::Null).0.unwrap_err().code, "my_code");
    let text = case("string", Value::Null).0.unwrap_err();
    assert_eq!((text.code.as_str(), text.message.as_str()), ("exception", "just text"));
    assert_eq!(case("cycle", Value::Null).0.unwrap_err().code, "exception");
}

#[test]
fn the_console_writes_log_lines() {
    let (result, seen) = case("log", Value::Null);
    assert_eq!(result.unwrap(), Value::Null);
    assert_eq!(seen.log[0], (Level::Info, "loaded".to_owned(), r#"{"rows":3}"#.to_owned()));
    assert_eq!(seen.log[1], (Level::Warn, "a 1 [2] null".to_owned(), String::new()));
    assert!(seen.log[2].1.starts_with("TypeError: broken"), "{:?}", seen.log[2]);
}

#[test]
fn half_a_surrogate_pair_becomes_a_replacement_character() {
    let (result, seen) = case("halves", Value::Null);
    assert_eq!(result.unwrap(), json!({ "half": "a\u{fffd}", "escaped": "\\ud83d", "whole": "😀" }));
    assert_eq!(seen.log[0], (Level::Info, "a\u{fffd}".to_owned(), r#"{"half":"a\ufffd"}"#.to_owned()));
    assert_eq!(seen.statements[0], ("a\u{fffd}".to_owned(), "[\"a\\ufffd\"]".to_owned()));
    let thrown = case("thrownHalf", Value::Null).0.unwrap_err();
    assert_eq!((thrown.code.as_str(), thrown.message.as_str()), ("c\u{fffd}", "m\u{fffd}"));
    assert_eq!(thrown.details, r#"{"half":"\ufffd"}"#);
}

#[test]
fn an_unreadable_exception_is_still_the_functions_own() {
    for index in 0..8 {
        let error = case("unreadable", json!(index)).0.unwrap_err();
        assert!(!error.code.is_empty() && !error.message.is_empty(), "{index}: {error:?}");
        serde_json::from_str::<Value>(&error.details).unwrap();
    }
}

#[test]
fn bytes_of_every_kind_can_be_a_body() {
    assert_eq!(value("bytes"), json!(["AB", "C", "D", "string"]));
}

#[test]
fn parameters_keep_all_their_digits() {
    let (_, seen) = case("parameters", Value::Null);
    let expected = r#"[1152921504606846976,4611686018427387904,"1180591620717411303424",0,1.5,true,"1970-01-01T00:00:00.000Z",null]"#;
    assert_eq!(seen.statements[0].1, expected);
}

#[test]
fn a_wrong_argument_is_a_type_error_that_can_be_caught() {
    let (result, seen) = case("mistakes", Value::Null);
    assert_eq!(result.unwrap(), json!(vec!["TypeError"; 23]));
    assert!(seen.statements.is_empty(), "{:?}", seen.statements);
}

#[test]
fn randomness_and_time_belong_to_the_instance() {
    let (first, second) = (value("random"), value("random"));
    assert_ne!(first, second);
    assert_ne!(first[0], first[1]);
    assert!((0.0..1.0).contains(&first[0].as_f64().unwrap()));
    assert_eq!(value("time"), json!({ "now": 1_700_000_000_005_u64, "atBuild": 0 }));
}

#[test]
fn text_cannot_become_code() {
    let refused = case("evaluate", json!("1 + 1")).0.unwrap();
    let expected = json!({
        "eval": "EvalError", "indirect": "EvalError", "function": "EvalError", "constructor": "EvalError",
        "async": "EvalError", "generator": "EvalError", "instance": true,
    });
    assert_eq!(refused, expected);
}

#[test]
fn modules_see_each_other_under_their_own_names() {
    let expected = json!({ "total": 3, "tier": "gold", "described": "inner silver", "keys": ["Tier", "again", "default", "text"] });
    assert_eq!(value("modules"), expected);
}

#[test]
fn the_context_is_that_of_the_invocation() {
    let context = value("context");
    assert_eq!((&context["id"], &context["deadlineUnixMs"]), (&json!("i-1"), &json!(4e12 as u64)));
    assert_eq!(value("nothing"), Value::Null);
}

#[test]
fn the_example_gives_the_output_it_promises() {
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/order-summary");
    let mut steps = Vec::new();
    let project = crate::Project::load(&example).unwrap();
    let built = crate::build(&project, &options(), &mut |step| steps.push(step)).unwrap();
    assert_eq!((built.warnings.len(), built.sources.len(), steps.len()), (0, 1, 4));
    let (result, seen) = run(&compile(&built.component), r#"{"customer":"ada"}"#);
    let expected = std::fs::read_to_string(example.join("expected-output.json")).unwrap();
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(parsed(&result.unwrap()), parsed(&expected));
    assert_eq!(seen.statements.len(), 1);
}
