//! One guest for each limit: it ends in its own outcome, on record, and the server goes on.

use airlock_tests::{Harness, guests::WatGuest, reason, tokens::TokenSpec};
use tonic_types::StatusExt;

/// Runs a guest that must be stopped by `wanted`, and checks reason, facts and record.
async fn stops(harness: &Harness, name: &str, guest: &WatGuest, limits: &str, wanted: &str) {
    harness.deploy_wat(name, guest, limits).await;
    let status = harness.invoke(name, "null").await.expect_err("stopped");
    assert_eq!(reason(&status), wanted, "{name}: {status:?}");
    let last = harness.trail().await.pop().expect("a record");
    assert_eq!(last.event.reason.as_deref(), Some(wanted), "{name}");
    assert_eq!(last.event.function.as_deref(), Some(name));
    assert!(harness.is_serving().await, "{name}");
}

const ENDLESS: &str = "(loop $again (br $again)) (i32.const 0)";

#[tokio::test]
async fn an_endless_loop_stops_when_fuel_is_spent() {
    let harness = Harness::start().await;
    stops(&harness, "spin", &WatGuest::new(ENDLESS), "fuel = 50_000_000", "fuel_exhausted").await;
}

#[tokio::test]
async fn an_endless_loop_stops_at_its_deadline() {
    let harness = Harness::start().await;
    let began = std::time::Instant::now();
    stops(&harness, "spin", &WatGuest::new(ENDLESS), "wall_time_ms = 200", "time_exhausted").await;
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn growing_memory_stops_at_the_sum_of_all_memories() {
    let harness = Harness::start().await;
    let grow = WatGuest::new("(loop $again (drop (memory.grow (i32.const 16))) (br $again)) (i32.const 0)");
    stops(&harness, "grow", &grow, "memory_bytes = \"8MiB\"", "memory_exhausted").await;
    let born_large = WatGuest { pages: 200, ..WatGuest::new("(i32.const 0)") };
    stops(&harness, "large", &born_large, "memory_bytes = \"8MiB\"", "memory_exhausted").await;
}

#[tokio::test]
async fn growing_a_table_stops() {
    let harness = Harness::start().await;
    let grow =
        WatGuest::new("(loop $again (drop (table.grow $t (ref.null func) (i32.const 100))) (br $again)) (i32.const 0)");
    let grow = grow.fields("(table $t 1 funcref)");
    stops(&harness, "tables", &grow, "table_elements = 5_000", "table_elements_exhausted").await;
}

#[tokio::test]
async fn core_instances_are_counted() {
    let harness = Harness::start().await;
    let definitions = "(core module $more) ".to_owned() + &"(core instance (instantiate $more)) ".repeat(9);
    let many = WatGuest { definitions, ..WatGuest::returning("1") };
    stops(&harness, "many", &many, "instances = 8", "instances_exhausted").await;
    harness.deploy_wat("enough", &many, "instances = 10").await;
    assert!(harness.invoke("enough", "null").await.is_ok());
}

#[tokio::test]
async fn handles_alive_at_once_are_counted() {
    let harness = Harness::start().await;
    let endless = WatGuest {
        definitions: "(type $thing (resource (rep i32))) (core func $new (canon resource.new $thing))".to_owned(),
        arguments: r#"(with "host" (instance (export "new" (func $new))))"#.to_owned(),
        ..WatGuest::new("(loop $again (drop (call $new (i32.const 1))) (br $again)) (i32.const 0)")
    };
    let endless = endless.fields(r#"(import "host" "new" (func $new (param i32) (result i32)))"#);
    stops(&harness, "leak", &endless, "handles = 100", "handles_exhausted").await;
}

#[tokio::test]
async fn log_lines_beyond_log_bytes_are_dropped_and_the_call_goes_on() {
    let harness = Harness::start().await;
    harness.deploy_built("chatty").await;
    let few = TokenSpec::everything().limits("log_bytes = 40");
    let response = harness.invoke_as(&few, "chatty", r#"{"name":"Ada"}"#).await.expect("goes on");
    let used = response.usage.expect("usage").log_bytes;
    assert!(used > 0 && used <= 40, "{used}");
}

#[tokio::test]
async fn bytes_copied_in_host_calls_are_counted() {
    let harness = Harness::start().await;
    harness.deploy_built("sql-probe").await;
    let call = serde_json::json!({ "op": "query", "statement": "select ?1 as said", "params": ["x".repeat(2_000)] });
    let answer = harness.probe(&TokenSpec::everything().limits("host_bytes = 1_000"), &call.to_string()).await;
    assert_eq!(answer["error"]["limit"], "host_bytes", "{answer}");
    let answer = harness.probe(&TokenSpec::everything().limits("host_bytes = 10_000"), &call.to_string()).await;
    assert!(answer.get("error").is_none(), "{answer}");
}

#[tokio::test]
async fn a_result_larger_than_output_bytes_is_not_delivered() {
    let harness = Harness::start().await;
    let long = WatGuest::returning(&format!("\"{}\"", "x".repeat(4_000)));
    stops(&harness, "long", &long, "output_bytes = 1000", "output_too_large").await;
    harness.deploy_wat("short", &long, "output_bytes = 5000").await;
    assert!(harness.invoke("short", "null").await.is_ok());
}

#[tokio::test]
async fn a_result_that_is_no_json_is_the_guests_fault() {
    let harness = Harness::start().await;
    stops(&harness, "text", &WatGuest::returning("hello"), "", "output_malformed").await;
}

#[tokio::test]
async fn traps_and_broken_abi_are_guest_traps() {
    let harness = Harness::start().await;
    stops(&harness, "unreachable", &WatGuest::new("unreachable"), "", "guest_trap").await;
    stops(&harness, "bounds", &WatGuest::new("(i32.load (i32.const -4))"), "", "guest_trap").await;
    stops(&harness, "pointer", &WatGuest::new("(i32.const -8)"), "", "guest_trap").await;
    stops(&harness, "unaligned", &WatGuest::new("(i32.const 17)"), "", "guest_trap").await;
    let recursion = WatGuest::new("(call $down (local.get $pointer))")
        .fields("(func $down (param i32) (result i32) (i32.add (call $down (local.get 0)) (i32.const 1)))");
    stops(&harness, "recursion", &recursion, "", "guest_trap").await;
    let huge_string = "(i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 1024))
        (i32.store (i32.const 24) (i32.const 0x7fffffff)) (i32.const 16)";
    harness.deploy_wat("huge", &WatGuest::new(huge_string), "").await;
    let status = harness.invoke("huge", "null").await.expect_err("stopped");
    assert!(["guest_trap", "output_too_large"].contains(&reason(&status).as_str()), "{status:?}");
}

#[tokio::test]
async fn a_payload_over_its_cap_is_refused_before_anything_runs() {
    let harness = Harness::start().await;
    harness.deploy_wat("small", &WatGuest::returning("1"), "payload_bytes = 100").await;
    assert!(harness.invoke("small", &format!("\"{}\"", "x".repeat(98))).await.is_ok());
    let status = harness.invoke("small", &format!("\"{}\"", "x".repeat(99))).await.expect_err("refused");
    assert_eq!(reason(&status), "payload_too_large");
}

#[tokio::test]
async fn a_reached_limit_says_its_value_its_source_and_the_remedy() {
    let harness = Harness::start().await;
    harness.deploy_wat("spin", &WatGuest::new(ENDLESS), "fuel = 1000").await;
    let status = harness.invoke("spin", "null").await.expect_err("stopped");
    let facts = status.get_error_details().error_info().expect("facts").metadata.clone();
    assert_eq!(facts["limit"], "fuel");
    assert_eq!(facts["configured"], "1000");
    assert_eq!(facts["source"], "[limits] fuel (function.toml:4)");
    assert!(facts["hint"].contains("function.toml"), "{facts:?}");
}

#[tokio::test]
async fn a_token_can_only_tighten() {
    let harness = Harness::start().await;
    harness.deploy_wat("spin", &WatGuest::new(ENDLESS), "fuel = 1000").await;
    for (caps, configured, source) in [("fuel = 10", "10", "token"), ("fuel = 100_000", "1000", "function.toml")] {
        let status =
            harness.invoke_as(&TokenSpec::everything().limits(caps), "spin", "null").await.expect_err("stopped");
        let facts = status.get_error_details().error_info().expect("facts").metadata.clone();
        assert_eq!(facts["configured"], configured);
        assert!(facts["source"].contains(source), "{facts:?}");
    }
}

#[tokio::test]
async fn the_callers_deadline_is_a_limit() {
    let harness = Harness::start().await;
    harness.deploy_wat("spin", &WatGuest::new(ENDLESS), "").await;
    // By hand: tonic's client would cut the call itself at the same moment.
    let token = harness.token(&TokenSpec::everything());
    let body = r#"{"function":"spin","environment":"dev","payload":null}"#;
    let headers = [("authorization", format!("Bearer {token}")), ("grpc-timeout", "150m".to_owned())];
    let path = "/airlock.v1.InvocationService/Invoke";
    let (status, answer) = airlock_tests::http_post(harness.server().data_addr(), path, &headers, body).await;
    assert_eq!(status, 504, "{answer}");
    assert!(answer.contains("time_exhausted") && answer.contains("the caller's own deadline"), "{answer}");
}

#[tokio::test]
async fn a_tenant_has_only_so_many_calls_in_flight() {
    let more_config = "[limits.tenant.crowded]\nin_flight = 2\n".to_owned();
    let harness = Harness::start_with(airlock_tests::Options { more_config }).await;
    harness.deploy_wat("spin", &WatGuest::new(ENDLESS), "wall_time_ms = 1500").await;
    let crowded = TokenSpec::everything().tenant("crowded");
    let calls: Vec<_> = (0..4).map(|_| harness.invoke_as(&crowded, "spin", "null")).collect();
    let mut reasons = Vec::new();
    for ended in futures_join(calls).await {
        reasons.push(reason(&ended.expect_err("stopped or refused")));
    }
    reasons.sort();
    assert_eq!(reasons, ["tenant_busy", "tenant_busy", "time_exhausted", "time_exhausted"]);
    let after = harness.invoke_as(&crowded, "spin", "null").await.expect_err("stopped");
    assert_eq!(reason(&after), "time_exhausted", "the slots come back");
}

async fn futures_join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut pinned {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    pinned.into_iter().map(|(_, output)| output.expect("finished")).collect()
}

#[tokio::test]
async fn a_promise_that_never_resolves_is_the_guests_fault() {
    let harness = Harness::start().await;
    harness.deploy_built("stuck").await;
    let status = harness.invoke("stuck", "{}").await.expect_err("stopped");
    assert_eq!(reason(&status), "guest_trap", "{status:?}");
    assert!(harness.is_serving().await);
}
