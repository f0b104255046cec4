//! Memory that one large request took goes back to the system.

use std::time::{Duration, Instant};

use airlock_tests::process::Place;

const MANIFEST: &str = "name = \"large\"\nlanguage = \"component\"\n";
/// For a busy machine; the server looks twice a second.
const PATIENCE: Duration = Duration::from_secs(60);
/// GUARDS section 1: what may stay after a guest.
const KEPT_MIB_MAX: u64 = 16;

/// What no file backs, in MiB.
fn anonymous_mib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a running server");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("KiB") >> 10
}

#[tokio::test]
async fn what_a_large_deploy_took_comes_back() {
    let place = Place::make(None).await;
    let server = place.serve().await;
    assert!(server.deploy(MANIFEST, vec![0; 1 << 20]).await.is_err(), "zeros are no component");
    let before = anonymous_mib(server.id());
    for _ in 0..3 {
        assert!(server.deploy(MANIFEST, vec![0; 30 << 20]).await.is_err(), "zeros are no component");
    }
    let began = Instant::now();
    while anonymous_mib(server.id()) > before + KEPT_MIB_MAX {
        let now = anonymous_mib(server.id());
        assert!(began.elapsed() < PATIENCE, "{before} MiB before three deploys of 30 MiB and {now} MiB after them");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
