//! A wall clock that jumps by days, forwards and backwards: the trail is whole, and in the order of its numbers.

use std::path::Path;

use airlock_store::Store;
use airlock_tests::{
    airlock_binary,
    disk::shift_clock,
    guests::WatGuest,
    process::{Place, Served, whole_trail},
    tokens::TokenSpec,
};

const DAY_S: i64 = 86_400;
/// How far the clock is ahead, in days, in each run.
const RUNS: [&[i64]; 3] = [&[0, 3, -2], &[-30, 400], &[-1, 0]];

async fn call(served: &Served<'_>, clock: &Path, days: i64) {
    std::fs::write(clock, format!("{:<20}", days * DAY_S)).expect("written");
    let token = TokenSpec::everything().by_clock(days * DAY_S);
    for _ in 0..3 {
        served.invoke_as(&token, "one", "null").await.unwrap_or_else(|status| panic!("{days} days: {status:?}"));
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "what the trail says is compared with the real clock")]
async fn a_clock_that_jumps_leaves_a_whole_trail_in_order() {
    let place = Place::make(None).await;
    let clock = place.path("clock");
    let mut jumps = Vec::new();
    for (run, days) in RUNS.iter().enumerate() {
        std::fs::write(&clock, format!("{:<20}", days[0] * DAY_S)).expect("written");
        let mut command = place.command(&airlock_binary());
        shift_clock(command.args(place.serve_arguments()), &clock);
        let served = place.start(command).await;
        if run == 0 {
            let manifest = "name = \"one\"\nlanguage = \"component\"\n";
            let component = WatGuest::returning("1").component();
            served.deploy_as(&TokenSpec::control(), manifest, component).await.expect("deployed");
        }
        for days in *days {
            call(&served, &clock, *days).await;
            jumps.push(*days);
        }
        let (status, said) = served.stop().await;
        assert!(status.success(), "{said:#?}");
    }
    let report = Store::open_read_only(&place.path("state")).expect("opened").verify(None).await.expect("verified");
    assert!(report.integrity && report.calls.complete, "{report:?}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_millis();
    let now = i64::try_from(now).expect("small");
    let trail = whole_trail(&place.path("state"), 0).await;
    let ended = trail.iter().filter(|record| record.event.kind == airlock_model::AuditKind::InvocationFinished);
    let seen: Vec<_> = ended
        .map(|record| {
            let ahead_ms = record.event.time_unix_ms.cast_signed() - now;
            (record.event.call_number, (ahead_ms + DAY_S * 500).div_euclid(DAY_S * 1_000))
        })
        .collect();
    assert!(seen.is_sorted_by_key(|(number, _)| *number), "by their numbers, whatever the clock said: {seen:?}");
    let days: Vec<i64> = seen.iter().step_by(3).map(|(_, days)| *days).collect();
    assert_eq!((seen.len(), days), (jumps.len() * 3, jumps), "each says what its clock said");
}
