//! `sql`: what the way to a real PostgreSQL adds to a bare driver on the same connection, and what a statement costs to classify.
//!
//! The driver sends one prepared statement and reads its row. Airlock's client does that in a READ ONLY transaction with a
//! snapshot of its own and leaves the session as good as new, and the gate classifies, authorizes and records besides.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use airlock_analysis::{Dialect, classify};
use airlock_tests::postgres::{Client, NAMES, Postgres, READ_SECRET};
use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde_json::json;

use super::host_call::{Op, application::Application};
use crate::{
    args::Window,
    goals::{CLASSIFY, Row, SQL_ADDED, rounded},
    guests::Places,
    load::open::{histogram, nanoseconds},
    processor::median,
    report::Findings,
    serve::runtime,
};

const STATEMENT: &str = "select 1";
/// Statements of one run of the guest.
const TIMES: u32 = 100;
/// What functions send: a look-up, a list, a join, a change.
const TYPICAL: [&str; 4] = [
    "select id, customer, total from orders where id = $1",
    "select id, total from orders where customer = $1 and total > $2 order by id desc limit 20",
    "select o.id, o.total, c.name from orders o join customers c on c.id = o.customer_id where c.region = $1 and o.created_at >= $2 \
     order by o.created_at desc limit 50",
    "update orders set status = $1, updated_at = now() where id = $2 and status <> 'closed'",
];

/// Medians of one round, in microseconds.
struct Round {
    bare: f64,
    client: f64,
    guest: f64,
    classify: [f64; TYPICAL.len()],
}

/// Starts a PostgreSQL and asks it in three ways.
pub(crate) fn run(window: &Window, places: &Places) -> anyhow::Result<Findings> {
    let server = Postgres::start();
    let dir = places.fresh("sql-")?;
    let binding = server.binding("operations = [\"read\"]");
    let runtime = runtime()?;
    let (application, client) = (runtime.block_on(Application::open(places, dir.path(), &binding))?, server.client(""));
    let mut rounds = Vec::new();
    for _ in 0..window.rounds.get() {
        let round = runtime.block_on(one(&server, &client, &application, window.length() / 3))?;
        eprintln!("bare {:.0} us, client {:.0} us, guest {:.0} us", round.bare, round.client, round.guest);
        rounds.push(round);
    }
    Ok(findings(&rounds))
}

async fn one(server: &Postgres, client: &Client, application: &Application, length: Duration) -> anyhow::Result<Round> {
    Ok(Round {
        bare: bare(server, length).await?,
        client: p50(length, async || client.read(STATEMENT, json!([])).await.map(drop).map_err(Into::into)).await?,
        guest: guest(application, length).await?,
        classify: TYPICAL.map(|text| classified(text, length / 8)),
    })
}

/// tokio-postgres with one prepared statement.
async fn bare(server: &Postgres, length: Duration) -> anyhow::Result<f64> {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(server.port()).user(NAMES[0]).password(READ_SECRET).dbname(NAMES[2]);
    let (driver, connection) = config.connect(tokio_postgres::NoTls).await.context("the bare driver cannot connect")?;
    let connection = tokio::spawn(connection);
    let statement = driver.prepare(STATEMENT).await?;
    let found = p50(length, async || driver.query(&statement, &[]).await.map(drop).map_err(Into::into)).await;
    drop(driver);
    connection.await??;
    found
}

/// From inside a run, the run itself taken off.
async fn guest(application: &Application, length: Duration) -> anyhow::Result<f64> {
    let token = application.token()?;
    let (until, mut with, mut without) = (Instant::now() + length, Vec::new(), Vec::new());
    while with.is_empty() || Instant::now() < until {
        with.push(application.call(&token, Op::Query, TIMES).await? as f64);
        without.push(application.call(&token, Op::Query, 0).await? as f64);
    }
    Ok((median(with) - median(without)) / f64::from(TIMES))
}

async fn p50(length: Duration, mut ask: impl AsyncFnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut times: Histogram<u64> = histogram()?;
    let until = Instant::now() + length;
    while times.is_empty() || Instant::now() < until {
        let began = Instant::now();
        ask().await?;
        times.saturating_record(nanoseconds(began.elapsed()));
    }
    Ok(times.value_at_quantile(0.5) as f64 / 1e3)
}

/// Without the gate's cache, which knows a text after its first time.
fn classified(text: &str, length: Duration) -> f64 {
    let (until, mut times) = (Instant::now() + length, Vec::new());
    while times.is_empty() || Instant::now() < until {
        let began = Instant::now();
        black_box(classify(Dialect::Postgres, black_box(text)).is_ok());
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    median(times)
}

fn findings(rounds: &[Round]) -> Findings {
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let (bare, client, guest) = (of(|round| round.bare), of(|round| round.client), of(|round| round.guest));
    let classified: Vec<f64> = (0..TYPICAL.len())
        .map(|at| median(rounds.iter().filter_map(|round| round.classify.get(at).copied())))
        .collect();
    let texts: Vec<_> =
        TYPICAL.iter().zip(&classified).map(|(text, us)| json!({ "bytes": text.len(), "us": rounded(*us) })).collect();
    let rows = vec![
        SQL_ADDED.measured(guest - bare),
        CLASSIFY.measured(median(classified)),
        Row::figure("`select 1` on PostgreSQL by tokio-postgres, prepared, p50", "us", bare),
        Row::figure("the same by Airlock's client without the gate, p50", "us", client),
        Row::figure("the same by a guest through the gate", "us", guest),
    ];
    let details = json!({
        "bare_us": rounded(bare), "client_us": rounded(client), "guest_us": rounded(guest), "classify": texts,
    });
    let note = "sql: the bare driver sends one message pair; Airlock opens a READ ONLY transaction, takes its snapshot, describes, \
                binds and runs the statement, rolls back and resets the session before it is lent again"
        .to_owned();
    Findings { rows, details, notes: vec![note] }
}
