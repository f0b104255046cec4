//! Collectors that are not there, do not answer, or answer nonsense: calls do not notice, and what is lost is counted.

use airlock_tests::{Harness, Options, guests::WatGuest};

use super::{
    collector::{Collector, Manner},
    metrics::{numbers, value},
};

const CALLS: usize = 200;

async fn calls_run(harness: &Harness) {
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    for _ in 0..CALLS {
        harness.invoke("one", "null").await.expect("calls do not notice");
    }
}

/// Waits until so many spans are known to be lost.
async fn dropped(harness: &Harness, why: &str) -> f64 {
    loop {
        let text = numbers(harness).await;
        let lost = value(&text, &format!("airlock_otlp_spans_dropped_total{{why=\"{why}\"}}"));
        if lost > 0.0 {
            return lost;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_collector_that_fails_loses_spans_and_nothing_else() {
    let collector = Collector::start(Manner::Failing).await;
    let harness = Harness::start_with(Options { more_config: collector.config("interval_s = 1") }).await;
    calls_run(&harness).await;
    harness.app().telemetry().flush().await;
    let text = numbers(&harness).await;
    // A span for each call and one for its request, and those of the deploy: none arrived, none is forgotten.
    let lost = value(&text, "airlock_otlp_spans_dropped_total{why=\"not_sent\"}");
    assert!(lost >= (2 * CALLS) as f64, "{text}");
    assert!(value(&text, r#"airlock_otlp_exports_total{outcome="failed",signal="traces"}"#) >= 1.0, "{text}");
    assert_eq!(value(&text, "airlock_otlp_spans_queued"), 0.0, "{text}");
}

#[tokio::test]
async fn a_collector_that_is_not_there_loses_spans_and_nothing_else() {
    let collector = Collector::start(Manner::Well).await;
    let gone = collector.config("").replace(&collector.address.port().to_string(), "9");
    let harness = Harness::start_with(Options { more_config: gone }).await;
    calls_run(&harness).await;
    harness.app().telemetry().flush().await;
    assert!(dropped(&harness, "not_sent").await >= CALLS as f64);
    assert_eq!(collector.asked(), 0);
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_a_bounded_line_and_no_call() {
    let collector = Collector::start(Manner::Silent).await;
    let harness = Harness::start_with(Options { more_config: collector.config("metrics = false") }).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    // One batch is with the collector, which says nothing; the line behind it fills, then what comes is dropped.
    while value(&numbers(&harness).await, "airlock_otlp_spans_dropped_total{why=\"queue_full\"}") == 0.0 {
        for _ in 0..500 {
            harness.invoke("one", "null").await.expect("calls do not notice");
        }
    }
    let text = numbers(&harness).await;
    assert!(value(&text, "airlock_otlp_spans_queued") <= 4_096.0, "{text}");
}

#[tokio::test]
async fn an_answer_of_garbage_is_an_answer() {
    let collector = Collector::start(Manner::Garbage).await;
    let harness = Harness::start_with(Options { more_config: collector.config("") }).await;
    calls_run(&harness).await;
    collector.trace_of("invoke one", 2).await;
    harness.app().telemetry().flush().await;
    let text = numbers(&harness).await;
    assert_eq!(value(&text, "airlock_otlp_spans_dropped_total{why=\"not_sent\"}"), 0.0, "{text}");
    assert!(value(&text, r#"airlock_otlp_exports_total{outcome="ok",signal="traces"}"#) >= 1.0, "{text}");
}

#[tokio::test]
async fn spans_that_a_collector_rejects_are_counted() {
    let collector = Collector::start(Manner::Partly).await;
    let harness = Harness::start_with(Options { more_config: collector.config("") }).await;
    calls_run(&harness).await;
    harness.app().telemetry().flush().await;
    assert!(dropped(&harness, "rejected").await >= 1.0);
}
