//! Guests that dig: recursion in every place where there is a stack, and text nested deep.

use super::{
    Group, Specimen,
    wat::{ANY, Maker, Template},
};
use crate::guests::WatGuest;

const STACK: Maker = Maker(Group::Stack);
const DEPTH: usize = 100_000;

pub(super) fn specimens() -> Vec<Specimen> {
    let mut all = recursion();
    all.extend(through_the_host());
    all.extend(nested_text());
    all
}

fn recursion() -> Vec<Specimen> {
    let down = |fields: &str| WatGuest::new("(drop (call $down (local.get 0))) (i32.const 16)").fields(fields);
    let direct = "(func $down (param i32) (result i32) (i32.add (call $down (local.get 0)) (i32.const 1)))";
    let mutual = "(func $down (param i32) (result i32) (i32.add (call $up (local.get 0)) (i32.const 1)))
        (func $up (param i32) (result i32) (i32.sub (call $down (local.get 0)) (i32.const 3)))";
    let indirect = "(type $f (func (param i32) (result i32))) (table 1 funcref) (elem (i32.const 0) $down)
        (func $down (param i32) (result i32)
          (i32.add (call_indirect (type $f) (local.get 0) (i32.const 0)) (i32.const 1)))";
    let start = WatGuest::new("(i32.const 16)").fields("(start $s) (func $s (call $s) (call $s))");
    vec![
        STACK.core("stack-recursion", down(direct), ANY, "guest_trap"),
        STACK.core("stack-mutual-recursion", down(mutual), ANY, "guest_trap"),
        STACK.core("stack-indirect-recursion", down(indirect), ANY, "guest_trap"),
        STACK.core("stack-start-recursion", start, ANY, "guest_trap"),
        STACK.core("stack-huge-frames", down(&huge_frame("i64", 4_000)), ANY, "guest_trap"),
        STACK.core("stack-huge-vector-frames", down(&huge_frame("v128", 4_000)), ANY, "guest_trap"),
    ]
}

/// A function whose locals all live across its call of itself, so that each needs its place in the frame.
fn huge_frame(ty: &str, locals: u32) -> String {
    let names: String = (1..=locals).map(|i| format!("(local $l{i} {ty})")).collect();
    let (set, take) = match ty {
        "v128" => ("(i32x4.splat (i32.load (i32.const ADDRESS)))", "i32x4.extract_lane 0"),
        _ => ("(i64.load (i32.const ADDRESS))", "i32.wrap_i64"),
    };
    let sets: String =
        (1..=locals).map(|i| format!("(local.set $l{i} {})", set.replace("ADDRESS", &(i * 8).to_string()))).collect();
    let sum: String = (1..=locals).map(|i| format!("local.get $l{i} {take} i32.add ")).collect();
    format!("(func $down (param $p i32) (result i32) {names} {sets} (call $down (local.get $p)) {sum})")
}

fn through_the_host() -> Vec<Specimen> {
    let again = "(call_indirect (type $call) (i32.const 512) (i32.const 0))";
    let by_realloc = Template::host("(call $current (i32.const 512))").fill("realloc", again);
    let realloc =
        Template::host("").fill("realloc", "(drop (call 0 (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))");
    let post_return = include_str!("../../guests/zoo/plain.wat").replace("{{post-return}}", "(call $d)");
    let post_return = Template::from(post_return).fill("fields", "(func $d (call $d) (call $d))");
    let callback = Template::task("(i32.const 1)")
        .fill("fields", "(func $d (call $d) (call $d))")
        .fill("callback", "(call $d) (i32.const 1)");
    let destructor = Template::from(include_str!("../../guests/zoo/destructor.wat").to_owned());
    let recursive = destructor.clone().fill("destructor", "(call $make-and-drop (local.get 0))");
    let inside = Template::nested("(call $f (i32.const 1))")
        .fill("inner", r#"(func $g (export "f") (param i32) (call $g (local.get 0)) (call $g (local.get 0)))"#)
        .fill("signature", r#"(param "n" u32)"#)
        .fill("core", "(param i32)");
    vec![
        STACK.text("stack-recursion-through-the-host", by_realloc, ANY, "guest_trap"),
        STACK.text("stack-realloc-recursion", realloc, ANY, "guest_trap"),
        STACK.text("stack-post-return-recursion", post_return, ANY, "guest_trap"),
        STACK.text("stack-callback-recursion", callback, ANY, "guest_trap"),
        STACK.text("stack-destructor-recursion", recursive, ANY, "guest_trap"),
        STACK.text("stack-recursion-inside", inside, ANY, "rejected:component-composed"),
    ]
}

fn nested_text() -> Vec<Specimen> {
    let brackets = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let members = format!("{}1{}", "{\"a\":".repeat(DEPTH), "}".repeat(DEPTH));
    let open = "[".repeat(2 * DEPTH);
    let at = 2 * DEPTH - 10;
    let escaped = format!("{}\"\\ud83d\\ude00\"{}", "[".repeat(at / 2), "]".repeat(at / 2));
    let deep_payload = |name, manifest, payload: String, expected| Specimen {
        payload: Box::leak(payload.into_boxed_str()),
        ..STACK.core(name, WatGuest { pages: 20, ..WatGuest::returning("1") }, manifest, expected)
    };
    let statement = format!("select {}1{}", "(".repeat(DEPTH), ")".repeat(DEPTH));
    vec![
        STACK.core("stack-json-deep-output", long(&brackets), ANY, "returned"),
        STACK.core("stack-json-deep-object-output", long(&members), ANY, "returned"),
        STACK.core("stack-json-deep-escaped-output", long(&escaped), ANY, "output_malformed"),
        STACK.core("stack-json-deep-cut-output", long(&open), ANY, "output_malformed"),
        deep_payload("stack-json-deep-input", ANY, brackets, "returned"),
        deep_payload("stack-json-deep-input-with-schema", WITH_SCHEMA, members, "request_malformed"),
        STACK.text("stack-sql-deep", sql(&statement), WITH_DATABASE, "returned"),
    ]
}

/// Returns `text`, which lies beyond what `realloc` gives.
fn long(text: &str) -> WatGuest {
    let data: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let handle = format!(
        "(i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 131072))
         (i32.store (i32.const 24) (i32.const {})) (i32.const 16)",
        text.len()
    );
    WatGuest { pages: 20, ..WatGuest::new(&handle) }.fields(&format!("(data (i32.const 131072) \"{data}\")"))
}

const WITH_SCHEMA: &str = "[input]\ntype = \"object\"\n";
const WITH_DATABASE: &str = "[resources.orders-db]\nkind = \"sql\"\noperations = [\"read\"]\n";

/// One query, whose answer is thrown away.
fn sql(statement: &str) -> Template {
    Template::host(&format!(
        "(call $query (i32.const 70000) (i32.const {}) (i32.const 65000) (i32.const 2) (i32.const 512))",
        statement.len()
    ))
    .fill("pages", "20")
    .fill("imports", SQL_IMPORT)
    .fill("lowered", "(core func $query (canon lower (func $sql \"query\") (memory $memory) (realloc $realloc)))")
    .fill(
        "core",
        &format!(
            r#"(import "host" "query" (func $query (param i32 i32 i32 i32 i32)))
            (data (i32.const 65000) "[]") (data (i32.const 70000) "{statement}")"#
        ),
    )
    .fill("exports", r#"(export "query" (func $query))"#)
    // Behind the statement.
    .fill("realloc", "(if (i32.lt_u (global.get $top) (i32.const 400000)) (then (global.set $top (i32.const 400000))))")
}

const SQL_IMPORT: &str = r#"(import "resources:orders-db/sql@1.0.0" (instance $sql
    (alias outer 1 $host-error (type $inner))
    (export "host-error" (type $host-error (eq $inner)))
    (type $column' (record (field "name" string) (field "database-type" string)))
    (export "column" (type $column (eq $column')))
    (type $rows' (record (field "columns" (list $column)) (field "rows" string) (field "truncated" bool)))
    (export "rows" (type $rows (eq $rows')))
    (type $answer (result $rows (error $host-error)))
    (export "query" (func async (param "statement" string) (param "parameters" string) (result $answer)))))"#;
