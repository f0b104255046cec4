//! Attacks on neighbours: what one tenant leaves behind for the next, and how much one can hold.

use super::{Group, Specimen};
use crate::guests::WatGuest;

/// Pages of one cell's memory at the start, and after it has grown: above what the pool keeps mapped between two calls.
const PAGES: (u32, u32) = (4, 48);
const TABLE_ELEMENTS: u32 = 1_000;
const CANARY: &str = "0xCA11AB1ECA11AB1E";

/// A module with a memory, a table and globals of its own. `fill` leaves canaries everywhere; `scan` counts what is not
/// as a fresh instance must find it: words of memory, grown pages among them, elements, globals and locals.
fn cell() -> String {
    let (born, grown) = PAGES;
    let globals: String = (0..8).map(|n| format!("(global $g{n} (mut i64) (i64.const 0))")).collect();
    let set_globals: String = (0..8).map(|n| format!("(global.set $g{n} (i64.const {CANARY}))")).collect();
    let count_globals: String = (0..8)
        .map(|n| format!("(local.set $found (i64.add (local.get $found) (i64.extend_i32_u (i64.ne (global.get $g{n}) (i64.const 0)))))"))
        .collect();
    let locals: String = (0..16).map(|n| format!("(local $l{n} i64)")).collect();
    let set_locals: String = (0..16).map(|n| format!("(local.set $l{n} (i64.const {CANARY}))")).collect();
    let sum_locals: String =
        (0..16).map(|n| format!("(local.set $sum (i64.or (local.get $sum) (local.get $l{n})))")).collect();
    format!(
        r#"(core module $cell
    (memory {born}) (table $t {TABLE_ELEMENTS} funcref) {globals}
    (func $it) (elem declare func $it)
    (func $grow (drop (memory.grow (i32.const {more}))))
    ;; Down the stack with canaries in every frame.
    (func $sink (param $depth i32) (result i64) {locals} (local $sum i64)
      {set_locals} {sum_locals}
      (if (i32.eqz (local.get $depth)) (then (return (local.get $sum))))
      (i64.or (local.get $sum) (call $sink (i32.sub (local.get $depth) (i32.const 1)))))
    (func $sound (param $depth i32) (result i64) {locals} (local $sum i64)
      {sum_locals}
      (if (i32.eqz (local.get $depth)) (then (return (i64.extend_i32_u (i64.ne (local.get $sum) (i64.const 0))))))
      (i64.add (i64.extend_i32_u (i64.ne (local.get $sum) (i64.const 0)))
        (call $sound (i32.sub (local.get $depth) (i32.const 1)))))
    (func (export "fill")
      (local $at i32)
      (call $grow)
      (loop $next
        (i64.store (local.get $at) (i64.const {CANARY}))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const {bytes}))))
      (table.fill $t (i32.const 0) (ref.func $it) (i32.const {TABLE_ELEMENTS}))
      {set_globals}
      (drop (call $sink (i32.const 200))))
    (func (export "scan") (result i64)
      (local $at i32) (local $found i64)
      (if (i32.lt_u (memory.size) (i32.const {grown})) (then (call $grow)))
      (loop $next
        (local.set $found (i64.add (local.get $found)
          (i64.extend_i32_u (i64.ne (i64.load (local.get $at)) (i64.const 0)))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const {bytes}))))
      (local.set $at (i32.const 0))
      (loop $element
        (local.set $found (i64.add (local.get $found)
          (i64.extend_i32_u (i32.eqz (ref.is_null (table.get $t (local.get $at)))))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $element (i32.lt_u (local.get $at) (i32.const {TABLE_ELEMENTS}))))
      {count_globals}
      (i64.add (local.get $found) (call $sound (i32.const 200)))))"#,
        more = grown - born,
        bytes = grown << 16,
    )
}

/// Writes `$found` as JSON and returns it, as the end of `handle`.
const ANSWER: &str = "
    (local.set $at (i32.const 1100))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.wrap_i64 (i64.add (i64.const 48) (i64.rem_u (local.get $found) (i64.const 10)))))
      (local.set $found (i64.div_u (local.get $found) (i64.const 10)))
      (br_if $digit (i64.ne (local.get $found) (i64.const 0))))
    (i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (local.get $at))
    (i32.store (i32.const 24) (i32.sub (i32.const 1100) (local.get $at))) (i32.const 16)";

/// A guest with `cells` cells besides its own memory, which runs `before` on each and then counts.
fn with_cells(cells: usize, before: &str) -> WatGuest {
    let each = |text: &dyn Fn(usize) -> String| (0..cells).map(text).collect::<String>();
    let count = each(&|n| {
        let before = before.replace("$fill", &format!("$fill{n}"));
        format!("{before} (local.set $found (i64.add (local.get $found) (call $scan{n})))")
    });
    WatGuest {
        definitions: format!("{} {}", cell(), each(&|n| format!("(core instance $cell{n} (instantiate $cell))"))),
        arguments: each(&|n| format!("(with \"cell{n}\" (instance $cell{n}))")),
        // Its own memory first, but for the input.
        ..WatGuest::new(&format!(
            "(local $at i32) (local $found i64)
             (loop $next
               (local.set $found (i64.add (local.get $found)
                 (i64.extend_i32_u (i64.ne (i64.load (local.get $at)) (i64.const 0)))))
               (local.set $at (i32.add (local.get $at) (i32.const 8)))
               (br_if $next (i32.lt_u (local.get $at) (i32.const 65536))))
             {count} {ANSWER}"
        ))
    }
    .fields(&each(&|n| {
        format!(r#"(import "cell{n}" "fill" (func $fill{n})) (import "cell{n}" "scan" (func $scan{n} (result i64)))"#)
    }))
}

/// Fills everything it can reach with canaries, and returns how many it finds there: many.
pub fn canary_writer(memories: usize) -> WatGuest {
    with_cells(memories - 1, "(call $fill)")
}

/// Returns how much it finds that a fresh instance must not have: nothing.
pub fn canary_reader(memories: usize) -> WatGuest {
    with_cells(memories - 1, "")
}

/// Holds many core instances for as long as it can.
pub fn instance_hog() -> WatGuest {
    let definitions = "(core module $none) ".to_owned() + &"(core instance (instantiate $none)) ".repeat(20);
    WatGuest { definitions, ..WatGuest::new("(loop $again (br $again)) (i32.const 0)") }
}

pub(super) fn specimens() -> Vec<Specimen> {
    let specimen = |name, guest: WatGuest, expected| Specimen {
        name,
        group: Group::Tenants,
        component: Box::new(move || guest.component()),
        manifest: "[limits]\nwall_time_ms = 500\n",
        payload: r#""CANARY CANARY CANARY CANARY CANARY CANARY CANARY CANARY""#,
        expected,
    };
    let mut reader = canary_reader(2);
    // A reader that finds something crashes, so that its outcome is another one.
    reader.handle = reader
        .handle
        .replace(ANSWER, &format!("(if (i64.ne (local.get $found) (i64.const 0)) (then unreachable)) {ANSWER}"));
    vec![
        // They end by themselves, in a crowd later than alone.
        Specimen { manifest: "", ..specimen("canary-writer", canary_writer(2), "returned") },
        Specimen { manifest: "", ..specimen("canary-reader", reader, "returned") },
        specimen("instance-hog", instance_hog(), "time_exhausted"),
        specimen("crash-loop", WatGuest::new("unreachable"), "guest_trap"),
    ]
}
