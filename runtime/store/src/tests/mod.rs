//! What the store promises, tested on real files.

mod approvals;
mod artifacts;
mod checkpoints;
mod child;
mod completeness;
mod contract;
#[expect(unreachable_pub, dead_code, reason = "the harness of the integration tests has it too")]
#[path = "../../../../tests/harness/disk/mod.rs"]
mod disk;
mod durability;
mod exports;
mod failure;
mod faults;
mod group;
mod identity;
mod opening;
mod power;
mod releases;
mod retention;
mod room;
mod search;
mod spent;
mod tails;
mod tamper;
mod usage;
mod values;

use std::path::Path;

use airlock_model::{AuditEvent, AuditKind, Digest, EnvironmentName, FunctionName};
use tempfile::TempDir;

use crate::{NewRevision, Releaser, Store, StoreOptions, SyncMode};

/// A state directory of its own, gone afterwards.
fn state_dir() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Opens without waiting for the disk: for tests of anything but durability.
fn open(dir: &Path) -> Store {
    let options = StoreOptions { sync: SyncMode::OffForBenchmarksOnly, ..StoreOptions::default() };
    Store::open_with(dir, options).expect("the store opens")
}

fn finished(number: u64) -> AuditEvent {
    let mut event = AuditEvent::new(AuditKind::InvocationFinished, 1_000 + number);
    event.call_number = Some(number);
    event.invocation = Some(format!("invocation-{number}").into());
    event.function = Some(if number.is_multiple_of(2) { "even" } else { "odd" }.into());
    event
}

fn intent(number: u64) -> AuditEvent {
    AuditEvent { kind: AuditKind::HostCallIntent, ..finished(number) }
}

fn function(name: &str) -> FunctionName {
    name.parse().expect("a function name")
}

fn environment(name: &str) -> EnvironmentName {
    name.parse().expect("an environment name")
}

fn revision(name: &str, content: &str) -> NewRevision {
    NewRevision {
        function: function(name),
        environment: environment("dev"),
        component_digest: Digest::of(content.as_bytes()),
        artifact_digest: Digest::of(b"compiled"),
        manifest: format!("name = \"{name}\""),
        sources: [("src/main.ts".to_owned(), content.to_owned())].into(),
        findings: Vec::new(),
        statements: None,
        promoted_from: None,
        signed_by: None,
        signature: None,
        author: "ada".to_owned(),
        token_id: Some("token-1".to_owned()),
        created_unix_ms: 5,
    }
}

fn releaser() -> Releaser {
    Releaser { author: "ada".to_owned(), time_unix_ms: 6 }
}

fn deployed() -> AuditEvent {
    AuditEvent::new(AuditKind::FunctionDeployed, 6)
}

/// Small and seeded, so that a failing case can be run again (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
