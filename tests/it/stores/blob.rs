//! What both engines of object stores promise: whose objects are whose, pieces, caps, and what happens to a link.

use std::{os::unix::fs::symlink, sync::Arc};

use airlock_model::{BlobAction, BlobReply, HostError};
use airlock_tests::{
    s3::S3,
    stores::{BlobClient, put},
};

const DIRECTORY: &str = "engine = \"directory\"\npath = \"files\"\noperations = [\"read\", \"write\"]\n";

/// Both engines, each with `extra` in its binding. The server lives as long as its guard.
fn both(extra: &str) -> (S3, [(&'static str, Arc<BlobClient>); 2]) {
    let server = S3::start();
    let clients = [
        ("directory", Arc::new(BlobClient::new(&format!("{DIRECTORY}{extra}")))),
        ("s3", Arc::new(BlobClient::new(&server.binding(extra)))),
    ];
    (server, clients)
}

fn head(key: &str) -> BlobAction {
    BlobAction::Head { key: key.to_owned() }
}

fn delete(key: &str) -> BlobAction {
    BlobAction::Delete { key: key.to_owned() }
}

#[tokio::test]
async fn objects_come_back_as_they_were() {
    let (_server, engines) = both("");
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    for (engine, blob) in engines {
        for bytes in [&b""[..], b"text", b"\0\xff\r\n", &large] {
            let stored = blob.put("acme", "k", bytes).await.expect("stored");
            assert_eq!(blob.get("acme", "k").await.as_deref(), Some(bytes), "{engine}");
            let Ok(BlobReply::Info(Some(info))) = blob.ask("acme", head("k")).await else {
                panic!("{engine}: no head")
            };
            let told = (info.size_bytes, info.content_type.as_str(), BlobReply::Stored(info.etag.clone()));
            assert_eq!(told, (bytes.len() as u64, "text/plain", stored), "{engine}");
        }
        for (offset, length, expected) in [
            (0, Some(3), &large[..3]),
            (2_999_990, None, &large[2_999_990..]),
            (2_999_990, Some(100), &large[2_999_990..]),
            (1_000_000, Some(1), &large[1_000_000..1_000_001]),
            (3_000_000, None, &[]),
            (4_000_000, Some(1), &[]),
        ] {
            let piece = blob.piece("acme", "k", offset, length).await.expect("it is there");
            assert_eq!((piece.bytes.as_slice(), piece.info.size_bytes), (expected, 3_000_000), "{engine} {offset}");
        }
        for _ in 0..2 {
            assert_eq!(blob.ask("acme", delete("k")).await, Ok(BlobReply::Deleted), "{engine}");
        }
        assert_eq!(blob.get("acme", "k").await, None, "{engine}");
        assert_eq!(blob.ask("acme", head("k")).await, Ok(BlobReply::Info(None)), "{engine}");
        let larger = blob.put("acme", "k", &vec![0; (8 << 20) + 1]).await;
        assert!(matches!(&larger, Err(HostError::BadRequest(text)) if text.contains("8388608")), "{engine} {larger:?}");
    }
}

#[tokio::test]
async fn no_tenant_sees_anothers_objects() {
    let (_server, engines) = both("");
    for (engine, blob) in engines {
        for tenant in ["globex", "acme2", "acm"] {
            blob.put(tenant, "secret", tenant.as_bytes()).await.expect("stored");
        }
        for key in ["../globex/secret", "..", "/globex/secret", "a/../../globex/secret", "a\\..\\b", "a//b", "a\0", ""]
        {
            for action in [head(key), put(key, b"x"), delete(key)] {
                let refused = blob.ask("acme", action).await;
                assert!(matches!(refused, Err(HostError::BadRequest(_))), "{engine} {key:?}: {refused:?}");
            }
        }
        let odd = [
            "globex/secret",
            "tenant-globex",
            "%2e%2e/globex/secret",
            "..%2fglobex%2fsecret",
            "*",
            "?x=1",
            "#",
            "...",
            ".new-1-1",
            "~0",
            "con",
            "airlock/files/dev/globex/secret",
            "a b+c&d=e",
            "\u{202e}\u{feff}ü",
        ];
        for key in odd {
            assert_eq!(blob.get("acme", key).await, None, "{engine} {key}");
            blob.put("acme", key, key.as_bytes()).await.expect(key);
            assert_eq!(blob.get("acme", key).await.as_deref(), Some(key.as_bytes()), "{engine} {key}");
        }
        let mut expected = odd.map(str::to_owned).to_vec();
        expected.sort_unstable();
        assert_eq!(blob.keys("acme", "").await, expected, "{engine}");
        for prefix in ["../", "../globex/", "/", "globex/s*", "secret"] {
            assert_eq!(blob.keys("acme", prefix).await, Vec::<String>::new(), "{engine} {prefix}");
        }
        for cursor in ["../globex/a", "../", "~~~~"] {
            let page = blob.page("acme", "", Some(cursor)).await;
            let strays: Vec<_> = page.objects.iter().filter(|(key, _)| !odd.contains(&key.as_str())).collect();
            assert!(strays.is_empty(), "{engine} {cursor}: {strays:?}");
        }
        for tenant in ["globex", "acme2", "acm"] {
            assert_eq!(blob.keys(tenant, "").await, ["secret"], "{engine}");
            assert_eq!(blob.get(tenant, "secret").await.as_deref(), Some(tenant.as_bytes()), "{engine}");
        }
    }
}

#[tokio::test]
async fn long_listings_come_in_pages() {
    let (_server, engines) = both("");
    for (engine, blob) in engines {
        let mut expected: Vec<String> = (0..620).map(|n| format!("logs/{n:04}")).collect();
        // Too long for a file name.
        expected.push(format!("logs/{}", "x/".repeat(150) + "end"));
        for key in &expected {
            blob.put("acme", key, b"1").await.expect("stored");
        }
        blob.put("acme", "other", b"1").await.expect("stored");
        assert_eq!(blob.keys("acme", "logs/").await, expected, "{engine}");
        let page = blob.page("acme", "logs/", None).await;
        assert!(page.cursor.is_some() && page.objects.len() <= 500, "{engine}: {}", page.objects.len());
        assert!(page.objects.iter().all(|(_, size)| *size == 1), "{engine}");
    }
}

#[tokio::test]
async fn a_shared_binding_shares_and_another_does_not() {
    let (server, engines) = both("shared = true");
    for (engine, blob) in &engines {
        blob.put("acme", "k", b"1").await.expect("stored");
        assert_eq!(blob.get("globex", "k").await.as_deref(), Some(&b"1"[..]), "{engine}");
    }
    let own = BlobClient::new(&server.binding(""));
    assert_eq!(own.get("acme", "k").await, None);
}

#[tokio::test]
async fn a_reader_sees_all_of_one_object_or_all_of_another() {
    let blob = Arc::new(BlobClient::new(DIRECTORY));
    blob.put("acme", "k", &[b'a'; 50_000]).await.expect("stored");
    let writer = tokio::spawn({
        let blob = Arc::clone(&blob);
        async move {
            for n in 0..40 {
                let byte = [b'b', b'a'][n % 2];
                blob.put("acme", "k", &vec![byte; 50_000 + n]).await.expect("stored");
            }
        }
    });
    while !writer.is_finished() {
        let piece = blob.piece("acme", "k", 0, None).await.expect("always there");
        assert_eq!(piece.bytes.len() as u64, piece.info.size_bytes);
        assert!(piece.bytes.iter().all(|byte| *byte == piece.bytes[0]), "a mixture");
    }
    writer.await.expect("it ends");
}

#[tokio::test]
async fn a_tenant_fills_its_own_share_and_no_more() {
    let blob = BlobClient::new(&format!("{DIRECTORY}tenant_bytes_max = 1000\ntenant_objects_max = 3"));
    let full = |ended: &Result<BlobReply, HostError>| matches!(ended, Err(HostError::Denied { reason, .. }) if reason == "storage_full");
    blob.put("acme", "a", &[0; 900]).await.expect("room");
    let refused = blob.put("acme", "b", &[0; 101]).await;
    assert!(full(&refused), "{refused:?}");
    blob.put("acme", "a", &[0; 1_000]).await.expect("what is replaced makes room");
    blob.put("globex", "a", &[0; 1_000]).await.expect("another tenant has room");
    blob.put("acme", "a", b"").await.expect("smaller");
    for key in ["b", "c"] {
        blob.put("acme", key, b"1").await.expect("room");
    }
    let refused = blob.put("acme", "d", b"1").await;
    assert!(full(&refused), "{refused:?}");
    assert_eq!(blob.keys("acme", "").await, ["a", "b", "c"], "nothing of a refused object stays");
    blob.ask("acme", delete("a")).await.expect("deleted");
    blob.put("acme", "d", b"1").await.expect("room again");
}

#[tokio::test]
async fn a_link_that_somebody_puts_there_leads_nowhere() {
    let blob = BlobClient::new(DIRECTORY);
    blob.put("acme", "real", b"1").await.expect("stored");
    let outside = tempfile::tempdir().expect("a directory");
    let victim = outside.path().join("victim");
    std::fs::write(&victim, "x".repeat(10_000)).expect("a file");
    symlink(&victim, blob.path("tenant-acme/link")).expect("a link");
    symlink("../tenant-globex/secret", blob.path("tenant-acme/other")).expect("a link");
    let mut fifo = std::process::Command::new("mkfifo");
    assert!(fifo.arg(blob.path("tenant-acme/pipe")).status().expect("mkfifo").success());
    std::fs::create_dir(blob.path("tenant-acme/dir")).expect("a directory");
    std::fs::write(blob.path("tenant-acme/short"), "no head").expect("a file");
    blob.put("globex", "secret", b"globex").await.expect("stored");
    for key in ["link", "other", "pipe", "dir", "short"] {
        assert_eq!(blob.get("acme", key).await, None, "{key}");
        assert_eq!(blob.ask("acme", head(key)).await, Ok(BlobReply::Info(None)), "{key}");
    }
    blob.put("acme", "link", b"mine").await.expect("the link is replaced");
    assert_eq!(blob.get("acme", "link").await.as_deref(), Some(&b"mine"[..]));
    assert_eq!(std::fs::read_to_string(&victim).expect("still there"), "x".repeat(10_000));
    // A whole tenant's directory that is a link out of the store is not entered.
    symlink(outside.path(), blob.path("tenant-evil")).expect("a link");
    let refused = blob.put("evil", "k", b"x").await;
    assert!(matches!(&refused, Err(HostError::Unavailable(text)) if !text.contains('/')), "{refused:?}");
    assert_eq!(std::fs::read_dir(outside.path()).expect("a directory").count(), 1, "nothing was written there");
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_unavailable() {
    let blob = BlobClient::new(&DIRECTORY.replace("files", "nowhere"));
    let refused = blob.put("acme", "k", b"x").await;
    assert!(matches!(&refused, Err(HostError::Unavailable(text)) if !text.contains("nowhere")), "{refused:?}");
}
