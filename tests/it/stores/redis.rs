//! Redis in trouble: down, slow, restarted, full, garbage: a typed error, and never a name or a password.

use std::time::Duration;

use airlock_model::{HostError, KvAction, KvReply};
use airlock_tests::{
    redis::{REDIS_SECRET, Redis},
    stores::{KvClient, set},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::Instant,
};

fn get() -> KvAction {
    KvAction::Get { key: "k".to_owned() }
}

fn hides_everything(error: &HostError) -> bool {
    let text = format!("{error:?}");
    ["127.0.0.1", REDIS_SECRET, "default", "password"].iter().all(|name| !text.contains(name))
}

async fn refused(client: &KvClient) -> HostError {
    let error = client.ask("acme", get()).await.expect_err("no server");
    assert!(hides_everything(&error), "{error:?}");
    error
}

#[tokio::test]
async fn a_server_that_is_down_is_left_alone_for_a_while() {
    let server = Redis::start();
    let (port, client) = (server.port(), KvClient::new(&server.binding("")));
    drop(server);
    for _ in 0..5 {
        let error = refused(&client).await;
        assert!(matches!(&error, HostError::Unavailable(text) if text.contains("refuses connections")), "{error:?}");
    }
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free again");
    let error = refused(&client).await;
    assert!(matches!(&error, HostError::Unavailable(text) if text.contains("tried again in")), "{error:?}");
    let tried = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(tried.is_err(), "nobody connects while the circuit is open");
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let mut server = Redis::start();
    let client = KvClient::new(&server.binding("connections_max = 1"));
    client.set("acme", "k", "v").await.expect("set");
    server.restart();
    let end = Instant::now() + Duration::from_secs(60);
    // The end of an idle connection may not have arrived yet.
    while client.set("acme", "k", "new").await.is_err() {
        assert!(Instant::now() < end, "it is not found again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(client.get("acme", "k").await.as_deref(), Some("new"));
}

#[tokio::test]
async fn a_server_that_answers_nothing_is_a_timeout_and_its_connection_is_not_used_again() {
    let server = Redis::start();
    let client = KvClient::new(&server.binding("connections_max = 1"));
    client.set("acme", "k", "v").await.expect("set");
    server.freeze();
    let soon = || Instant::now() + Duration::from_millis(300);
    let slow = client.ask_until("acme", get(), soon()).await.expect_err("frozen");
    assert!(matches!(slow, HostError::Timeout(_)), "{slow:?}");
    let change = client.ask_until("acme", set("k", "other", None), soon()).await.expect_err("frozen");
    assert!(matches!(&change, HostError::Timeout(_)) && hides_everything(&change), "{change:?}");
    server.thaw();
    // An answer to the first command would be taken for one to the next.
    client.set("acme", "other", "mine").await.expect("thawed");
    assert_eq!(client.get("acme", "other").await.as_deref(), Some("mine"));
}

#[tokio::test]
async fn a_change_that_may_have_happened_says_so() {
    let server = Redis::start();
    let client = KvClient::new(&server.binding("connections_max = 1"));
    client.set("acme", "k", "v").await.expect("set");
    server.freeze();
    let soon = || Instant::now() + Duration::from_millis(300);
    let change = client.perform("acme", set("k", "other", None), soon()).await;
    let read = client.perform("acme", get(), soon()).await;
    server.thaw();
    assert!(matches!(&change.reply, Err(HostError::Timeout(text)) if text.contains("not known")), "{change:?}");
    assert!(change.is_outcome_unknown && !read.is_outcome_unknown, "{read:?}");
}

#[tokio::test]
async fn a_wrong_password_is_unavailable_and_says_no_more() {
    let server = Redis::start();
    server.ask(&["CONFIG", "SET", "requirepass", "another"]);
    let client = KvClient::new(&server.binding(""));
    assert!(matches!(refused(&client).await, HostError::Unavailable(_)));
}

#[tokio::test]
async fn what_functions_did_not_put_there_is_a_typed_error() {
    let server = Redis::start();
    let client = KvClient::new(&server.binding("value_bytes_max = 1000"));
    let key = "airlock:cache:dev:acme:k";
    server.ask(&["RPUSH", key, "a"]);
    let codes = [("get", get()), ("increment", KvAction::Increment { key: "k".into(), by: 1.0, ttl_ms: None })];
    for (name, action) in codes {
        let error = client.ask("acme", action).await.expect_err(name);
        assert!(matches!(&error, HostError::Backend { code, .. } if code == "KV_WRONG_TYPE"), "{name}: {error:?}");
    }
    server.ask(&["EVAL", "redis.call('SET', KEYS[1], '\\255\\254')", "1", key]);
    let error = refused(&client).await;
    assert!(matches!(&error, HostError::Backend { code, .. } if code == "KV_NOT_TEXT"), "{error:?}");
    for bytes in ["2000", "10000000"] {
        server.ask(&["EVAL", "redis.call('SET', KEYS[1], string.rep('x', ARGV[1]))", "1", key, bytes]);
        let error = refused(&client).await;
        assert!(matches!(&error, HostError::Backend { code, .. } if code == "KV_VALUE_TOO_LARGE"), "{error:?}");
    }
    client.set("acme", "k", "small").await.expect("set");
    assert_eq!(client.get("acme", "k").await.as_deref(), Some("small"));
}

#[tokio::test]
async fn a_full_server_is_full() {
    let server = Redis::start_with(&["--maxmemory", "2mb", "--maxmemory-policy", "noeviction"]);
    let client = KvClient::new(&server.binding(""));
    let block = "x".repeat(500_000);
    let mut ended = Ok(KvReply::Set);
    for n in 0..20 {
        ended = client.set("acme", &n.to_string(), &block).await;
    }
    assert!(matches!(&ended, Err(HostError::Denied { reason, .. }) if reason == "storage_full"), "{ended:?}");
}

#[tokio::test]
async fn an_address_needs_the_operators_word() {
    let server = Redis::start();
    let client = KvClient::new(&server.binding("allow_private = [\"10.0.0.0/8\"]"));
    let error = refused(&client).await;
    assert!(matches!(&error, HostError::Denied { reason, .. } if reason == "egress_denied"), "{error:?}");
}

#[tokio::test]
async fn a_user_with_no_more_rights_than_the_documents_say_is_enough() {
    let server = Redis::start();
    let password = format!(">{REDIS_SECRET}");
    let rights = ["~airlock:*", "+get", "+set", "+del", "+scan", "+eval", "+select"];
    server.ask(&[&["ACL", "SETUSER", "airlock", "on", &password][..], &rights].concat());
    let binding = server.binding("database = 1").replace("\"default\"", "\"airlock\"");
    let client = KvClient::new(&binding);
    client.set("acme", "k", "v").await.expect("set");
    assert_eq!(client.get("acme", "k").await.as_deref(), Some("v"));
    assert_eq!(client.keys("acme", "").await, ["k"]);
    let (key, value) = ("n".to_owned(), "2".to_owned());
    let changes = [
        KvAction::Increment { key: key.clone(), by: 1.0, ttl_ms: None },
        KvAction::CompareAndSet { key: key.clone(), expected: Some("1".to_owned()), value, ttl_ms: Some(60_000.0) },
        KvAction::Delete { key },
    ];
    let expected = [KvReply::Number(1), KvReply::Swapped(true), KvReply::Deleted(true)];
    for (action, reply) in changes.into_iter().zip(expected) {
        assert_eq!(client.ask("acme", action).await, Ok(reply));
    }
    assert_eq!(server.ask(&["-n", "1", "KEYS", "*"]), "airlock:cache:dev:acme:k");
    let outside = KvClient::new(&binding.replace("database = 1", "prefix = \"other:\""));
    let refused = outside.set("acme", "k", "v").await.expect_err("not its keys");
    assert!(matches!(refused, HostError::Unavailable(_)) && hides_everything(&refused), "{refused:?}");
}

#[tokio::test]
async fn tls_is_spoken_with_the_right_server_alone() {
    let server = Redis::start_with_tls();
    let tls = format!("host = \"localhost\"\ntls = \"verify-full\"\nca_file = \"{}\"", server.certificate());
    let client = KvClient::new(&server.binding(&tls));
    client.set("acme", "k", "v").await.expect("set");
    assert_eq!(client.get("acme", "k").await.as_deref(), Some("v"));
    for mistake in [
        tls.replace("localhost", "127.0.0.1"),
        "host = \"localhost\"\ntls = \"verify-full\"".to_owned(),
        "host = \"127.0.0.1\"".to_owned(),
    ] {
        let error = refused(&KvClient::new(&server.binding(&mistake))).await;
        assert!(matches!(error, HostError::Unavailable(_)), "{mistake}: {error:?}");
    }
}

/// What a port answers with instead of Redis, to everything.
async fn impostor(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = [0; 1024];
                while stream.read(&mut asked).await.is_ok_and(|read| read > 0) {
                    let _sent = stream.write_all(answer).await;
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn what_is_no_redis_is_unavailable_and_soon() {
    let server = Redis::start();
    let answers: [(&[u8], bool); 8] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", false),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\r\n", false),
        (b"$536870912\r\n", false),
        (b"*1000000000\r\n:1\r\n", false),
        (b"-ERR wrong password canary-redis-3c9e11b7 for 'default' at 127.0.0.1\r\n", false),
        (b":1\r\n", false),
        (b"+OK\r\n", false),
        (b"", true),
    ];
    for (answer, is_silent) in answers {
        let port = impostor(answer).await;
        let client = KvClient::new(&server.binding(&format!("port = {port}\nconnect_timeout_ms = 1000")));
        let soon = Instant::now() + Duration::from_secs(5);
        let error = client.ask_until("acme", get(), soon).await.expect_err("no Redis");
        let is_right = matches!(error, HostError::Unavailable(_) | HostError::Timeout(_));
        assert!(
            is_right && (is_silent || !matches!(error, HostError::Timeout(_)) || answer.starts_with(b"*")),
            "{answer:?}: {error:?}"
        );
        assert!(hides_everything(&error), "{error:?}");
    }
}
