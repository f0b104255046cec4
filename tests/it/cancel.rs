//! A call that is not wanted any more: guest stopped, host calls dropped, permits and connections back, all on record.

mod fuzz;

use std::time::{Duration, Instant};

use airlock_model::AuditKind;
use airlock_proto::v1::{
    CancelRequest, InvokeRequest, InvokeStreamRequest, InvokeStreamResponse, cancel_request::Call,
};
use airlock_service::AuditRecord;
use airlock_tests::{Harness, guests::WatGuest, reason, tokens::TokenSpec, with_token};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};
use tokio_stream::StreamExt;
use tonic::{Status, Streaming};

const ENDLESS: &str = "(loop $again (br $again)) (i32.const 0)";
const ENDLESS_SQL: &str = r#"{"op":"query","statement":"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"}"#;
const SLOW_HTTP: &str = r#"{"op":"http","method":"GET","path":"/slow"}"#;
/// Well below the 10 s after which everything would end by itself.
const SOON: Duration = Duration::from_secs(5);

/// What a call waits in, with function and payload.
const WAITS: [(&str, &str, &str); 3] =
    [("guest", "spin", "null"), ("sql", "sql-probe", ENDLESS_SQL), ("http", "sql-probe", SLOW_HTTP)];

async fn house() -> Harness {
    let harness = Harness::start().await;
    harness.deploy_wat("spin", &WatGuest::new(ENDLESS), "").await;
    harness.deploy_built("sql-probe").await;
    harness
}

/// Begins a call and waits until it does what it waits in: its id and its events.
async fn begin(
    harness: &Harness,
    (what, function, payload): (&str, &str, &str),
    request_id: &str,
) -> (String, Streaming<InvokeStreamResponse>) {
    let request = InvokeStreamRequest {
        function: function.to_owned(),
        environment: "dev".to_owned(),
        payload: payload.as_bytes().to_vec(),
        request_id: request_id.to_owned(),
        alias: String::new(),
    };
    let before = touched(harness, what).await;
    let token = harness.token(&TokenSpec::everything());
    let begun = harness.invocations().invoke_stream(with_token(request, &token)).await.expect("it begins");
    let id = begun.metadata().get("airlock-invocation-id").expect("an id").to_str().expect("text").to_owned();
    if what != "guest" {
        until("the host call begins", async || touched(harness, what).await > before).await;
    }
    (id, begun.into_inner())
}

/// How often a backend was touched, as seen from behind it where that is possible.
async fn touched(harness: &Harness, what: &str) -> usize {
    if what == "http" { harness.crm.request_count() } else { count(harness, AuditKind::HostCallIntent).await }
}

async fn count(harness: &Harness, kind: AuditKind) -> usize {
    harness.trail().await.iter().filter(|record| record.event.kind == kind).count()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < SOON, "not within {SOON:?}: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until nothing runs, and gives the record of how the last call ended.
async fn settled(harness: &Harness) -> AuditRecord {
    until("nothing runs", async || harness.app().running_calls() == 0).await;
    until("no place is taken", async || harness.server().counters().in_flight == 0).await;
    let mut last = None;
    until("the end is on record", async || {
        last = harness.trail().await.into_iter().rev().find(is_end);
        last.is_some()
    })
    .await;
    last.expect("a record")
}

fn is_end(record: &AuditRecord) -> bool {
    matches!(record.event.kind, AuditKind::InvocationFinished | AuditKind::InvocationAbandoned)
}

async fn cancel(harness: &Harness, spec: &TokenSpec, call: Call) -> Result<Vec<String>, Status> {
    let request = with_token(CancelRequest { call: Some(call) }, &harness.token(spec));
    Ok(harness.invocations().cancel(request).await?.into_inner().invocation_ids)
}

/// Every host call that was announced has an end, and what others need is free again.
async fn assert_clean(harness: &Harness) {
    until("every host call has an end on record", async || {
        count(harness, AuditKind::HostCallIntent).await == count(harness, AuditKind::HostCallOutcome).await
    })
    .await;
    let quick: Vec<_> =
        (0..8).map(|_| harness.invoke("sql-probe", r#"{"op":"query","statement":"select 1"}"#)).collect();
    let began = Instant::now();
    for answer in quick {
        answer.await.expect("connections are back");
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(harness.server().counters().panics, 0);
}

#[tokio::test]
async fn cancel_stops_guest_and_host_calls_and_says_who_asked() {
    let harness = house().await;
    for (number, wait) in WAITS.into_iter().enumerate() {
        for by_request in [false, true] {
            let (id, events) = begin(&harness, wait, &format!("job-{number}")).await;
            let call =
                if by_request { Call::RequestId(format!("job-{number}")) } else { Call::InvocationId(id.clone()) };
            let cancelled = cancel(&harness, &TokenSpec::everything(), call.clone()).await.expect("cancelled");
            assert_eq!(cancelled, std::slice::from_ref(&id), "{wait:?}");
            let last = events.collect::<Vec<_>>().await.pop().expect("an end").expect_err("stopped");
            assert_eq!(reason(&last), "cancelled", "{wait:?}");
            assert_eq!(last.metadata().get("airlock-invocation-id").expect("an id"), id.as_str());
            let end = settled(&harness).await.event;
            assert_eq!((end.kind, end.reason.as_deref()), (AuditKind::InvocationFinished, Some("cancelled")));
            assert!(end.message.expect("who").contains("cancelled by `ada@example.com`"));
            let again = cancel(&harness, &TokenSpec::everything(), call).await.expect_err("it has ended");
            assert_eq!(reason(&again), "not_granted");
        }
    }
    until("the API sees its clients leave", async || harness.crm.left_count() == 2).await;
    assert_clean(&harness).await;
}

#[tokio::test]
async fn a_unary_call_is_cancelled_by_its_request_id() {
    let harness = house().await;
    let request = InvokeRequest {
        function: "spin".to_owned(),
        environment: "dev".to_owned(),
        payload: Vec::new(),
        request_id: "mine".to_owned(),
        alias: String::new(),
    };
    let mut client = harness.invocations();
    let request = with_token(request, &harness.token(&TokenSpec::everything()));
    let call = tokio::spawn(async move { client.invoke(request).await });
    until("the call runs", async || harness.app().running_calls() == 1).await;
    cancel(&harness, &TokenSpec::everything(), Call::RequestId("mine".to_owned())).await.expect("cancelled");
    let status = call.await.expect("no panic").expect_err("stopped");
    assert_eq!((status.code(), reason(&status).as_str()), (tonic::Code::Cancelled, "cancelled"));
    settled(&harness).await;
}

/// Which call exists, and whose it is, cannot be learnt by cancelling.
#[tokio::test]
async fn nobody_cancels_or_learns_of_the_calls_of_others() {
    let harness = house().await;
    let (id, _events) = begin(&harness, WAITS[0], "theirs").await;
    let own = TokenSpec::everything;
    let others = [
        own().tenant("rival"),
        own().app("another"),
        own().subject("mallory@example.com"),
        own().environment("prod"),
        TokenSpec::only("sql-probe", &[]),
        TokenSpec::control().for_functions(&[]),
    ];
    for (number, other) in others.into_iter().enumerate() {
        for call in [Call::InvocationId(id.clone()), Call::RequestId("theirs".to_owned())] {
            let refused = cancel(&harness, &other, call.clone()).await.expect_err("refused");
            let missing = match &call {
                Call::InvocationId(_) => Call::InvocationId(id.replace(|c: char| c.is_ascii_digit(), "f")),
                Call::RequestId(_) => Call::RequestId("nobody".to_owned()),
            };
            let nothing = cancel(&harness, &other, missing.clone()).await.expect_err("refused");
            assert_eq!((refused.code(), reason(&refused).as_str()), (tonic::Code::PermissionDenied, "not_granted"));
            let (Call::InvocationId(named) | Call::RequestId(named)) = call;
            let (Call::InvocationId(unnamed) | Call::RequestId(unnamed)) = missing;
            assert_eq!(refused.message().replace(&named, ""), nothing.message().replace(&unnamed, ""), "{number}");
        }
    }
    assert_eq!(harness.app().running_calls(), 1);
    // Refusals are queued: they reach the trail in a moment.
    until("every refusal is on record", async || count(&harness, AuditKind::ControlRefused).await == 24).await;
    cancel(&harness, &own(), Call::InvocationId(id)).await.expect("its owner may");
}

#[tokio::test]
async fn a_reset_stream_stops_everything() {
    let harness = house().await;
    for wait in WAITS {
        drop(begin(&harness, wait, "").await);
        let end = settled(&harness).await.event;
        assert_eq!((end.kind, end.reason.as_deref()), (AuditKind::InvocationAbandoned, Some("cancelled")), "{wait:?}");
    }
    until("the API sees its client leave", async || harness.crm.left_count() == 1).await;
    assert_clean(&harness).await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a client that closes its connection by hand")]
async fn a_closed_connection_stops_everything() {
    let harness = house().await;
    let token = harness.token(&TokenSpec::everything());
    for (what, function, payload) in WAITS {
        let before = touched(&harness, what).await;
        let body = format!(r#"{{"function":"{function}","environment":"dev","payload":{payload}}}"#);
        let mut socket = TcpStream::connect(harness.server().data_addr()).await.expect("connected");
        let head = format!(
            "POST /airlock.v1.InvocationService/Invoke HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             authorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(head.as_bytes()).await.expect("sent");
        until("the call runs", async || harness.app().running_calls() == 1).await;
        if what != "guest" {
            until("the host call begins", async || touched(&harness, what).await > before).await;
        }
        drop(socket);
        let end = settled(&harness).await.event;
        assert_eq!((end.kind, end.reason.as_deref()), (AuditKind::InvocationAbandoned, Some("cancelled")), "{what}");
    }
    until("the API sees its client leave", async || harness.crm.left_count() == 1).await;
    assert_clean(&harness).await;
}

#[tokio::test]
async fn a_deadline_stops_everything() {
    let harness = house().await;
    for (what, function, payload) in WAITS {
        // On a machine busy enough the host call's own time, 100 ms later, is up before anybody looks at the guest's.
        let mut attempts = 0;
        let status = loop {
            attempts += 1;
            let spec = TokenSpec::everything().limits("wall_time_ms = 300");
            match harness.invoke_as(&spec, function, payload).await {
                Err(status) => break status,
                Ok(answer) => assert!(attempts < 5, "{what}: {answer:?}"),
            }
        };
        assert_eq!(reason(&status), "time_exhausted", "{what}");
        let end = settled(&harness).await.event;
        assert_eq!(
            (end.kind, end.reason.as_deref()),
            (AuditKind::InvocationFinished, Some("time_exhausted")),
            "{what}"
        );
    }
    until("the API sees its client leave", async || harness.crm.left_count() >= 1).await;
    assert_clean(&harness).await;
}

#[tokio::test]
async fn a_drain_whose_time_is_up_stops_everything_and_says_so() {
    let mut harness = house().await;
    let mut calls = Vec::new();
    for wait in WAITS {
        calls.push(begin(&harness, wait, "").await);
    }
    let began = Instant::now();
    let report = harness.drain(Duration::from_millis(100)).await;
    assert_eq!((report.complete, report.dropped), (false, WAITS.len()));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    until("the API sees its client leave", async || harness.crm.left_count() == 1).await;
    let trail = harness.trail().await;
    for (id, _) in calls {
        let own = |record: &&AuditRecord| record.event.invocation.as_deref() == Some(&id);
        let ends: Vec<_> = trail.iter().filter(own).filter(|record| is_end(record)).map(|r| &r.event).collect();
        assert_eq!(ends.len(), 1, "{ends:?}");
        // Runs on a lane are dropped a moment before their callers are, and may still say so themselves.
        let said_so = ends[0].kind == AuditKind::InvocationFinished && ends[0].reason.as_deref() == Some("draining");
        assert!(said_so || ends[0].kind == AuditKind::InvocationAbandoned, "{ends:?}");
    }
}

/// Whether two more calls are admitted.
async fn two_fit(harness: &Harness) -> bool {
    let spec = TokenSpec::everything().limits("wall_time_ms = 1");
    let (one, two) = tokio::join!(harness.invoke_as(&spec, "spin", "null"), harness.invoke_as(&spec, "spin", "null"));
    [one, two].into_iter().all(|ended| reason(&ended.expect_err("stopped or refused")) == "time_exhausted")
}

/// An instance, a tenant's slot, a place in flight: after many cancelled calls there are as many as before.
#[tokio::test]
async fn nothing_leaks_when_calls_are_cancelled_again_and_again() {
    let more_config = "[limits.tenant.acme]\nin_flight = 3\n".to_owned();
    let harness = Harness::start_with(airlock_tests::Options { more_config }).await;
    harness.deploy_wat("spin", &WatGuest::new(ENDLESS), "").await;
    for _ in 0..30 {
        // A guest that computes gives its slot back when it next yields.
        until("two slots are free", async || two_fit(&harness).await).await;
        let calls = [begin(&harness, WAITS[0], "all").await, begin(&harness, WAITS[0], "all").await];
        let cancelled = cancel(&harness, &TokenSpec::everything(), Call::RequestId("all".to_owned())).await;
        assert_eq!(cancelled.expect("both").len(), 2);
        for (_, events) in calls {
            assert_eq!(
                reason(&events.collect::<Vec<_>>().await.pop().expect("an end").expect_err("stopped")),
                "cancelled"
            );
        }
    }
    settled(&harness).await;
    assert_eq!(harness.server().counters().panics, 0);
}
