//! One test for each setting of the engine that a guest can feel: it fails when the setting is removed.
//!
//! What no guest can feel (stack sizes, pool totals, capacities) is tested beside it, in `airlock-sandbox`.

use std::time::{Duration, Instant};

use airlock_sandbox::{Engine, EngineOptions, LoadError, Program};
use airlock_tests::{Harness, guests::WatGuest, reason};

/// A guest that does `body` and returns `1`.
fn guest(body: &str) -> WatGuest {
    let usual = WatGuest::returning("1");
    // Fuel that is overspent is noticed where the next function begins.
    let fields = format!("{} (func $check)", usual.fields);
    WatGuest { handle: format!("{body} (call $check) {}", usual.handle), fields, ..usual }
}

/// The same with host functions: `definitions` make the core instance `$host`, `imports` import from it.
fn host_guest(definitions: &str, imports: &str, body: &str) -> WatGuest {
    let usual = guest(body);
    WatGuest {
        definitions: format!("{LIBC} {definitions}"),
        fields: format!("{imports} {}", usual.fields),
        arguments: r#"(with "host" (instance $host))"#.to_owned(),
        ..usual
    }
}

const LIBC: &str = r#"(core module $libc (memory (export "memory") 200)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
    (core instance $libc (instantiate $libc))
    (alias core export $libc "memory" (core memory $memory))
    (alias core export $libc "realloc" (core func $realloc))"#;

/// `returned`, or why not.
async fn ended(harness: &Harness, name: &str, guest: &WatGuest, limits: &str) -> String {
    harness.deploy_wat(name, guest, limits).await;
    harness.invoke(name, "null").await.map_or_else(|status| reason(&status), |_| "returned".to_owned())
}

#[test]
fn the_engine_takes_the_features_that_analysis_takes() {
    let accepted: Vec<_> = airlock_analysis::features().iter_names().map(|(name, _)| name).collect();
    let engine = Engine::new(EngineOptions { instances_max: 1, ..EngineOptions::default() }).unwrap();
    assert_eq!(engine.features(), accepted);
}

#[tokio::test]
async fn growing_memory_costs_fuel_by_the_page() {
    let harness = Harness::start().await;
    let grow = guest("(drop (memory.grow (i32.const 50)))");
    assert_eq!(ended(&harness, "one", &grow, "fuel = 5_000").await, "fuel_exhausted");
    assert_eq!(ended(&harness, "two", &grow, "fuel = 6_000").await, "returned");
    let nothing = guest(&"(drop (memory.grow (i32.const 0)))".repeat(50));
    assert_eq!(ended(&harness, "three", &nothing, "fuel = 9_000").await, "fuel_exhausted");
    assert_eq!(ended(&harness, "four", &nothing, "fuel = 12_000").await, "returned");
}

#[tokio::test]
async fn calls_and_bulk_operators_cost_more_than_one() {
    let harness = Harness::start().await;
    let calls = guest(&"(call $f)".repeat(100));
    let calls = WatGuest { fields: format!("{} (func $f)", calls.fields), ..calls };
    assert_eq!(ended(&harness, "one", &calls, "fuel = 900").await, "fuel_exhausted");
    assert_eq!(ended(&harness, "two", &calls, "fuel = 2_000").await, "returned");
    let fills = guest(&"(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))".repeat(100));
    assert_eq!(ended(&harness, "three", &fills, "fuel = 4_000").await, "fuel_exhausted");
    assert_eq!(ended(&harness, "four", &fills, "fuel = 6_000").await, "returned");
}

/// `length` bytes for one log line.
fn logs(length: u32) -> WatGuest {
    let definitions = r#"(import "airlock:guest/log@1.0.0" (instance $log
        (type $level' (enum "trace" "debug" "info" "warn" "error"))
        (export "level" (type $level (eq $level')))
        (export "write" (func (param "level" $level) (param "message" string) (param "fields" string)))))
      (core func $write (canon lower (func $log "write") (memory $memory)))
      (core instance $host (export "write" (func $write)))"#;
    let imports = r#"(import "host" "write" (func $write (param i32 i32 i32 i32 i32)))"#;
    let body = format!("(call $write (i32.const 2) (i32.const 0) (i32.const {length}) (i32.const 0) (i32.const 0))");
    host_guest(definitions, imports, &body)
}

#[tokio::test]
async fn one_host_call_copies_at_most_eight_mebibytes() {
    let harness = Harness::start().await;
    assert_eq!(ended(&harness, "one", &logs((8 << 20) + 1), "").await, "host_bytes_exhausted");
    assert_eq!(ended(&harness, "two", &logs(7 << 20), "").await, "returned");
}

/// `calls` times so many random bytes.
fn randomness(length: u64, calls: usize) -> WatGuest {
    let definitions = r#"(import "wasi:random/random@0.2.3" (instance $random
        (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
      (core func $bytes (canon lower (func $random "get-random-bytes") (memory $memory) (realloc $realloc)))
      (core instance $host (export "bytes" (func $bytes)))"#;
    let imports = r#"(import "host" "bytes" (func $bytes (param i64 i32)))"#;
    host_guest(definitions, imports, &format!("(call $bytes (i64.const {length}) (i32.const 8))").repeat(calls))
}

#[tokio::test]
async fn randomness_is_capped_and_paid_for() {
    let harness = Harness::start().await;
    assert_eq!(ended(&harness, "one", &randomness(65_536, 1), "").await, "returned");
    assert_eq!(ended(&harness, "two", &randomness(65_537, 1), "").await, "guest_trap");
    assert_eq!(ended(&harness, "three", &randomness(65_536, 10), "fuel = 600_000").await, "fuel_exhausted");
    assert_eq!(ended(&harness, "four", &randomness(65_536, 10), "fuel = 800_000").await, "returned");
}

#[tokio::test]
async fn clocks_are_coarse() {
    let definitions = r#"(import "wasi:clocks/monotonic-clock@0.3.0" (instance $clock
        (export "now" (func (result u64))) (export "get-resolution" (func (result u64)))))
      (core func $now (canon lower (func $clock "now")))
      (core func $resolution (canon lower (func $clock "get-resolution")))
      (core instance $host (export "now" (func $now)) (export "resolution" (func $resolution)))"#;
    let imports = r#"(import "host" "now" (func $now (result i64))) (import "host" "resolution" (func $resolution (result i64)))"#;
    let whole = "(if (i64.ne (i64.rem_u (call $now) (i64.const 1000000)) (i64.const 0)) (then unreachable))";
    let told = "(if (i64.ne (call $resolution) (i64.const 1000000)) (then unreachable))";
    let harness = Harness::start().await;
    let clock = host_guest(definitions, imports, &format!("{} {told}", whole.repeat(20)));
    assert_eq!(ended(&harness, "clock", &clock, "").await, "returned");
}

#[tokio::test]
async fn a_slot_of_the_pool_has_bounds_and_the_answer_names_them() {
    let harness = Harness::start().await;
    let often = |fields: &str, count: usize| WatGuest {
        definitions: format!("(core module $m {fields}) {}", "(core instance (instantiate $m))".repeat(count)),
        ..WatGuest::returning("1")
    };
    let table = |elements: u32| {
        WatGuest::returning("1").fields(&format!("(table {elements} funcref) (data (i32.const 1024) \"1\")"))
    };
    let cases = [
        ("instances", often("", 64), "64"),
        ("memories", often("(memory 1)", 8), "8"),
        ("tables", often("(table 1 funcref)", 9), "8"),
        ("elements", table(20_001), "20000"),
        ("bytes", WatGuest { pages: 16_385, ..WatGuest::returning("1") }, "0x40000000"),
    ];
    for (name, guest, bound) in cases {
        let manifest = format!("name = \"{name}\"\nlanguage = \"component\"\n");
        let status = harness.deploy(&manifest, guest.component()).await.expect_err("refused");
        assert_eq!(reason(&status), "component_rejected", "{name}");
        assert!(status.message().contains(bound), "{name}: {}", status.message());
    }
    assert_eq!(ended(&harness, "instances-allowed", &often("", 63), "").await, "returned");
    assert_eq!(ended(&harness, "memories-allowed", &often("(memory 1)", 7), "").await, "returned");
    assert_eq!(ended(&harness, "tables-allowed", &often("(table 1 funcref)", 8), "").await, "returned");
    assert_eq!(ended(&harness, "elements-allowed", &table(20_000), "").await, "returned");
}

#[tokio::test]
async fn a_guest_that_never_waits_leaves_the_thread_to_others() {
    let harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let spin = WatGuest::new("(loop $again (br $again)) (i32.const 0)");
    harness.deploy_wat("spin", &spin, "wall_time_ms = 8_000").await;
    let spins = async {
        let began = Instant::now();
        (harness.invoke("spin", "null").await, began.elapsed())
    };
    let neighbours = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        for _ in 0..10 {
            harness.invoke("one", "null").await.expect("answers");
        }
        began.elapsed()
    };
    let ((stopped, took), beside) = tokio::join!(spins, neighbours);
    assert_eq!(reason(&stopped.expect_err("stopped")), "time_exhausted");
    assert!(took < Duration::from_secs(16), "{took:?}");
    assert!(beside < Duration::from_secs(7), "ten calls beside a spinning guest took {beside:?}");
}

/// Links a guest with one more import.
fn linked(import: &str) -> Result<(), LoadError> {
    let engine = Engine::new(EngineOptions { instances_max: 1, ..EngineOptions::default() }).unwrap();
    let guest = WatGuest { definitions: import.to_owned(), ..WatGuest::returning("1") };
    Program::compile_in_process(&engine, &guest.component()).map(drop)
}

/// A resource type can only be imported where the host defines it, which tells what a linker holds.
#[test]
fn the_linker_offers_our_interfaces_and_the_wasi_subset_and_nothing_else() {
    let resource = |interface: &str, name: &str| {
        linked(&format!(r#"(import "{interface}" (instance (export "{name}" (type (sub resource)))))"#))
    };
    for (interface, name) in [
        ("wasi:io/poll@0.2.12", "pollable"),
        ("wasi:io/error@0.2.12", "error"),
        ("wasi:io/streams@0.2.12", "output-stream"),
        ("wasi:cli/terminal-output@0.2.12", "terminal-output"),
    ] {
        assert!(resource(interface, name).is_ok(), "{interface} is offered");
    }
    for (interface, name) in [
        ("wasi:filesystem/types@0.2.12", "descriptor"),
        ("wasi:filesystem/types@0.3.0", "descriptor"),
        ("wasi:sockets/network@0.2.12", "network"),
        ("wasi:sockets/tcp@0.2.12", "tcp-socket"),
        ("wasi:sockets/udp@0.2.12", "udp-socket"),
        ("wasi:sockets/types@0.3.0", "tcp-socket"),
        ("wasi:http/types@0.2.12", "fields"),
        ("wasi:http/types@0.3.0", "fields"),
        ("wasi:keyvalue/store@0.2.0", "bucket"),
        ("wasi:nn/graph@0.2.0", "graph"),
        ("wasi:tls/types@0.2.0", "client-connection"),
    ] {
        assert!(matches!(resource(interface, name), Err(LoadError::Mismatch(_))), "{interface} is not offered");
    }
    for name in ["airlock:guest/handler@1.0.0", "airlock:guest/log@2.0.0", "airlock:host/anything@1.0.0", "env"] {
        let import = format!(r#"(import "{name}" (instance (export "f" (func))))"#).replace("\"env\"", "\"env-x\"");
        assert!(matches!(linked(&import), Err(LoadError::Import(_))), "{name} is not offered");
    }
}
