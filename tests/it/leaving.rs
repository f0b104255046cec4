//! A thread that ends takes its timers with it: nothing that began there may still want them.

use std::time::Duration;

use airlock_tests::{guests::WatGuest, process::Place};
use tokio::time::{sleep, timeout};

const MANIFEST: &str =
    "name = \"spin\"\nlanguage = \"component\"\n[limits]\nwall_time_ms = 9_000\nfuel = 100_000_000_000\n";

#[tokio::test]
async fn a_caller_that_leaves_while_the_server_drains_breaks_nothing() {
    let place = Place::make(None).await;
    for _ in 0..3 {
        let mut server = place.serve().await;
        let spin = WatGuest::new("(loop $again (br $again)) (i32.const 0)");
        server.deploy(MANIFEST, spin.component()).await.expect("deployed");
        {
            let call = server.invoke("spin", "null");
            assert!(timeout(Duration::from_millis(500), call).await.is_err(), "it never ends by itself");
            let mut call = std::pin::pin!(server.invoke("spin", "null"));
            assert!(timeout(Duration::from_millis(500), &mut call).await.is_err(), "it never ends by itself");
            server.terminate();
            sleep(Duration::from_millis(200)).await;
        }
        server.hang_up();
        let (status, said) = server.ended().await;
        assert!(status.success(), "{status}: {said:#?}");
        assert!(!said.iter().any(|line| line.contains("panicked")), "{said:#?}");
    }
}
