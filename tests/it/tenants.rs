//! Tenants beside each other: nothing is left behind for the next one, and nobody can hold what belongs to all.

use std::{sync::Arc, time::Duration};

use airlock_model::AuditKind;
use airlock_proto::v1::{InvokeResponse, ReloadRequest};
use airlock_tests::{
    Harness, Options,
    guests::WatGuest,
    output, reason,
    tokens::TokenSpec,
    with_token,
    zoo::{
        specimens,
        tenants::{canary_reader, canary_writer, instance_hog},
    },
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
};
use tonic::Status;

const CANARY_INPUT: &str = r#""CANARY CANARY CANARY CANARY CANARY CANARY CANARY CANARY CANARY CANARY""#;
/// Alternations of writer and reader, unless `AIRLOCK_CANARY_RUNS` says another number.
const CANARY_RUNS: u32 = 300;
/// Memories that one call can have, by size of the pool: with so many it takes every slot there is, and no run can miss
/// what the run before left.
const MEMORIES: [usize; 2] = [8, 2];

#[expect(clippy::disallowed_methods, reason = "a knob of this test, which no server reads")]
fn canary_runs() -> u32 {
    std::env::var("AIRLOCK_CANARY_RUNS").ok().map_or(CANARY_RUNS, |runs| runs.parse().expect("a number"))
}

async fn start(instances_max: u32, more: &str) -> Arc<Harness> {
    let more_config = format!("[sandbox]\ninstances_max = {instances_max}\n{more}");
    Arc::new(Harness::start_with(Options { more_config }).await)
}

#[tokio::test]
async fn nothing_of_one_tenant_is_found_by_the_next_in_the_same_slots() {
    let harness = start(1, "").await;
    let (writer, reader) = (TokenSpec::everything().tenant("writer"), TokenSpec::everything().tenant("reader"));
    let fits = |memories: usize| {
        let harness = Arc::clone(&harness);
        async move {
            let manifest = |name: &str| format!("name = \"{name}\"\nlanguage = \"component\"\n");
            let writes = harness.deploy(&manifest("writer"), canary_writer(memories).component()).await;
            let reads = harness.deploy(&manifest("reader"), canary_reader(memories).component()).await;
            writes.is_ok() && reads.is_ok() && harness.invoke("reader", "null").await.is_ok()
        }
    };
    let mut taken = None;
    for memories in MEMORIES {
        if taken.is_none() && fits(memories).await {
            taken = Some(memories);
        }
    }
    assert!(taken.is_some(), "no guest takes the whole pool");
    for run in 0..canary_runs() {
        let left = harness.invoke_as(&writer, "writer", CANARY_INPUT).await.expect("the writer returns");
        assert!(output(&left).as_u64().expect("a count") > 1_000, "the writer finds its own canaries: {left:?}");
        let found = harness.invoke_as(&reader, "reader", "null").await.expect("the reader returns");
        assert_eq!(output(&found), json!(0), "run {run}: something was left behind");
    }
}

/// Calls `function` so often at once and gives the reasons of those that did not return, sorted.
async fn at_once(harness: &Arc<Harness>, spec: &TokenSpec, function: &'static str, count: usize) -> Vec<String> {
    let mut calls: JoinSet<Result<InvokeResponse, Status>> = JoinSet::new();
    for _ in 0..count {
        let (harness, spec) = (Arc::clone(harness), spec.clone());
        calls.spawn(async move { harness.invoke_as(&spec, function, "null").await });
    }
    let mut reasons: Vec<_> =
        calls.join_all().await.into_iter().filter_map(|ended| Some(reason(&ended.err()?))).collect();
    reasons.sort();
    reasons
}

/// Calls `one` as another tenant until `hostile` has ended; every call must return.
async fn beside<T: Send + 'static>(
    harness: &Arc<Harness>,
    hostile: impl Future<Output = T> + Send + 'static,
) -> (T, u32) {
    let neighbour = TokenSpec::everything().tenant("neighbour");
    let hostile = tokio::spawn(hostile);
    let mut calls = 0;
    while !hostile.is_finished() {
        let answer = harness.invoke_as(&neighbour, "one", "null").await;
        assert_eq!(output(&answer.unwrap_or_else(|status| panic!("call {calls}: {status:?}"))), json!(1));
        calls += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (hostile.await.expect("the hostile calls end"), calls)
}

async fn deploy_sleeper(harness: &Harness) {
    let sleeper = specimens().into_iter().find(|specimen| specimen.name == "sleep-forever").expect("a sleeper");
    let manifest = "name = \"sleeper\"\nlanguage = \"component\"\n[limits]\nwall_time_ms = 1500\n";
    harness.deploy(manifest, (sleeper.component)()).await.expect("deployed");
}

#[tokio::test]
async fn more_sleepers_than_the_pool_has_places_are_refused_by_name() {
    let harness = start(4, "").await;
    deploy_sleeper(&harness).await;
    let ends = at_once(&harness, &TokenSpec::everything().tenant("hog"), "sleeper", 10).await;
    let slept = ends.iter().filter(|end| *end == "time_exhausted").count();
    assert_eq!(ends.len(), 10, "{ends:?}");
    assert!((1..=4).contains(&slept), "{ends:?}");
    assert!(ends.iter().all(|end| ["time_exhausted", "overloaded", "tenant_busy"].contains(&end.as_str())), "{ends:?}");
    // The places come back.
    let after = at_once(&harness, &TokenSpec::everything().tenant("hog"), "sleeper", 4).await;
    assert_eq!(after, ["time_exhausted"; 4]);
}

#[tokio::test]
async fn a_tenant_within_its_limit_leaves_places_for_its_neighbour() {
    let harness = start(4, "[limits.tenant.hog]\nin_flight = 2\n").await;
    deploy_sleeper(&harness).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let hog = Arc::clone(&harness);
    let hostile = async move { at_once(&hog, &TokenSpec::everything().tenant("hog"), "sleeper", 10).await };
    let (ends, calls) = beside(&harness, hostile).await;
    assert!(calls >= 5, "{calls}");
    assert_eq!(ends.iter().filter(|end| *end == "time_exhausted").count(), 2, "{ends:?}");
    assert_eq!(ends.iter().filter(|end| *end == "tenant_busy").count(), 8, "{ends:?}");
}

#[tokio::test]
async fn a_hog_of_core_instances_leaves_room_for_its_neighbour() {
    let harness = start(4, "").await;
    harness.deploy_wat("hog", &instance_hog(), "wall_time_ms = 1000").await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let hog = Arc::clone(&harness);
    let hostile = async move { at_once(&hog, &TokenSpec::everything().tenant("hog"), "hog", 3).await };
    let (ends, calls) = beside(&harness, hostile).await;
    assert_eq!(ends, ["time_exhausted"; 3]);
    assert!(calls >= 1);
}

#[tokio::test]
async fn five_hundred_crashes_harm_nobody() {
    let harness = start(16, "").await;
    harness.deploy_wat("crash", &WatGuest::new("unreachable"), "").await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let crashing = Arc::clone(&harness);
    let hostile = async move {
        let mut ends = Vec::new();
        for _ in 0..50 {
            ends.extend(at_once(&crashing, &TokenSpec::everything().tenant("crasher"), "crash", 10).await);
        }
        ends
    };
    let (ends, calls) = beside(&harness, hostile).await;
    assert_eq!(ends.len(), 500);
    assert!(ends.iter().all(|end| end == "guest_trap"), "{ends:?}");
    assert!(calls > 0);
    assert_eq!(harness.server().counters().panics, 0);
}

#[tokio::test]
async fn thirty_deploys_fail_no_call() {
    let harness = start(16, "").await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness.deploy_wat("changing", &WatGuest::returning("0"), "").await;
    let (deploying, calling) = (Arc::clone(&harness), Arc::clone(&harness));
    let deploys = async move {
        for number in 1..=30 {
            deploying.deploy_wat("changing", &WatGuest::returning(&number.to_string()), "").await;
        }
    };
    let hostile = async move {
        let deploys = tokio::spawn(deploys);
        let mut last = 0;
        while !deploys.is_finished() {
            let answer = calling.invoke("changing", "null").await.expect("some revision is always live");
            let number = output(&answer).as_u64().expect("its number");
            assert!(number >= last, "revision {number} after {last}");
            last = number;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        deploys.await.expect("all are deployed");
    };
    let ((), calls) = beside(&harness, hostile).await;
    assert!(calls > 0);
    assert_eq!(output(&harness.invoke("changing", "null").await.expect("the last one")), json!(30));
}

#[tokio::test]
async fn an_answer_beyond_what_a_tenant_may_leave_unread_is_dropped_and_on_record() {
    let harness = Harness::start().await;
    harness.deploy_wat("small", &WatGuest::returning("1"), "").await;
    harness.deploy_wat("large", &WatGuest::returning(&format!("\"{}\"", "x".repeat(20_000))), "").await;
    harness.set_config(&format!("{}[admission]\nheld_bytes_max_per_tenant = \"1KiB\"\n", harness.config()));
    let reload = with_token(ReloadRequest { environment: "dev".to_owned() }, &harness.token(&TokenSpec::operator()));
    harness.operator().reload(reload).await.expect("the smaller share is in force");
    let status = harness.invoke("large", "null").await.expect_err("dropped");
    assert_eq!(reason(&status), "tenant_busy");
    assert!(status.message().starts_with("the function ran, but its answer of 20002 bytes"), "{status:?}");
    assert!(status.metadata().contains_key("airlock-invocation-id"), "{status:?}");
    let trail = harness.trail().await;
    assert_eq!(trail.last().and_then(|record| record.event.reason.as_deref()), Some("tenant_busy"));
    harness.invoke("small", "null").await.expect("nothing of the large answer is still counted");
}

/// A token that may not deploy cannot make the server read an upload: it is refused by the headers alone.
#[expect(clippy::disallowed_methods, reason = "a client of our own server that sends no body")]
#[tokio::test]
async fn an_upload_is_not_read_for_a_token_without_the_scope() {
    let harness = Harness::start().await;
    let length = 40 << 20;
    let refused = async |spec: TokenSpec, address, path: &str| {
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
        let token = harness.token(&spec);
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             authorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer, although the body never comes");
        answer
    };
    let control = harness.server().control_addr();
    let answer = refused(TokenSpec::everything(), control, "/airlock.v1.FunctionService/Deploy").await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("function:deploy"), "{answer}");
    let data = harness.server().data_addr();
    let answer = refused(TokenSpec::control().for_functions(&[]), data, "/airlock.v1.InvocationService/Invoke").await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("any function"), "{answer}");
    // Any call that is on record comes after what was recorded before it.
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let kinds: Vec<_> = harness.trail().await.iter().map(|record| record.event.kind).collect();
    let expected = [AuditKind::ControlRefused, AuditKind::InvocationRefused];
    assert!(kinds.windows(2).any(|pair| pair == expected), "{kinds:?}");
}
