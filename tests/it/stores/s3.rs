//! S3 in trouble: down, slow, redirecting, garbage: a typed error, and never a name or a secret. And signed URLs.

use std::time::Duration;

use airlock_model::{BlobAction, BlobReply, HostError};
use airlock_tests::{
    s3::{S3, S3_NAMES, S3_SECRET, fetch},
    stores::{BlobClient, put},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::Instant,
};

fn get() -> BlobAction {
    BlobAction::Get { key: "k".to_owned(), offset: 0.0, length: None }
}

fn hides_everything(error: &HostError) -> bool {
    let text = format!("{error:?}");
    S3_NAMES.iter().chain(&[S3_SECRET]).all(|name| !text.contains(name))
}

async fn refused(client: &BlobClient, action: BlobAction) -> HostError {
    let soon = Instant::now() + Duration::from_secs(10);
    let error = client.ask_until("acme", action, soon).await.expect_err("no server");
    assert!(hides_everything(&error), "{error:?}");
    error
}

#[tokio::test]
async fn a_signed_url_reads_one_object_for_a_while() {
    let server = S3::start();
    let client = BlobClient::new(&server.binding("signed_url_ms_max = \"60s\""));
    let key = "reports/größe + a&b.txt";
    client.put("acme", key, b"for everybody").await.expect("stored");
    let url = |key: &str, ttl_ms| BlobAction::SignedUrl { key: key.to_owned(), ttl_ms };
    let Ok(BlobReply::Url(signed)) = client.ask("acme", url(key, 30_000.0)).await else { panic!("no URL") };
    assert!(!signed.contains(S3_SECRET), "{signed}");
    assert_eq!(fetch(&signed).await, (200, "for everybody".to_owned()));
    let other = signed.replace("/acme/", "/globex/");
    for changed in [other, signed.replace("Expires=30", "Expires=300"), signed.replace("reports", "secrets")] {
        assert_eq!(fetch(&changed).await.0, 403, "{changed}");
    }
    let Ok(BlobReply::Url(brief)) = client.ask("acme", url(key, 1.0)).await else { panic!("no URL") };
    let end = Instant::now() + Duration::from_secs(60);
    while fetch(&brief).await.0 == 200 {
        assert!(Instant::now() < end, "it never ends");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let longer = client.ask("acme", url(key, 60_001.0)).await;
    assert!(matches!(&longer, Err(HostError::BadRequest(text)) if text.contains("60000")), "{longer:?}");
    let without = BlobClient::new(&server.binding("")).ask("acme", url(key, 1_000.0)).await;
    assert!(matches!(&without, Err(HostError::BadRequest(text)) if text.contains("no URLs")), "{without:?}");
}

#[tokio::test]
async fn a_server_that_is_down_is_left_alone_for_a_while() {
    let server = S3::start();
    let (port, client) = (server.port(), BlobClient::new(&server.binding("")));
    client.put("acme", "k", b"x").await.expect("stored");
    drop(server);
    let mut last = refused(&client, get()).await;
    for _ in 0..6 {
        assert!(matches!(last, HostError::Unavailable(_)), "{last:?}");
        last = refused(&client, get()).await;
    }
    assert!(matches!(&last, HostError::Unavailable(text) if text.contains("tried again in")), "{last:?}");
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free again");
    refused(&client, get()).await;
    let tried = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(tried.is_err(), "nobody connects while the circuit is open");
}

#[tokio::test]
async fn a_wrong_secret_and_a_wrong_bucket_say_no_more() {
    let server = S3::start();
    let elsewhere = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(elsewhere.path(), "another-secret").expect("written");
    let binding = server.binding("");
    let file = binding.split("file = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a file");
    let wrong = binding.replace(file, &elsewhere.path().display().to_string());
    for binding in [wrong, binding.replace("\"objects-rq\"", "\"other-rq\"")] {
        let client = BlobClient::new(&binding);
        for action in [get(), put("k", b"x")] {
            let error = refused(&client, action).await;
            assert!(matches!(error, HostError::Unavailable(_)), "{error:?}");
        }
    }
}

#[tokio::test]
async fn an_address_needs_the_operators_word() {
    let server = S3::start();
    let client = BlobClient::new(&server.binding("allow_private = [\"10.0.0.0/8\"]\nallow_plaintext = true"));
    let error = refused(&client, get()).await;
    assert!(matches!(&error, HostError::Denied { reason, .. } if reason == "egress_denied"), "{error:?}");
}

/// What a port answers with instead of S3, to every connection; `None` says nothing at all.
async fn impostor(answer: Option<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut asked = [0; 4_096];
                let _read = stream.read(&mut asked).await;
                match answer {
                    Some(answer) => drop(stream.write_all(&answer).await),
                    None => std::future::pending().await,
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn what_is_no_s3_is_a_typed_error() {
    let server = S3::start();
    let trap = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let elsewhere = trap.local_addr().expect("an address");
    let answer = |head: &str, body: &str| {
        let length = body.len();
        Some(format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes())
    };
    let secrets = format!("<Error><Code>{S3_SECRET}</Code><Message>KEYRQ at objects-rq</Message></Error>");
    let answers = [
        answer(&format!("307 Temporary Redirect\r\nlocation: http://{elsewhere}/k"), ""),
        answer("200 OK", "no range"),
        answer("206 Partial Content", "no range"),
        answer("206 Partial Content\r\ncontent-range: bytes 0-9/x", "0123456789"),
        answer("206 Partial Content\r\ncontent-range: bytes 0-9/10", &"x".repeat(3 << 20)),
        answer("403 Forbidden", &secrets),
        answer("404 Not Found", &secrets),
        answer("503 Slow Down", &"x".repeat(6 << 20)),
        Some(b"garbage\r\n\r\n".to_vec()),
        Some(b"HTTP/1.1 206 Partial Content\r\ncontent-length: 1000\r\n\r\nshort".to_vec()),
        Some(Vec::new()),
    ];
    for answer in answers {
        let port = impostor(answer.clone()).await;
        let client = BlobClient::new(&server.binding(&format!("base_url = \"http://127.0.0.1:{port}\"")));
        let shown: String = String::from_utf8_lossy(&answer.unwrap_or_default()).chars().take(80).collect();
        let error = refused(&client, get()).await;
        assert!(matches!(error, HostError::Unavailable(_) | HostError::Backend { .. }), "{shown}: {error:?}");
        let list = BlobAction::List { prefix: String::new(), cursor: None };
        let error = refused(&client, list).await;
        assert!(matches!(error, HostError::Unavailable(_) | HostError::Backend { .. }), "{shown}: {error:?}");
    }
    let followed = tokio::time::timeout(Duration::from_millis(50), trap.accept()).await;
    assert!(followed.is_err(), "a redirect was followed");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_a_timeout() {
    let server = S3::start();
    let port = impostor(None).await;
    let client = BlobClient::new(&server.binding(&format!("base_url = \"http://127.0.0.1:{port}\"")));
    let soon = || Instant::now() + Duration::from_millis(300);
    let read = client.ask_until("acme", get(), soon()).await.expect_err("silence");
    assert!(matches!(&read, HostError::Timeout(_)) && hides_everything(&read), "{read:?}");
    let change = client.perform("acme", put("k", b"x"), soon()).await;
    assert!(matches!(&change.reply, Err(HostError::Timeout(text)) if text.contains("not known")), "{change:?}");
    assert!(change.is_outcome_unknown);
}

#[tokio::test]
async fn a_change_without_a_whole_answer_is_unknown_and_one_that_was_not_sent_is_not() {
    let server = S3::start();
    let patient = || Instant::now() + Duration::from_secs(60);
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nshort".to_vec();
    let refused = b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_vec();
    for (answer, is_unknown) in [(cut, true), (Vec::new(), true), (refused, false)] {
        let port = impostor(Some(answer)).await;
        let client = BlobClient::new(&server.binding(&format!("base_url = \"http://127.0.0.1:{port}\"")));
        let change = client.perform("acme", put("k", b"x"), patient()).await;
        assert_eq!(change.is_outcome_unknown, is_unknown, "{change:?}");
        assert!(matches!(&change.reply, Err(HostError::Unavailable(text)) if text.contains("not known") == is_unknown));
        let read = client.perform("acme", get(), patient()).await;
        assert!(read.reply.is_err() && !read.is_outcome_unknown, "{read:?}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let client = BlobClient::new(&server.binding(&format!("base_url = \"http://{nobody}\"")));
    let change = client.perform("acme", put("k", b"x"), patient()).await;
    assert!(change.reply.is_err() && !change.is_outcome_unknown, "{change:?}");
}
