//! The trail says the same as PostgreSQL's own log of every statement.
//!
//! `AIRLOCK_LOG_CALLS` sets how many calls (300 when not set; 10,000 before a release), `AIRLOCK_LOG_SEED` which.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use airlock_model::{AuditKind, Decision};
use airlock_service::AuditRecord;
use airlock_store::Store;
use airlock_tests::{
    Harness, Options,
    disk::Seeded,
    postgres::{NAMES, Postgres},
    times,
    tokens::TokenSpec,
};
use futures::future::join_all;
use serde_json::{Value, json};

/// Callers at the same time.
const CALLERS: usize = 6;
/// What the session says for itself around the statements of guests: the whole text, or its beginning where numbers follow.
const HOUSEKEEPING: [&str; 9] = [
    "",
    "COMMIT",
    "ROLLBACK",
    "DISCARD ALL",
    "SAVEPOINT airlock; SET LOCAL transaction_read_only = on",
    "RELEASE SAVEPOINT airlock",
    "BEGIN TRANSACTION READ ONLY; SELECT pg_catalog.set_config('statement_timeout', ",
    "BEGIN TRANSACTION READ WRITE; SELECT pg_catalog.set_config('statement_timeout', ",
    "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT pg_catalog.set_config('statement_timeout', ",
];

fn is_housekeeping(text: &str) -> bool {
    HOUSEKEEPING.iter().any(|known| text == *known || (known.ends_with(", ") && text.starts_with(known)))
}

/// One step with a text of its own, so that nothing is counted for anything else.
fn step(n: usize, random: &mut Seeded, within: Option<usize>) -> Value {
    let (what, statement) = match random.below(12) {
        0..=2 => ("query", format!("select {n} as n, count(*) as all_of_them from orders")),
        3 | 4 => ("execute", format!("insert into orders values ({}, 'log', {n})", n + 1_000)),
        5 => ("execute", format!("update orders set total = {n} where id = {}", random.below(4) + 1)),
        // Of the database's own: nothing of that name, no such column, a division by zero, a key that is taken.
        6 => ("query", format!("select {n} from nowhere")),
        7 => ("query", format!("select {n} / (id - id) from orders")),
        8 => ("execute", format!("insert into orders values (1, 'taken', {n})")),
        // Refused by the gate.
        9 => ("execute", format!("drop table t{n}")),
        10 => ("query", format!("select {n}; select {n}")),
        _ => ("execute", format!("delete from orders where id = {}", n + 1_000)),
    };
    let mut step = json!({ "do": what, "statement": statement });
    if let Some(within) = within {
        step["within"] = json!(within);
    }
    step
}

fn endless(n: usize) -> String {
    format!("with recursive n(i) as (select {n} union all select i + 1 from n) select count(*) from n")
}

/// Steps of one call, how long it may take and when its caller goes away.
fn plan(call: usize, random: &mut Seeded) -> (Value, u64, Option<Duration>) {
    let mut counter = call * 16;
    let mut next = || {
        counter += 1;
        counter
    };
    let mut steps = Vec::new();
    match random.below(6) {
        0 | 1 => (0..=random.below(3)).for_each(|_| steps.push(step(next(), random, None))),
        2 => {
            steps.push(json!({ "do": "begin" }));
            (0..=random.below(3)).for_each(|_| steps.push(step(next(), random, Some(0))));
            let end = ["commit", "rollback", "drop", "trap"][random.below(4)];
            steps.push(json!({ "do": end, "within": 0 }));
        }
        3 => {
            let statement = format!("select {} as n from generate_series(1, 5000)", next());
            steps.push(json!({ "do": "stream", "statement": statement, "batches": random.below(4) }));
        }
        4 => {
            steps.push(step(next(), random, None));
            steps.push(json!({ "do": "query", "statement": endless(next()) }));
        }
        _ => {
            steps.push(step(next(), random, None));
            let how = ["trap", "spin"][random.below(2)];
            steps.push(json!({ "do": how }));
        }
    }
    if let Some(last) = steps.last_mut().filter(|last| last["do"] == "trap") {
        *last = json!({ "do": "trap" });
    }
    let never_ends =
        steps.last().is_some_and(|last| last["do"] == "spin" || last["statement"].to_string().contains("recursive"));
    let deadline = if never_ends || random.percent(5) { 100 + random.draw() % 400 } else { 10_000 };
    let leaves = random.percent(25).then(|| Duration::from_micros(random.draw() % 60_000));
    (json!({ "steps": steps }), deadline, leaves)
}

async fn make_calls(harness: &Harness, calls: usize, seed: u64) {
    let next = AtomicUsize::new(0);
    let caller = async || {
        loop {
            let call = next.fetch_add(1, Relaxed);
            if call >= calls {
                return;
            }
            let mut random = Seeded(seed.wrapping_add(u64::try_from(call).expect("small")));
            let (input, deadline, leaves) = plan(call, &mut random);
            let limits = format!("wall_time_ms = {deadline}");
            let token = TokenSpec::everything().environment("pg").limits(&limits);
            let input = input.to_string();
            let invoked = harness.invoke_as(&token, "tx-probe", &input);
            // What the caller is told does not matter here.
            match leaves {
                Some(after) => drop(tokio::time::timeout(after, invoked).await),
                None => drop(invoked.await),
            }
        }
    };
    join_all((0..CALLERS).map(|_| caller())).await;
}

/// What the log says of one statement.
#[derive(Default, Debug, Clone, Copy)]
struct Logged {
    executed: usize,
    failed: usize,
}

/// What the log says of our roles, once it has everything up to now: every statement of a guest, and how many were our own.
async fn read_log(server: &Postgres, now: &str) -> (HashMap<String, Logged>, usize) {
    server.wait_until_idle().await;
    server.sql(&format!("select '{now}'"));
    loop {
        match std::fs::read_to_string(server.path("statements.json")) {
            Ok(text) if text.contains(now) => return parse_log(&text),
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

fn parse_log(text: &str) -> (HashMap<String, Logged>, usize) {
    let mut found: HashMap<String, Logged> = HashMap::new();
    let mut own = 0;
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        if !NAMES.iter().any(|name| line["user"] == *name) {
            continue;
        }
        let message = line["message"].as_str().unwrap_or_default();
        if line["error_severity"] == "LOG" {
            if let Some(text) = message.strip_prefix("statement: ") {
                assert!(is_housekeeping(text), "a statement that nobody asked for: {text}");
                own += 1;
            } else if let Some(run) = message.strip_prefix("execute ").filter(|run| !run.starts_with("fetch from ")) {
                let (_, text) = run.split_once(": ").expect("a name and a text");
                found.entry(text.to_owned()).or_default().executed += 1;
            }
        } else if let Some(text) = line["statement"].as_str().filter(|text| !is_housekeeping(text)) {
            // One of our own may fail as well: it is cancelled with its call.
            found.entry(text.to_owned()).or_default().failed += 1;
        }
    }
    (found, own)
}

/// What the trail says of one statement.
#[derive(Default, Debug, Clone, Copy)]
struct Recorded {
    intents: usize,
    sent: usize,
    not_sent: usize,
    denied: usize,
}

fn read_trail(trail: &[AuditRecord]) -> BTreeMap<String, Recorded> {
    let mut found: BTreeMap<String, Recorded> = BTreeMap::new();
    for record in trail {
        let event = &record.event;
        let Some(target) = event.target.clone().filter(|_| event.resource.as_deref() == Some("orders-db")) else {
            continue;
        };
        let entry = found.entry(target).or_default();
        match (event.kind, event.decision, event.sent) {
            (AuditKind::HostCallIntent, ..) => entry.intents += 1,
            (AuditKind::HostCallOutcome, Some(Decision::Deny), _) => entry.denied += 1,
            (AuditKind::HostCallOutcome, _, Some(true)) => entry.sent += 1,
            (AuditKind::HostCallOutcome, _, Some(false)) => entry.not_sent += 1,
            (AuditKind::HostCallOutcome, _, None) => panic!("it is not told whether it was sent: {event:?}"),
            _ => {}
        }
    }
    found
}

/// Both ways: nothing ran that is not on record as sent, and nothing is on record as sent that the log does not know.
fn differences(logged: &HashMap<String, Logged>, recorded: &BTreeMap<String, Recorded>) -> Vec<String> {
    let mut differences = Vec::new();
    for (text, said) in logged {
        let of_trail = recorded.get(text).copied().unwrap_or_default();
        if said.executed > of_trail.sent || (said.failed > 0 && of_trail.intents == 0) {
            differences.push(format!("in the log: {said:?}, in the trail: {of_trail:?}: {text}"));
        }
    }
    for (text, of_trail) in recorded {
        let said = logged.get(text).copied().unwrap_or_default();
        // One that the server stopped between taking its values and running it is there with its error.
        let is_known = of_trail.sent == said.executed || (of_trail.sent > said.executed && said.failed > 0);
        let has_ends = of_trail.intents == of_trail.sent + of_trail.not_sent;
        if !is_known || !has_ends {
            differences.push(format!("in the trail: {of_trail:?}, in the log: {said:?}: {text}"));
        }
    }
    differences
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trail_says_the_same_as_the_log_of_postgresql() {
    let calls = times("AIRLOCK_LOG_CALLS", 300);
    let seed = u64::try_from(times("AIRLOCK_LOG_SEED", 41)).expect("a number");
    let server = Postgres::start_with(&[
        "log_statement=all",
        "logging_collector=on",
        "log_destination=jsonlog",
        "log_directory=..",
        "log_filename=statements.log",
        "log_rotation_age=0",
        "log_rotation_size=0",
        "deadlock_timeout=100ms",
    ]);
    let harness = Harness::start_with(Options { more_config: server.environment("") }).await;
    let (manifest, component) = airlock_tests::guests::built("tx-probe");
    harness.deploy_to("pg", &manifest, component).await.expect("deployed");

    let began = Instant::now();
    make_calls(&harness, calls, seed).await;
    while harness.app().running_calls() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (logged, own) = read_log(&server, "the calls have ended").await;
    let took = began.elapsed();
    let trail = harness.whole_trail().await;
    let recorded = read_trail(&trail);
    let sum = |of: fn(&Recorded) -> usize| recorded.values().map(of).sum::<usize>();
    let (sent, not_sent, denied) = (sum(|r| r.sent), sum(|r| r.not_sent), sum(|r| r.denied));
    println!(
        "seed {seed}: {calls} calls in {took:?}, {} records; statements: {sent} sent, {not_sent} not sent, {denied} denied; \
         the log has {} of guests and {own} of our own",
        trail.len(),
        logged.values().map(|said| said.executed).sum::<usize>(),
    );
    let differences = differences(&logged, &recorded);
    assert!(differences.is_empty(), "{} differences: {differences:#?}", differences.len());
    assert!(sent > calls / 2 && not_sent > 0 && denied > calls / 100, "too little happened");
    let reader = Store::open_read_only(&harness.dir().join("state")).expect("opened");
    let report = reader.verify(None).await.expect("verified");
    assert!(report.integrity && report.calls.complete, "{report:?}");

    // The deny twin: what somebody runs past the gate, with the same role, is a difference.
    server.client("").rows("select 'past the gate'", json!([])).await;
    let (logged, _) = read_log(&server, "somebody went past the gate").await;
    let differences = self::differences(&logged, &recorded);
    assert!(differences.len() == 1 && differences[0].contains("past the gate"), "{differences:#?}");
}
