//! Host calls, Airlock's own and those of WASI, as no toolchain would make them: written as WAT.

use super::{Group, Specimen};
use crate::guests::WatGuest;

const POLL: &str = r#"
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))
    (export "[method]pollable.ready" (func (param "self" (borrow $pollable)) (result bool)))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $theirs))
    (export "pollable" (type $own (eq $theirs)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $own))))))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $ready (canon lower (func $poll "[method]pollable.ready")))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))"#;

const POLL_ARGUMENTS: &str = r#"(with "host" (instance
    (export "block" (func $block)) (export "ready" (func $ready)) (export "subscribe" (func $subscribe))))"#;

const POLL_FIELDS: &str = r#"
  (import "host" "block" (func $block (param i32)))
  (import "host" "ready" (func $ready (param i32) (result i32)))
  (import "host" "subscribe" (func $subscribe (param i64) (result i32)))"#;

/// A guest with clocks and pollables.
fn polling(handle: &str) -> WatGuest {
    WatGuest { definitions: POLL.to_owned(), arguments: POLL_ARGUMENTS.to_owned(), ..WatGuest::new(handle) }
        .fields(POLL_FIELDS)
}

/// A guest that waits with the clock of WASI 0.3.
fn waiting() -> WatGuest {
    let definitions = r#"
      (import "wasi:clocks/monotonic-clock@0.3.0" (instance $clock
        (export "wait-for" (func async (param "how-long" u64)))))
      (core func $call (canon lower (func $clock "wait-for")))"#;
    calling(definitions, "(param i64)", "(call $call (i64.const -1)) (i32.const 0)")
}

/// A memory before the guest: what is lowered needs one. Its allocator gives the same place every time.
fn room(pages: u32) -> String {
    format!(
        r#"
  (core module $room (memory (export "memory") {pages})
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192)))
  (core instance $room (instantiate $room))"#
    )
}

/// A guest whose one import is `call`, a core function of these parameters, and which runs `handle`.
fn calling(definitions: &str, parameters: &str, handle: &str) -> WatGuest {
    WatGuest {
        definitions: definitions.to_owned(),
        arguments: r#"(with "host" (instance (export "call" (func $call))))"#.to_owned(),
        ..WatGuest::new(handle)
    }
    .fields(&format!(r#"(import "host" "call" (func $call {parameters}))"#))
}

/// A guest that writes one log line of `bytes` bytes out of a memory of `pages` pages.
fn logging(pages: u32, bytes: u32) -> WatGuest {
    let definitions = format!(
        r#"{room}
      (import "airlock:guest/log@1.0.0" (instance $log
        (type $levels (enum "trace" "debug" "info" "warn" "error"))
        (export "level" (type $level (eq $levels)))
        (export "write" (func (param "level" $level) (param "message" string) (param "fields" string)))))
      (core func $call (canon lower (func $log "write") (memory (core memory $room "memory"))))"#,
        room = room(pages)
    );
    let handle = format!(
        "(call $call (i32.const 2) (i32.const 0) (i32.const {bytes}) (i32.const 0) (i32.const 0)) (i32.const 0)"
    );
    calling(&definitions, "(param i32 i32 i32 i32 i32)", &handle)
}

/// A guest that asks who it is, for ever.
fn asking() -> WatGuest {
    let definitions = format!(
        r#"{room}
      (import "airlock:guest/context@1.0.0" (instance $context
        (type $facts (record (field "id" string) (field "function" string) (field "revision" string)
          (field "environment" string) (field "tenant" string) (field "principal" string)
          (field "deadline-unix-ms" f64)))
        (export "invocation" (type $invocation (eq $facts)))
        (export "current" (func (result $invocation)))))
      (core func $call (canon lower (func $context "current")
        (memory (core memory $room "memory")) (realloc (core func $room "realloc"))))"#,
        room = room(2)
    );
    calling(&definitions, "(param i32)", "(loop $again (call $call (i32.const 16)) (br $again)) (i32.const 0)")
}

/// A guest that asks for the time, for ever.
fn clock_watching() -> WatGuest {
    let definitions = r#"
      (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
      (core func $call (canon lower (func $clock "now")))"#;
    calling(definitions, "(result i64)", "(loop $again (drop (call $call)) (br $again)) (i32.const 0)")
}

/// A guest that asks for random bytes.
fn random(interface: &str, function: &str, bytes: u64, forever: bool) -> WatGuest {
    let definitions = format!(
        r#"{room}
      (import "wasi:random/{interface}@0.2.0" (instance $random
        (export "{function}" (func (param "len" u64) (result (list u8))))))
      (core func $call (canon lower (func $random "{function}")
        (memory (core memory $room "memory")) (realloc (core func $room "realloc"))))"#,
        room = room(2)
    );
    let again = if forever { "(br $again)" } else { "" };
    let handle = format!("(loop $again (call $call (i64.const {bytes}) (i32.const 16)) {again}) (i32.const 0)");
    calling(&definitions, "(param i64 i32)", &handle)
}

/// A guest that writes to standard output for ever, `bytes` at a time, whatever it is told.
fn printing(method: &str, bytes: u32) -> WatGuest {
    printing_out_of(&room(80), method, bytes, "(br $again)")
}

/// Fills standard output with nothing but ends of lines, and returns.
fn printing_lines() -> WatGuest {
    let lines = "\\0a".repeat(4_096);
    let room = room(2).replacen("(func ", &format!("(data (i32.const 1024) \"{lines}\") (func "), 1);
    let again =
        "(br_if $again (i32.ne (local.tee $writes (i32.add (local.get $writes) (i32.const 1))) (i32.const 64)))";
    printing_out_of(&room, "blocking-write-and-flush", 4_096, again)
}

/// Writes what stands at 1024; `again` decides whether it does so once more. Returns `1`.
fn printing_out_of(room: &str, method: &str, bytes: u32, again: &str) -> WatGuest {
    let definitions = format!(
        r#"{room}
      (import "wasi:io/error@0.2.0" (instance $errors (export "error" (type (sub resource)))))
      (alias export $errors "error" (type $error-resource))
      (import "wasi:io/streams@0.2.0" (instance $streams
        (alias outer 1 $error-resource (type $theirs))
        (export "error" (type $own-error (eq $theirs)))
        (type $failed (variant (case "last-operation-failed" (own $own-error)) (case "closed")))
        (export "stream-error" (type $stream-error (eq $failed)))
        (export "output-stream" (type $output (sub resource)))
        (export "[method]output-stream.{method}"
          (func (param "self" (borrow $output)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
      (alias export $streams "output-stream" (type $stream))
      (import "wasi:cli/stdout@0.2.0" (instance $stdout
        (alias outer 1 $stream (type $theirs))
        (export "output-stream" (type $own (eq $theirs)))
        (export "get-stdout" (func (result (own $own))))))
      (core func $open (canon lower (func $stdout "get-stdout")))
      (core func $write (canon lower (func $streams "[method]output-stream.{method}")
        (memory (core memory $room "memory"))))"#
    );
    let handle = format!(
        "(local $out i32) (local $writes i32) (local.set $out (call $open))
         (loop $again (call $write (local.get $out) (i32.const 1024) (i32.const {bytes}) (i32.const 16)) {again})
         (i32.store8 (i32.const 32) (i32.const 0)) (i32.store (i32.const 36) (i32.const 48))
         (i32.store (i32.const 40) (i32.const 1)) (i32.store8 (i32.const 48) (i32.const 49)) (i32.const 32)"
    );
    WatGuest {
        definitions,
        arguments: r#"(with "host" (instance (export "open" (func $open)) (export "write" (func $write))))"#.to_owned(),
        ..WatGuest::new(&handle)
    }
    .fields(
        r#"(import "host" "open" (func $open (result i32)))
           (import "host" "write" (func $write (param i32 i32 i32 i32)))"#,
    )
}

/// A guest that ends its process.
fn leaving() -> WatGuest {
    let definitions = r#"
      (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
      (core func $call (canon lower (func $exit "exit")))"#;
    calling(definitions, "(param i32)", "(call $call (i32.const 0)) (i32.const 0)")
}

const HALF_A_SECOND: &str = "[limits]\nwall_time_ms = 500\n";

pub(super) fn specimens() -> Vec<Specimen> {
    let specimen = |name, guest: WatGuest, expected| Specimen {
        name,
        group: Group::HostCalls,
        component: Box::new(move || guest.component()),
        manifest: HALF_A_SECOND,
        payload: "null",
        expected,
    };
    let hour = "(call $subscribe (i64.const 3600000000000))";
    vec![
        specimen("sleep-forever", polling(&format!("(call $block {hour}) (i32.const 0)")), "time_exhausted"),
        specimen(
            "sleep-centuries",
            polling("(call $block (call $subscribe (i64.const -1))) (i32.const 0)"),
            "time_exhausted",
        ),
        specimen("sleep-forever-async", waiting(), "time_exhausted"),
        specimen(
            "busy-poll",
            polling(&format!(
                "(local $timer i32) (local.set $timer {hour})
                 (loop $again (br_if $again (i32.eqz (call $ready (local.get $timer))))) (i32.const 0)"
            )),
            "time_exhausted",
        ),
        specimen(
            "many-timers",
            polling(&format!("(loop $again (drop {hour}) (br $again)) (i32.const 0)")),
            "handles_exhausted",
        ),
        specimen("random-1-gib", random("random", "get-random-bytes", 1 << 30, false), "guest_trap"),
        specimen("random-all", random("random", "get-random-bytes", u64::MAX, false), "fuel_exhausted"),
        specimen(
            "insecure-random-1-gib",
            random("insecure", "get-insecure-random-bytes", 1 << 30, false),
            "guest_trap",
        ),
        specimen("random-flood", random("random", "get-random-bytes", 65_536, true), "time_exhausted"),
        specimen("clock-flood", clock_watching(), "time_exhausted"),
        specimen("context-flood", asking(), "time_exhausted"),
        specimen("stdout-flood", printing("blocking-write-and-flush", 4_096), "time_exhausted"),
        Specimen { manifest: "", ..specimen("stdout-lines", printing_lines(), "returned") },
        Specimen { manifest: "", ..specimen("stdout-flood-4-mib", printing("write", 4_190_000), "guest_trap") },
        specimen("stdout-write-64-kib", printing("blocking-write-and-flush", 65_536), "guest_trap"),
        specimen("argument-64-mib", logging(1_021, 1_021 << 16), "host_bytes_exhausted"),
        specimen("argument-1-gib", logging(2, 1 << 30), "guest_trap"),
        specimen("exit", leaving(), "guest_trap"),
    ]
}
