//! Guests that misuse tasks, subtasks, waitable sets, streams and futures: the part of the ABI that is youngest.

use super::{
    Group, Specimen,
    wat::{ANY, LITTLE_TIME, Maker, Template},
};

const ABI: Maker = Maker(Group::Abi);

pub(super) fn specimens() -> Vec<Specimen> {
    let mut all = answers();
    all.extend(callbacks());
    all.extend(waitables());
    all.extend(streams());
    all.extend(refused());
    all
}

/// `handle` with `$a: i32` and `$b: i64`; says EXIT at its end.
fn task(handle: &str) -> Template {
    Template::task(&format!("{handle} (i32.const 0)"))
}

fn trap(name: &'static str, guest: Template) -> Specimen {
    ABI.text(name, guest, ANY, "guest_trap")
}

fn answers() -> Vec<Specimen> {
    let empty_set = "(call $wait (call $set-new))";
    vec![
        ABI.text("abi-task-returns", task("(call $done)"), ANY, "returned"),
        trap("abi-task-returns-never", task("")),
        trap("abi-task-returns-twice", task("(call $done) (call $done)")),
        trap("abi-task-returns-a-number", task("(call $task-return-number (i32.const 7))")),
        trap("abi-task-cancels-uncalled", task("(call $task-cancel)")),
        trap("abi-task-returns-2gib", task(HUGE_ANSWER)),
        trap("abi-task-returns-a-wrong-case", task(WRONG_CASE)),
        trap("abi-task-waits-for-nothing", Template::task(empty_set)),
        trap("abi-task-waits-for-nothing-in-place", task("(drop (call $set-wait (call $set-new) (i32.const 64)))")),
        trap("abi-task-traps-after-the-answer", task("(call $done) unreachable")),
        ABI.text(
            "abi-backpressure-for-ever",
            Template::task(&format!("(call $backpressure-inc) {SLOW_WAIT}")),
            LITTLE_TIME,
            "time_exhausted",
        ),
        trap("abi-backpressure-below-zero", task("(call $backpressure-dec)")),
        trap("abi-backpressure-overflow", task("(loop $again (call $backpressure-inc) (br $again))")),
        ABI.text("abi-task-sleeps-for-ever", Template::task(SLOW_WAIT), LITTLE_TIME, "time_exhausted"),
    ]
}

const HUGE_ANSWER: &str = "(call $task-return (i32.const 0) (i32.const 1024) (i32.const 0x7fffffff)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
const WRONG_CASE: &str = "(call $task-return (i32.const 2) (i32.const 1024) (i32.const 1)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
const SLOW_WAIT: &str =
    "(local.set $a (call $set-new)) (call $join (call $slow) (local.get $a)) (call $wait (local.get $a))";

fn callbacks() -> Vec<Specimen> {
    vec![
        trap("abi-callback-code", Template::task("(i32.const 15)")),
        trap("abi-callback-code-negative", Template::task("(i32.const -1)")),
        trap("abi-callback-waits-on-no-set", Template::task("(call $wait (i32.const 77))")),
        trap("abi-callback-waits-on-a-stream", Template::task("(call $wait (call $readable (call $stream-new)))")),
        trap("abi-callback-traps", Template::task("(i32.const 1)").fill("callback", "unreachable")),
    ]
}

fn waitables() -> Vec<Specimen> {
    vec![
        trap("abi-subtask-dropped-pending", task("(call $subtask-drop (call $slow))")),
        trap(
            "abi-subtask-cancelled-twice",
            task(
                "(local.set $a (call $slow)) (drop (call $subtask-cancel (local.get $a))) (drop (call $subtask-cancel (local.get $a)))",
            ),
        ),
        trap("abi-subtask-forged", task("(call $subtask-drop (i32.const 99))")),
        trap("abi-subtask-is-a-set", task("(call $subtask-drop (call $set-new))")),
        trap(
            "abi-set-dropped-in-use",
            task(
                "(local.set $a (call $set-new)) (call $join (call $slow) (local.get $a)) (call $set-drop (local.get $a))",
            ),
        ),
        trap("abi-set-joins-itself", task("(local.set $a (call $set-new)) (call $join (local.get $a) (local.get $a))")),
        trap(
            "abi-set-dropped-twice",
            task("(local.set $a (call $set-new)) (call $set-drop (local.get $a)) (call $set-drop (local.get $a))"),
        ),
        trap("abi-set-event-out-of-bounds", task("(drop (call $set-poll (call $set-new) (i32.const -4)))")),
        trap("abi-set-event-unaligned", task("(drop (call $set-poll (call $set-new) (i32.const 66)))")),
        trap("abi-set-forged", task("(drop (call $set-poll (i32.const 99) (i32.const 64)))")),
    ]
}

/// `body` on a fresh stream, whose ends are `$r` and `$w`.
fn with_stream(body: &str) -> Template {
    let ends = "(local $r i32) (local $w i32) (local.set $b (call $stream-new))
        (local.set $r (call $readable (local.get $b))) (local.set $w (call $writable (local.get $b)))";
    task(&format!("{ends} {body}"))
}

fn with_future(body: &str) -> Template {
    let ends = "(local $r i32) (local $w i32) (local.set $b (call $future-new))
        (local.set $r (call $readable (local.get $b))) (local.set $w (call $writable (local.get $b)))";
    task(&format!("{ends} {body}"))
}

fn streams() -> Vec<Specimen> {
    let read = "(drop (call $stream-read (local.get $r) (i32.const 64) (i32.const 8)))";
    let write = "(drop (call $stream-write (local.get $w) (i32.const 64) (i32.const 8)))";
    let promise = "(drop (call $future-write (local.get $w) (i32.const 64)))";
    let swapped = "(drop (call $stream-read (local.get $w) (i32.const 64) (i32.const 8)))";
    let far = "(drop (call $stream-read (local.get $r) (i32.const 64) (i32.const 0x20000)))";
    let huge = "(drop (call $stream-read (local.get $r) (i32.const 64) (i32.const -1)))";
    vec![
        trap("abi-stream-read-twice", with_stream(&read.repeat(2))),
        trap("abi-stream-written-twice", with_stream(&write.repeat(2))),
        trap("abi-stream-ends-swapped", with_stream(swapped)),
        trap("abi-stream-read-out-of-bounds", with_stream(far)),
        trap("abi-stream-read-huge", with_stream(huge)),
        trap("abi-stream-of-itself", with_stream(&format!("{read} {write}"))),
        trap("abi-stream-cancels-nothing", with_stream("(drop (call $stream-cancel-read (local.get $r)))")),
        trap("abi-stream-dropped-in-use", with_stream(&format!("{read} (call $stream-drop-readable (local.get $r))"))),
        trap("abi-stream-used-after-drop", with_stream(&format!("(call $stream-drop-readable (local.get $r)) {read}"))),
        trap("abi-future-promised-never", with_future("(call $future-drop-writable (local.get $w))")),
        trap("abi-future-promised-twice", with_future(&promise.repeat(2))),
        trap("abi-future-is-a-stream", with_future("(call $stream-drop-readable (local.get $r))")),
    ]
}

/// Parts of the component model that are off.
fn refused() -> Vec<Specimen> {
    let with = |name, definition: &'static str| {
        let text = include_str!("../../guests/zoo/plain.wat").to_owned();
        ABI.text(name, Template::from(text).fill("definitions", definition), ANY, "rejected:component-invalid")
    };
    let stackful = include_str!("../../guests/zoo/task.wat").replace("(callback (core func $guest \"callback\"))", "");
    vec![
        with("abi-error-context", "(core func (canon error-context.drop))"),
        with("abi-error-context-type", "(type (list error-context))"),
        with("abi-fixed-length-list", "(type (list u8 1000000000))"),
        with("abi-map", "(type (map string string))"),
        ABI.text("abi-stackful", Template::from(stackful), ANY, "rejected:component-invalid"),
    ]
}
