//! What both engines promise: whose keys are whose, what is atomic, what has room.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use airlock_model::{HostError, KvAction, KvReply};
use airlock_tests::{
    redis::Redis,
    stores::{KvClient, set},
};
use tokio::time::Instant;

const EMBEDDED: &str = "engine = \"embedded\"\noperations = [\"read\", \"write\"]\n";
/// What happens within it happens in time, on a machine that is often busy elsewhere.
const PATIENCE: Duration = Duration::from_secs(60);

/// Both engines, each with `extra` in its binding. The server lives as long as its guard.
fn both(extra: &str) -> (Redis, [(&'static str, Arc<KvClient>); 2]) {
    let server = Redis::start();
    let clients = [
        ("embedded", Arc::new(KvClient::new(&format!("{EMBEDDED}{extra}")))),
        ("redis", Arc::new(KvClient::new(&server.binding(extra)))),
    ];
    (server, clients)
}

fn increment(key: &str, by: f64) -> KvAction {
    KvAction::Increment { key: key.to_owned(), by, ttl_ms: None }
}

fn compare_and_set(key: &str, expected: Option<&str>, value: &str) -> KvAction {
    let expected = expected.map(str::to_owned);
    KvAction::CompareAndSet { key: key.to_owned(), expected, value: value.to_owned(), ttl_ms: None }
}

fn delete(key: &str) -> KvAction {
    KvAction::Delete { key: key.to_owned() }
}

fn code(ended: Result<KvReply, HostError>) -> String {
    match ended {
        Err(HostError::Backend { code, .. }) => code,
        Err(error) => error.reason().to_owned(),
        Ok(reply) => format!("{reply:?}"),
    }
}

#[tokio::test]
async fn values_come_back_as_they_were() {
    let (_server, engines) = both("");
    let long = "x".repeat(1 << 20);
    for (engine, kv) in engines {
        for value in ["", "text", "a\0b\r\n$5\r\n", "grüße 漢字 \u{10ffff}", &long] {
            assert_eq!(kv.set("acme", "k", value).await, Ok(KvReply::Set), "{engine}");
            assert_eq!(kv.get("acme", "k").await.as_deref(), Some(value), "{engine}");
        }
        assert_eq!(kv.ask("acme", delete("k")).await, Ok(KvReply::Deleted(true)), "{engine}");
        assert_eq!(kv.ask("acme", delete("k")).await, Ok(KvReply::Deleted(false)), "{engine}");
        assert_eq!(kv.get("acme", "k").await, None, "{engine}");
        let larger = kv.set("acme", "k", &format!("{long}x")).await;
        assert!(matches!(&larger, Err(HostError::BadRequest(text)) if text.contains("1048576")), "{larger:?}");
    }
}

/// Keys that mean something to a glob, a LIKE, a path, a protocol or a prefix.
const HOSTILE: [&str; 14] = [
    "../globex:secret",
    "globex:secret",
    "../../secret",
    "*",
    "?ecret",
    "[a-z]ecret",
    "s\\*",
    "%",
    "_ecret",
    "secret*",
    "' or 1=1 --",
    "SET",
    "airlock:cache:dev:globex:secret",
    ":",
];

#[tokio::test]
async fn no_tenant_sees_anothers_keys() {
    let (_server, engines) = both("");
    for (engine, kv) in engines {
        for tenant in ["globex", "acme2", "acm"] {
            for key in ["secret", "decret", "s"] {
                kv.set(tenant, key, tenant).await.expect("set");
            }
        }
        for key in HOSTILE {
            assert_eq!(kv.get("acme", key).await, None, "{engine} {key}");
            assert_eq!(kv.keys("acme", key).await, Vec::<String>::new(), "{engine} {key}");
            assert_eq!(kv.ask("acme", delete(key)).await, Ok(KvReply::Deleted(false)), "{engine} {key}");
            assert_eq!(kv.ask("acme", compare_and_set(key, Some("globex"), "x")).await, Ok(KvReply::Swapped(false)));
            assert_eq!(kv.ask("acme", increment(key, 1.0)).await, Ok(KvReply::Number(1)), "{engine} {key}");
        }
        let own: BTreeSet<String> = HOSTILE.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(kv.keys("acme", "").await.into_iter().collect::<BTreeSet<_>>(), own, "{engine}");
        for tenant in ["globex", "acme2", "acm"] {
            assert_eq!(kv.keys(tenant, "").await, ["decret", "s", "secret"], "{engine}");
            assert_eq!(kv.get(tenant, "secret").await.as_deref(), Some(tenant), "{engine}");
        }
        for key in ["", "a\0", "a\nb", "\u{7f}", &"x".repeat(513)] {
            let refused = kv.ask("acme", KvAction::Get { key: key.to_owned() }).await;
            assert!(matches!(refused, Err(HostError::BadRequest(_))), "{engine} {key:?}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn a_prefix_means_its_own_characters() {
    let (_server, engines) = both("");
    for (engine, kv) in engines {
        for key in ["a*b", "axb", "a?b", "a[b]c", "abc", "a\\b", "a%b", "a_b", "a-b", "a^b", "A*B", "ä"] {
            kv.set("acme", key, "1").await.expect("set");
        }
        for (prefix, expected) in [
            ("a*", vec!["a*b"]),
            ("a?", vec!["a?b"]),
            ("a[b]", vec!["a[b]c"]),
            ("a\\", vec!["a\\b"]),
            ("a%", vec!["a%b"]),
            ("a_", vec!["a_b"]),
            ("a-", vec!["a-b"]),
            ("a^", vec!["a^b"]),
            ("A", vec!["A*B"]),
            ("[", vec![]),
            ("ä", vec!["ä"]),
        ] {
            assert_eq!(kv.keys("acme", prefix).await, expected, "{engine} {prefix}");
        }
    }
}

#[tokio::test]
async fn long_listings_come_in_pages() {
    let (server, engines) = both("");
    for (engine, kv) in engines {
        let expected: Vec<String> = (0..2_500).map(|n| format!("k{n:05}")).collect();
        let sets: Vec<_> = expected.iter().map(|key| kv.set("acme", key, "1")).collect();
        for set in sets {
            set.await.expect("set");
        }
        kv.set("acme", "other", "1").await.expect("set");
        assert_eq!(kv.keys("acme", "k").await, expected, "{engine}");
        let first = KvAction::List { prefix: "k".to_owned(), cursor: None };
        let Ok(KvReply::Keys(page)) = kv.ask("acme", first).await else { panic!("no page") };
        assert!(page.cursor.is_some() && page.keys.len() < 2_500, "{engine}: {}", page.keys.len());
        let made_up = KvAction::List { prefix: "k".to_owned(), cursor: Some("zzz".to_owned()) };
        let answer = kv.ask("acme", made_up).await;
        assert!(matches!(&answer, Err(HostError::BadRequest(_)) | Ok(KvReply::Keys(_))), "{engine} {answer:?}");
    }
    drop(server);
}

#[tokio::test]
async fn entries_expire() {
    let (_server, engines) = both("");
    for (engine, kv) in engines {
        kv.ask("acme", set("brief", "1", Some(1_500.0))).await.expect("set");
        kv.ask("acme", set("long", "1", Some(3_600_000.0))).await.expect("set");
        let counted = KvAction::Increment { key: "window".to_owned(), by: 1.0, ttl_ms: Some(1_500.0) };
        kv.ask("acme", counted.clone()).await.expect("counted");
        let again = kv.ask("acme", counted).await.expect("counted");
        let end = Instant::now() + PATIENCE;
        while kv.get("acme", "brief").await.is_some() || kv.get("acme", "window").await.is_some() {
            assert!(Instant::now() < end, "{engine}: it stays");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(again == KvReply::Number(2) || again == KvReply::Number(1), "{engine}: {again:?}");
        assert_eq!(kv.keys("acme", "").await, ["long"], "{engine}");
        assert_eq!(kv.ask("acme", compare_and_set("brief", None, "new")).await, Ok(KvReply::Swapped(true)), "{engine}");
        assert_eq!(kv.ask("acme", delete("window")).await, Ok(KvReply::Deleted(false)), "{engine}");
        assert_eq!(kv.set("acme", "long", "2").await, Ok(KvReply::Set), "{engine}: it has no end any more");
    }
}

#[tokio::test]
async fn concurrent_changes_lose_nothing() {
    let (_server, engines) = both("");
    for (engine, kv) in engines {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let kv = Arc::clone(&kv);
                tokio::spawn(async move {
                    for _ in 0..25 {
                        kv.ask("acme", increment("sum", 2.0)).await.expect("a sum");
                        while !add_one_by_swapping(&kv).await {}
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.expect("it ends");
        }
        assert_eq!(kv.get("acme", "sum").await.as_deref(), Some("400"), "{engine}");
        assert_eq!(kv.get("acme", "swapped").await.as_deref(), Some("200"), "{engine}");
    }
}

async fn add_one_by_swapping(kv: &KvClient) -> bool {
    let held = kv.get("acme", "swapped").await;
    let next = held.as_deref().map_or(0, |text| text.parse::<u64>().expect("a number")) + 1;
    kv.ask("acme", compare_and_set("swapped", held.as_deref(), &next.to_string())).await == Ok(KvReply::Swapped(true))
}

#[tokio::test]
async fn counters_stay_exact_and_say_what_is_wrong() {
    let (_server, engines) = both("");
    for (engine, kv) in engines {
        let most = 9_007_199_254_740_991.0;
        assert_eq!(kv.ask("acme", increment("n", most)).await, Ok(KvReply::Number(9_007_199_254_740_991)), "{engine}");
        assert_eq!(code(kv.ask("acme", increment("n", 1.0)).await), "KV_OUT_OF_RANGE", "{engine}");
        assert_eq!(kv.ask("acme", increment("n", -most)).await, Ok(KvReply::Number(0)), "{engine}");
        assert_eq!(kv.get("acme", "n").await.as_deref(), Some("0"), "{engine}");
        for text in ["x", "1.5", "", "+1", " 1", "99999999999999999999", "\"7\""] {
            kv.set("acme", "n", text).await.expect("set");
            assert_eq!(code(kv.ask("acme", increment("n", 1.0)).await), "KV_NOT_A_NUMBER", "{engine} {text}");
            assert_eq!(kv.get("acme", "n").await.as_deref(), Some(text), "{engine}");
        }
        kv.set("acme", "n", "9007199254740993").await.expect("set");
        assert_eq!(code(kv.ask("acme", increment("n", -10.0)).await), "KV_OUT_OF_RANGE", "{engine}");
        for by in [0.5, f64::NAN, f64::INFINITY, 9_007_199_254_740_992.0] {
            assert_eq!(code(kv.ask("acme", increment("n", by)).await), "host_call_malformed", "{engine} {by}");
        }
    }
}

#[tokio::test]
async fn a_shared_binding_shares_and_another_does_not() {
    let (server, engines) = both("shared = true");
    for (engine, kv) in &engines {
        kv.set("acme", "k", "1").await.expect("set");
        assert_eq!(kv.get("globex", "k").await.as_deref(), Some("1"), "{engine}");
    }
    let own = KvClient::new(&server.binding(""));
    assert_eq!(own.get("acme", "k").await, None);
    let elsewhere = KvClient::new(&server.binding("prefix = \"elsewhere:\""));
    elsewhere.set("acme", "k", "2").await.expect("set");
    assert_eq!(own.get("acme", "k").await, None);
    assert_eq!(server.ask(&["GET", "elsewhere:acme:k"]), "2");
}

#[tokio::test]
async fn a_tenant_fills_its_own_share_and_no_more() {
    let kv = KvClient::new(&format!("{EMBEDDED}tenant_bytes_max = \"64KiB\"\nfile_bytes_max = \"4MiB\""));
    let block = "x".repeat(10_000);
    for n in 0..6 {
        kv.set("acme", &n.to_string(), &block).await.expect("room");
    }
    for action in [set("6", &block, None), compare_and_set("6", None, &block), set("0", &block.repeat(2), None)] {
        let refused = kv.ask("acme", action).await;
        assert!(matches!(&refused, Err(HostError::Denied { reason, .. }) if reason == "storage_full"), "{refused:?}");
    }
    assert_eq!(kv.get("acme", "6").await, None);
    assert_eq!(kv.get("acme", "0").await.map(|value| value.len()), Some(10_000), "nothing of a refused change stays");
    kv.set("globex", "0", &block).await.expect("another tenant has room");
    kv.ask("acme", delete("0")).await.expect("deleted");
    kv.ask("acme", set("6", &block, Some(1.0))).await.expect("room again");
    let end = Instant::now() + PATIENCE;
    while kv.set("acme", "7", &block).await.is_err() {
        assert!(Instant::now() < end, "what has expired takes no room");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_full_file_refuses_and_goes_on() {
    let kv = KvClient::new(&format!("{EMBEDDED}file_bytes_max = \"512KiB\""));
    let block = "x".repeat(50_000);
    let (mut kept, mut refused) = (0, None);
    for n in 0..40 {
        // Each tenant stays within its own share.
        match kv.set(&format!("t{n}"), "k", &block).await {
            Ok(_) => kept += 1,
            Err(error) => refused = Some(error),
        }
    }
    assert!(matches!(&refused, Some(HostError::Denied { reason, .. }) if reason == "storage_full"), "{refused:?}");
    assert!((2..40).contains(&kept), "{kept}");
    assert_eq!(kv.get("t0", "k").await.map(|value| value.len()), Some(50_000));
    kv.ask("t0", delete("k")).await.expect("there is room to remove");
    kv.set("t0", "k", "small").await.expect("and to set again");
}

#[tokio::test]
async fn what_is_set_outlives_the_process() {
    let kv = KvClient::new(EMBEDDED);
    kv.set("acme", "k", "v").await.expect("set");
    let state = kv.into_state();
    let kv = KvClient::in_state(EMBEDDED, state);
    assert_eq!(kv.get("acme", "k").await.as_deref(), Some("v"));
}

#[tokio::test]
async fn a_call_that_is_over_changes_nothing() {
    let kv = KvClient::new(EMBEDDED);
    kv.set("acme", "k", "before").await.expect("set");
    let past = Instant::now();
    let late = kv.ask_until("acme", set("k", "after", None), past).await;
    assert!(matches!(late, Err(HostError::Timeout(_))), "{late:?}");
    for _ in 0..50 {
        // Dropped wherever it is.
        let _dropped = tokio::time::timeout(Duration::from_micros(50), kv.set("acme", "dropped", "x")).await;
    }
    assert_eq!(kv.get("acme", "k").await.as_deref(), Some("before"));
    kv.set("acme", "k", "after").await.expect("the store goes on");
}

#[tokio::test]
async fn a_file_that_is_no_store_is_unavailable() {
    let state = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(state.path().join("kv")).expect("a directory");
    std::fs::write(state.path().join("kv/cache.dev.db"), "not a database at all".repeat(1_000)).expect("a file");
    let kv = KvClient::in_state(EMBEDDED, state);
    let refused = kv.set("acme", "k", "v").await;
    assert!(matches!(&refused, Err(HostError::Unavailable(text)) if !text.contains('/')), "{refused:?}");
}
