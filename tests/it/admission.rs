//! Who runs, who waits and who is turned away, seen from outside.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use airlock_model::AuditKind;
use airlock_tests::{Harness, Options, guests::WatGuest, reason, tokens::TokenSpec};
use tonic::Status;
use tonic_types::StatusExt;

use crate::limits::futures_join;

async fn harness(more_config: &str) -> Harness {
    Harness::start_with(Options { more_config: more_config.to_owned() }).await
}

fn of(tenant: &str) -> TokenSpec {
    TokenSpec::everything().tenant(tenant)
}

fn retry_delay(status: &Status) -> Duration {
    let details = status.get_error_details();
    let info = details.retry_info().unwrap_or_else(|| panic!("no RetryInfo: {status:?}"));
    info.retry_delay.unwrap_or_else(|| panic!("no delay: {status:?}"))
}

fn fact(status: &Status, name: &str) -> String {
    status.get_error_details().error_info().and_then(|info| info.metadata.get(name).cloned()).unwrap_or_default()
}

/// A guest that computes for a few milliseconds.
fn busy_guest() -> WatGuest {
    let count = "(local.set $count (i32.add (local.get $count) (i32.const 1)))";
    let loops = format!(
        "(local $count i32) (loop $again {count} (br_if $again (i32.lt_u (local.get $count) (i32.const 1000000))))"
    );
    let answer = "(i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 1024))
        (i32.store (i32.const 24) (i32.const 1)) (i32.const 16)";
    WatGuest::new(&format!("{loops} {answer}")).fields(r#"(data (i32.const 1024) "1")"#)
}

/// What the callers of one tenant met.
#[derive(Default)]
struct Met {
    done: AtomicUsize,
    refused: std::sync::Mutex<Vec<(Duration, Status)>>,
}

/// Calls again and again until told to stop; comes back after the time it is given.
async fn keep_calling(harness: &Harness, tenant: &str, met: &Met, stop: &AtomicBool) {
    let spec = of(tenant);
    while !stop.load(Relaxed) {
        let began = Instant::now();
        match harness.invoke_as(&spec, "busy", "null").await {
            Ok(_) => drop(met.done.fetch_add(1, Relaxed)),
            Err(status) => {
                let delay = retry_delay(&status).min(Duration::from_millis(50));
                met.refused.lock().expect("not poisoned").push((began.elapsed(), status));
                tokio::time::sleep(delay).await;
            }
        }
    }
}

#[tokio::test]
async fn a_tenant_that_floods_takes_nothing_from_its_neighbour() {
    let config =
        "[admission]\nrunning_max = 2\nqueue_max = 64\nqueue_max_per_tenant = 24\nqueue_time_ms_max = \"30s\"\n";
    let harness = harness(config).await;
    harness.deploy_wat("busy", &busy_guest(), "").await;
    let (flood, quiet, stop) = (Arc::new(Met::default()), Arc::new(Met::default()), AtomicBool::new(false));
    let floods = (0..40).map(|_| keep_calling(&harness, "flood", &flood, &stop));
    let quiets = (0..4).map(|_| keep_calling(&harness, "quiet", &quiet, &stop));
    let judge = async {
        // The flood stands before the neighbour is looked at.
        while flood.refused.lock().expect("not poisoned").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let before = (flood.done.load(Relaxed), quiet.done.load(Relaxed));
        while quiet.done.load(Relaxed) < before.1 + 100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let shares = (flood.done.load(Relaxed) - before.0, quiet.done.load(Relaxed) - before.1);
        stop.store(true, Relaxed);
        shares
    };
    let callers = async { tokio::join!(futures_join(floods.collect()), futures_join(quiets.collect())) };
    let (shares, _) = tokio::join!(judge, callers);
    assert!(quiet.refused.lock().expect("not poisoned").is_empty(), "a call of the neighbour was refused");
    let share = shares.1 as f64 / (shares.0 + shares.1) as f64;
    assert!((0.4..0.6).contains(&share), "flood and neighbour: {shares:?}");
    let refused = std::mem::take(&mut *flood.refused.lock().expect("not poisoned"));
    for (_, status) in &refused {
        assert_eq!((reason(status).as_str(), fact(status, "limit").as_str()), ("tenant_busy", "queue_max_per_tenant"));
        assert!(fact(status, "source").contains("[admission]"), "{status:?}");
    }
    let mut times: Vec<_> = refused.iter().map(|(time, _)| *time).collect();
    times.sort();
    let median = times[times.len() / 2];
    assert!(median < Duration::from_millis(200), "refusals take {median:?}");
}

/// A call that holds its place without computing, until it is dropped or a minute has passed.
async fn hold(harness: &Harness) -> Status {
    let spec = TokenSpec::everything();
    let call = r#"{"op":"http","method":"GET","path":"/slow"}"#;
    match harness.invoke_as(&spec, "sql-probe", call).await {
        Err(status) => status,
        Ok(answer) => panic!("ended: {answer:?}"),
    }
}

/// Until the call of [`hold`] has its place.
async fn is_held(harness: &Harness) {
    while harness.crm.request_count() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_queued_call_whose_caller_goes_away_leaves_the_queue_and_never_runs() {
    let config = "[limits.default]\nwall_time_ms = \"60s\"\n[admission]\nrunning_max = 1\nqueue_max = 2\n\
                  queue_max_per_tenant = 1\nqueue_time_ms_max = \"60s\"\n";
    let harness = harness(config).await;
    harness.deploy_built("sql-probe").await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let mut holder = Box::pin(hold(&harness));
    let others = async {
        is_held(&harness).await;
        let second = tokio::time::timeout(Duration::from_millis(300), harness.invoke("one", "null")).await;
        assert!(second.is_err(), "ran beside the call that holds the only place: {second:?}");
        // Its place in the queue comes back, and it is the only one.
        for _ in 0..200 {
            let mut third = Box::pin(harness.invoke("one", "null"));
            match tokio::time::timeout(Duration::from_millis(300), &mut third).await {
                Err(_waits) => return third,
                Ok(ended) => assert_eq!(reason(&ended.expect_err("no place")), "tenant_busy"),
            }
        }
        panic!("the place in the queue never came back");
    };
    let third = tokio::select! {
        ended = &mut holder => panic!("{ended:?}"),
        third = others => third,
    };
    let fourth = tokio::select! {
        ended = &mut holder => panic!("{ended:?}"),
        fourth = harness.invoke("one", "null") => fourth.expect_err("no place left"),
    };
    assert_eq!((reason(&fourth).as_str(), fact(&fourth, "limit").as_str()), ("tenant_busy", "queue_max_per_tenant"));
    assert!(retry_delay(&fourth) > Duration::ZERO);
    drop(holder);
    assert!(third.await.is_ok(), "its turn comes");
    assert_eq!(finished(&harness, "one").await, 1, "the call that went away never ran");
}

async fn finished(harness: &Harness, function: &str) -> usize {
    let ended = |kind| matches!(kind, AuditKind::InvocationFinished | AuditKind::InvocationAbandoned);
    let of_function =
        |event: &airlock_model::AuditEvent| ended(event.kind) && event.function.as_deref() == Some(function);
    harness.trail().await.iter().filter(|record| of_function(&record.event)).count()
}

#[tokio::test]
async fn a_deadline_that_passes_in_the_queue_says_so() {
    let harness = harness("[admission]\nrunning_max = 1\nqueue_time_ms_max = \"60s\"\n").await;
    harness.deploy_built("sql-probe").await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let token = harness.token(&TokenSpec::everything());
    let hurried = async {
        is_held(&harness).await;
        let body = r#"{"function":"one","environment":"dev","payload":null}"#;
        let headers = [("authorization", format!("Bearer {token}")), ("grpc-timeout", "150m".to_owned())];
        let path = "/airlock.v1.InvocationService/Invoke";
        airlock_tests::http_post(harness.server().data_addr(), path, &headers, body).await
    };
    let (status, answer) = tokio::select! {
        ended = hold(&harness) => panic!("{ended:?}"),
        answer = hurried => answer,
    };
    assert_eq!(status, 504, "{answer}");
    for text in ["time_exhausted", "waiting in the queue", "the caller's own deadline"] {
        assert!(answer.contains(text), "{text}: {answer}");
    }
}

#[tokio::test]
async fn a_tenant_has_only_so_many_calls_a_second() {
    let harness = harness("[limits.tenant.eager]\ncalls_per_second = 1\ncalls_burst = 2\n").await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    for _ in 0..2 {
        assert!(harness.invoke_as(&of("eager"), "one", "null").await.is_ok());
    }
    let status = harness.invoke_as(&of("eager"), "one", "null").await.expect_err("too often");
    assert_eq!((reason(&status).as_str(), status.code()), ("tenant_rate_exceeded", tonic::Code::ResourceExhausted));
    assert_eq!((fact(&status, "limit").as_str(), fact(&status, "configured").as_str()), ("calls_per_second", "1"));
    assert!(fact(&status, "source").contains("[limits.tenant.<name>]"), "{status:?}");
    for _ in 0..5 {
        assert!(harness.invoke_as(&of("calm"), "one", "null").await.is_ok(), "another tenant is not bound");
    }
    tokio::time::sleep(retry_delay(&status)).await;
    assert!(harness.invoke_as(&of("eager"), "one", "null").await.is_ok(), "who waits as told is let in");
}

#[tokio::test]
async fn daily_budgets_hold_across_a_restart_and_for_calls_that_failed() {
    let config = "[limits.tenant.counted]\ncalls_per_day = 4\n[limits.tenant.fuelled]\nfuel_per_day = 1_000_000\n";
    let mut harness = harness(config).await;
    harness.deploy_wat("busy", &busy_guest(), "").await;
    harness.deploy_wat("trap", &WatGuest::new("unreachable"), "").await;
    assert!(harness.invoke_as(&of("counted"), "busy", "null").await.is_ok());
    assert_eq!(reason(&harness.invoke_as(&of("counted"), "trap", "null").await.expect_err("traps")), "guest_trap");
    assert!(harness.invoke_as(&of("fuelled"), "busy", "null").await.is_ok(), "it spends more, but only now");
    harness.restart().await;
    for _ in 0..2 {
        assert!(harness.invoke_as(&of("counted"), "busy", "null").await.is_ok(), "two of four were spent before");
    }
    for (tenant, limit) in [("counted", "calls_per_day"), ("fuelled", "fuel_per_day")] {
        let status = harness.invoke_as(&of(tenant), "busy", "null").await.expect_err("spent");
        assert_eq!((reason(&status).as_str(), fact(&status, "limit").as_str()), ("tenant_budget_exhausted", limit));
        assert!(retry_delay(&status) <= Duration::from_secs(86_400 + 10), "{status:?}");
        assert!(status.message().contains("00:00 UTC"), "{status:?}");
    }
    assert!(harness.invoke_as(&of("free"), "busy", "null").await.is_ok(), "another tenant is not bound");
    let trail = harness.trail().await;
    let denied = trail.iter().filter(|record| record.event.reason.as_deref() == Some("tenant_budget_exhausted"));
    assert_eq!(denied.count(), 2, "refusals are on record");
}
