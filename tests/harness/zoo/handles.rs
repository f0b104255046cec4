//! Guests that leak, forge and misuse handles.

use super::{
    Group, Specimen,
    wat::{ANY, LITTLE_FUEL, Maker, Template},
};

const HANDLES: Maker = Maker(Group::Handles);
const COMPOSED: &str = "rejected:component-composed";
const FEW: &str = "[limits]\nhandles = 100\nfuel = 2_000_000_000\nwall_time_ms = 8000\n";

pub(super) fn specimens() -> Vec<Specimen> {
    let mut all = resources();
    all.extend(floods());
    all.extend(destructors());
    all.extend(borrows());
    all
}

/// A guest with a resource of its own; `handle` may call `$new`, `$rep` and `$drop`.
fn owner(handle: &str) -> Template {
    Template::from(include_str!("../../guests/zoo/plain.wat").to_owned())
        .fill(
            "definitions",
            "(type $thing (resource (rep i32))) (type $other (resource (rep i32)))
             (core func $new (canon resource.new $thing)) (core func $rep (canon resource.rep $thing))
             (core func $drop (canon resource.drop $thing)) (core func $drop-other (canon resource.drop $other))",
        )
        .fill(
            "arguments",
            r#"(with "host" (instance (export "new" (func $new)) (export "rep" (func $rep))
               (export "drop" (func $drop)) (export "drop-other" (func $drop-other))))"#,
        )
        .fill("imports", IMPORTS)
        .fill("handle", handle)
}

const IMPORTS: &str = r#"(import "host" "new" (func $new (param i32) (result i32)))
    (import "host" "rep" (func $rep (param i32) (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (import "host" "drop-other" (func $drop-other (param i32)))"#;

/// Makes `count` handles and keeps them.
fn made(count: u32) -> String {
    format!(
        "(local $n i32) (loop $again (drop (call $new (i32.const 7)))
         (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {count}))))"
    )
}

fn resources() -> Vec<Specimen> {
    let one = "(local $h i32) (local.set $h (call $new (i32.const 7)))";
    let owner_of_one = |body: &str| owner(&format!("{one} {body}"));
    let leak = "(loop $again (drop (call $new (i32.const 7))) (br $again))";
    let flood = "(loop $again (call $drop (call $new (i32.const 7))) (br $again))";
    let twice = "(call $drop (local.get $h)) (call $drop (local.get $h))";
    let late = "(call $drop (local.get $h)) (drop (call $rep (local.get $h)))";
    vec![
        HANDLES.text("handles-leak", owner(leak), FEW, "handles_exhausted"),
        // The task itself is one.
        HANDLES.text("handles-nearly-a-thousand", owner(&made(990)), ANY, "returned"),
        HANDLES.text("handles-a-thousand-and-one", owner(&made(1_001)), ANY, "handles_exhausted"),
        HANDLES.text("handles-flood", owner(flood), LITTLE_FUEL, "fuel_exhausted"),
        HANDLES.text("handles-dropped-twice", owner_of_one(twice), ANY, "guest_trap"),
        HANDLES.text("handles-used-after-drop", owner_of_one(late), ANY, "guest_trap"),
        HANDLES.text("handles-forged", owner("(call $drop (i32.const 12345))"), ANY, "guest_trap"),
        HANDLES.text("handles-forged-zero", owner("(drop (call $rep (i32.const 0)))"), ANY, "guest_trap"),
        HANDLES.text("handles-forged-negative", owner("(drop (call $rep (i32.const -1)))"), ANY, "guest_trap"),
        HANDLES.text("handles-of-another-type", owner_of_one("(call $drop-other (local.get $h))"), ANY, "guest_trap"),
    ]
}

fn floods() -> Vec<Specimen> {
    let flood = |body: &str| Template::task(&format!("(loop $again {body} (br $again)) unreachable"));
    let scan = "(call $subtask-drop (local.tee $a (i32.add (local.get $a) (i32.const 1))))";
    let joined = "(call $join (call $slow) (call $set-new))";
    vec![
        HANDLES.text("handles-sets", flood("(drop (call $set-new))"), FEW, "handles_exhausted"),
        HANDLES.text("handles-subtasks", flood("(drop (call $slow))"), FEW, "handles_exhausted"),
        HANDLES.text("handles-subtasks-by-default", flood("(drop (call $slow))"), ANY, "handles_exhausted"),
        HANDLES.text("handles-subtasks-in-sets", flood(joined), FEW, "handles_exhausted"),
        HANDLES.text("handles-streams", flood("(drop (call $stream-new))"), FEW, "handles_exhausted"),
        HANDLES.text("handles-futures", flood("(drop (call $future-new))"), FEW, "handles_exhausted"),
        HANDLES.text("handles-half-streams", flood(HALF_STREAM), FEW, "handles_exhausted"),
        HANDLES.text("handles-scan", flood(scan), ANY, "guest_trap"),
    ]
}

const HALF_STREAM: &str = "(call $stream-drop-readable (call $readable (call $stream-new)))";

fn destructors() -> Vec<Specimen> {
    let destructor = |body: &str| {
        Template::from(include_str!("../../guests/zoo/destructor.wat").to_owned()).fill("destructor", body)
    };
    vec![
        HANDLES.text("handles-destructor-returns", destructor(""), ANY, "returned"),
        HANDLES.text(
            "handles-destructor-endless",
            destructor("(loop $again (br $again))"),
            LITTLE_FUEL,
            "fuel_exhausted",
        ),
        HANDLES.text("handles-destructor-traps", destructor("unreachable"), ANY, "guest_trap"),
    ]
}

/// What a function is lent is always another component's, and deploy takes no two components with code.
fn borrows() -> Vec<Specimen> {
    let lend = |inner: &str, handle: &str| {
        Template::from(include_str!("../../guests/zoo/borrow.wat").to_owned())
            .fill("inner", inner)
            .fill("handle", handle)
    };
    let give_back = "(call $drop (local.get 0))";
    let lend_once = "(call $lend (call $new (i32.const 7)))";
    vec![
        HANDLES.text("handles-borrow-given-back", lend(give_back, lend_once), ANY, COMPOSED),
        HANDLES.text("handles-borrow-kept", lend("", lend_once), ANY, COMPOSED),
        HANDLES.text("handles-borrow-dropped-twice", lend(&give_back.repeat(2), lend_once), ANY, COMPOSED),
    ]
}
