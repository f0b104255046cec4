//! What was acknowledged is there after a kill.
//!
//! `AIRLOCK_STORE_KILL_POINTS` sets how many kills (20 when not set; 500 before a release).

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::Child,
};

use airlock_model::Digest;

use super::{Random, child, open, state_dir};
use crate::{AuditFilter, Store};

/// What a child was told is durable: hash and call number by record.
type Acknowledged = BTreeMap<u64, (Digest, u64)>;

fn parse(line: &str) -> Option<(u64, (Digest, u64))> {
    let mut words = line.split(' ');
    let (seq, hash, number) = (words.next()?, words.next()?, words.next()?);
    Some((seq.parse().ok()?, (hash.parse().ok()?, number.parse().ok()?)))
}

/// Lets the child acknowledge so many records, kills it with SIGKILL, and reads what it still got out.
fn kill_after(mut child: Child, acknowledgements: u64) -> Acknowledged {
    let mut said = BufReader::new(child.stderr.take().expect("piped"));
    let mut text = String::new();
    for _ in 0..acknowledgements {
        assert!(said.read_line(&mut text).expect("read") > 0, "the child ended early: {text}");
    }
    child.kill().expect("killed");
    child.wait().expect("reaped");
    said.read_to_string(&mut text).expect("read");
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| parse(line).unwrap_or_else(|| panic!("the child said {line:?}"))).collect()
}

async fn all_present(dir: &Path, acknowledged: &Acknowledged) {
    let store = Store::open_read_only(dir).expect("opened");
    for (seq, (hash, number)) in acknowledged {
        let filter = AuditFilter { after_seq: Some(seq - 1), limit: Some(1), ..AuditFilter::default() };
        let found = store.query(filter).await.expect("found");
        let record = found.first().unwrap_or_else(|| panic!("record {seq} was acknowledged and is lost"));
        assert_eq!((record.seq, record.hash, record.event.call_number), (*seq, *hash, Some(*number)));
    }
}

/// Kills that one state directory survives before the next begins, so that verifying it all each time stays quick.
const KILLS_PER_DIRECTORY: u64 = 20;

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let mut points = kill_points();
    let mut random = Random(11);
    while points > 0 {
        let kills = KILLS_PER_DIRECTORY.min(points);
        survive_kills(kills, &mut random).await;
        points -= kills;
    }
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests sets how long they may take")]
fn kill_points() -> u64 {
    env::var("AIRLOCK_STORE_KILL_POINTS").map_or(20, |text| text.parse().expect("a number of kills"))
}

async fn survive_kills(kills: u64, random: &mut Random) {
    let dir = state_dir();
    let mut numbers = BTreeMap::new();
    for kill in 0..kills {
        let acknowledged = kill_after(child::start("append", dir.path()), 1 + random.below(120));
        for (seq, (_, number)) in &acknowledged {
            assert_eq!(numbers.insert(*number, *seq), None, "kill {kill}: call number {number} was issued twice");
        }
        all_present(dir.path(), &acknowledged).await;
        let report = open(dir.path()).verify(None).await.expect("verified");
        assert!(report.integrity && report.seq_gaps.is_empty(), "kill {kill}: {report:?}");
        assert_eq!(report.calls.repeated, 0, "kill {kill}: {report:?}");
    }
}

#[tokio::test]
async fn a_write_that_fails_stops_the_store_and_loses_nothing() {
    let dir = state_dir();
    drop(open(dir.path()));
    let output = child::start_starved("starve", dir.path(), 400).wait_with_output().expect("ended");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success() && said.contains("stopped: "), "{said}");
    let acknowledged: Acknowledged = said.lines().filter_map(parse).collect();
    assert!(!acknowledged.is_empty(), "the cap left no room at all: {said}");
    all_present(dir.path(), &acknowledged).await;
    assert!(open(dir.path()).verify(None).await.expect("verified").integrity);
}
