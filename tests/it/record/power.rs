//! The power goes while a real server works: what is left starts, and has everything that somebody was told.
//!
//! `AIRLOCK_SERVER_POWER_CUTS` sets how many cuts (4 when not set; 100 before a release). The thousand of the store alone are in
//! `airlock-store`.

use std::{collections::HashSet, fs};

use airlock_model::AuditKind;
use airlock_tests::{
    airlock_binary,
    disk::{self, Disk, Op, Seeded, Watched},
    guests,
    process::{Place, whole_trail},
    times,
};
use serde_json::json;

use super::checkpoints::judged;

const CALLS: usize = 60;

/// A server's work on its state directory, with marks of what callers and collectors of checkpoints had been told.
async fn history(place: &Place) -> Vec<Op> {
    let (state, log) = (place.path("state"), place.path("log"));
    let mut command = place.command(&airlock_binary());
    command.args(place.serve_arguments());
    Watched { dir: &state, log: &log, failing: None, space: None }.set_up(&mut command);
    let served = place.start(command).await;
    let (manifest, component) = guests::built("sql-probe");
    served.deploy(&manifest, component).await.expect("deployed");
    disk::mark(&log, "deployed");
    for call in 0..CALLS {
        let statement = format!("insert into orders (customer, total, status) values ('p{call}', 1, 'open')");
        let input = json!({ "op": "execute", "statement": statement }).to_string();
        let response = served.invoke("sql-probe", &input).await.expect("answered");
        disk::mark(&log, &format!("answered {}", response.invocation_id));
        let kept = fs::read_to_string(place.path("files/kept.jsonl")).expect("checkpoints");
        disk::mark(&log, &format!("kept {kept}"));
    }
    let (status, said) = served.stop().await;
    assert!(status.success(), "{said:#?}");
    disk::read(&log)
}

/// What was told before the cut.
#[derive(Default)]
struct Told {
    is_deployed: bool,
    answered: Vec<String>,
    kept: String,
}

impl Told {
    fn before(ops: &[Op]) -> Self {
        let mut told = Self::default();
        for op in ops {
            let Op::Mark(mark) = op else { continue };
            match mark.split_once(' ') {
                Some(("answered", invocation)) => told.answered.push(invocation.to_owned()),
                Some(("kept", lines)) => lines.clone_into(&mut told.kept),
                _ => told.is_deployed |= mark == "deployed",
            }
        }
        told
    }
}

#[tokio::test]
async fn a_server_starts_on_what_a_power_cut_leaves_and_has_all_that_was_told() {
    let place = Place::make(None).await;
    let state = place.path("state");
    place.configure(
        "[state]\ndir = \"state\"\n",
        &format!(
            "[state]\ndir = \"{}\"\n[audit.checkpoints]\nevery_s = 1\nfile = \"files/kept.jsonl\"\n",
            state.display()
        ),
    );
    let ops = history(&place).await;
    let kept = place.path("told.jsonl");
    let mut random = Seeded(77);
    for _ in 0..times("AIRLOCK_SERVER_POWER_CUTS", 4) {
        let (point, seed) = (random.below(ops.len() + 1), random.draw());
        println!("cut before operation {point} of {}, seed {seed}", ops.len());
        let mut disk = Disk::default();
        ops[..point].iter().for_each(|op| disk.play(op));
        fs::remove_dir_all(&state).expect("removed");
        fs::create_dir(&state).expect("a directory");
        disk.cut(&mut Seeded(seed), &state);
        let told = Told::before(&ops[..point]);

        let served = place.serve().await;
        if told.is_deployed {
            let count = r#"{"op":"query","statement":"select count(*) as n from orders"}"#;
            served.invoke("sql-probe", count).await.expect("what was deployed is there");
        }
        let (status, said) = served.stop().await;
        assert!(status.success(), "{said:#?}");
        fs::write(&kept, &told.kept).expect("written");
        let arguments = ["--checkpoint", kept.to_str().expect("UTF-8")];
        let (code, report) = judged(&state, if told.kept.is_empty() { &[] } else { &arguments });
        assert!(code == Some(0) || code == Some(1), "{report}");
        assert_eq!((&report["integrity"], &report["calls"]["repeated"]), (&true.into(), &0.into()), "{report}");
        let trail = whole_trail(&state, 0).await;
        let finished = trail.iter().filter(|record| record.event.kind == AuditKind::InvocationFinished);
        let finished: HashSet<&str> = finished.filter_map(|record| record.event.invocation.as_deref()).collect();
        for invocation in &told.answered {
            assert!(finished.contains(invocation.as_str()), "{invocation} was answered and has no record");
        }
    }
}
