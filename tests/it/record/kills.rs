//! A server that is killed at any moment: whoever got an answer has a record, and nothing took effect that is not on record.
//!
//! `AIRLOCK_KILL_POINTS` sets how many kills (4 of each database when not set; 500 before a release).

use std::{
    collections::HashSet,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use airlock_model::AuditKind;
use airlock_store::Store;
use airlock_tests::{
    disk::Seeded,
    guests,
    postgres::Postgres,
    process::{NOBODY, Place, Served, whole_trail},
    times,
};
use futures::future::join_all;
use rusqlite::Connection;
use serde_json::json;

/// Callers at the same time.
const CALLERS: u64 = 4;
/// Kills that one state directory survives, so that reading all of it each time stays quick.
const KILLS_PER_PLACE: usize = 20;

/// Numbers of calls that one place has for itself.
const MARKS_PER_PLACE: u64 = 1 << 20;

/// Where the effects are.
enum Database {
    Sqlite,
    Postgres(Box<Postgres>),
}

impl Database {
    async fn place(&self) -> Place {
        let Self::Postgres(server) = self else { return Place::make(None).await };
        let place = Place::make(rustix::process::getuid().is_root().then_some(NOBODY)).await;
        let before = "[resources.orders-db.dev]\nengine = \"sqlite\"\npath = \"data/orders.db\"\noperations = [\"read\", \"write\"]\n";
        place.configure(before, &format!("[resources.orders-db.dev]\n{}", server.binding("")));
        place
    }

    fn insert(&self, mark: u64) -> String {
        match self {
            Self::Sqlite => format!("insert into orders (customer, total, status) values ('k{mark}', 1, 'open')"),
            Self::Postgres(_) => format!("insert into orders values ({}, 'k{mark}', 1)", 1_000 + mark),
        }
    }

    /// The marks of what lasts.
    fn effects(&self, place: &Place) -> HashSet<String> {
        let sql = "select customer from orders where customer like 'k%'";
        match self {
            Self::Sqlite => {
                // Open for writing: a transaction that was cut off is rolled back by whoever comes first.
                let database = Connection::open(place.path("data/orders.db")).expect("opened");
                let mut statement = database.prepare(sql).expect("prepared");
                let marks = statement.query_map([], |row| row.get(0)).expect("asked");
                marks.map(|mark| mark.expect("a text")).collect()
            }
            Self::Postgres(server) => server.sql(sql).lines().map(str::to_owned).collect(),
        }
    }
}

/// What callers were answered: mark and invocation.
type Answered = Mutex<Vec<(u64, String)>>;

async fn call_until_killed(served: &Served<'_>, database: &Database, marks: &AtomicU64, answered: &Answered) {
    loop {
        let mark = marks.fetch_add(1, Relaxed);
        let call = json!({ "op": "execute", "statement": database.insert(mark) }).to_string();
        let Ok(response) = served.invoke("sql-probe", &call).await else { return };
        assert_eq!(airlock_tests::output(&response)["affected"], json!(1), "{mark}");
        answered.lock().expect("held").push((mark, response.invocation_id));
    }
}

async fn kill_at(served: &Served<'_>, answers: usize, after: Duration, answered: &Answered) {
    let before = answered.lock().expect("held").len();
    while answered.lock().expect("held").len() < before + answers {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    tokio::time::sleep(after).await;
    served.kill();
}

/// Kills a server again and again, and judges what is there each time before the next one starts.
async fn survive(database: &Database, kills: usize, first: u64, random: &mut Seeded) {
    let place = database.place().await;
    let (marks, answered) = (AtomicU64::new(first), Answered::default());
    for kill in 0..kills {
        let served = place.serve().await;
        if kill == 0 {
            let (manifest, component) = guests::built("sql-probe");
            served.deploy(&manifest, component).await.expect("deployed");
        }
        let after = Duration::from_micros(random.draw() % 20_000);
        let callers = (0..CALLERS).map(|_| call_until_killed(&served, database, &marks, &answered));
        tokio::join!(kill_at(&served, random.below(25), after, &answered), join_all(callers));
        served.ended().await;
        judge(&place, database, first..marks.load(Relaxed), &answered, kill).await;
    }
    println!("{kills} kills: {} answered, {} asked", answered.lock().expect("held").len(), marks.load(Relaxed) - first);
}

async fn judge(place: &Place, database: &Database, ours: Range<u64>, answered: &Answered, kill: usize) {
    let state = place.path("state");
    let trail = whole_trail(&state, 0).await;
    let of = |kind| trail.iter().filter(move |record| record.event.kind == kind);
    let finished: HashSet<&str> =
        of(AuditKind::InvocationFinished).filter_map(|record| record.event.invocation.as_deref()).collect();
    let effects = database.effects(place);
    for (mark, invocation) in &*answered.lock().expect("held") {
        assert!(finished.contains(invocation.as_str()), "kill {kill}: call {mark} was answered and has no record");
        assert!(effects.contains(&format!("k{mark}")), "kill {kill}: call {mark} was answered and had no effect");
    }
    let intents: HashSet<&str> =
        of(AuditKind::HostCallIntent).filter_map(|record| record.event.target.as_deref()).collect();
    for effect in &effects {
        let mark: u64 = effect.trim_start_matches('k').parse().expect("a mark");
        // A database outlives the places before.
        let is_recorded = !ours.contains(&mark) || intents.contains(database.insert(mark).as_str());
        assert!(is_recorded, "kill {kill}: {effect} took effect and no intent is on record");
    }
    let report = Store::open_read_only(&state).expect("opened").verify(None).await.expect("verified");
    assert!(report.integrity && report.seq_gaps.is_empty() && report.calls.repeated == 0, "kill {kill}: {report:?}");
}

async fn survive_all(database: &Database, mut kills: usize, seed: u64) {
    let mut random = Seeded(seed);
    let mut first = 0;
    while kills > 0 {
        let here = kills.min(KILLS_PER_PLACE);
        survive(database, here, first, &mut random).await;
        kills -= here;
        first += MARKS_PER_PLACE;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_has_a_record_of_every_answer_and_an_intent_of_every_effect_in_sqlite() {
    survive_all(&Database::Sqlite, times("AIRLOCK_KILL_POINTS", 8).div_ceil(2), 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_has_a_record_of_every_answer_and_an_intent_of_every_effect_in_postgresql() {
    let database = Database::Postgres(Box::new(Postgres::start()));
    survive_all(&database, times("AIRLOCK_KILL_POINTS", 8).div_ceil(2), 6).await;
}
