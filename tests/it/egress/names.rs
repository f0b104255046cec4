//! Names that change their mind between two looks at them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use super::{
    client::{Api, is_denied_by, text},
    dns::{self, addresses},
    upstream::{Upstream, ok, response},
};

/// An address for the first questions about a name, another for all later ones; both kinds of addresses are asked for each time.
fn rebinding(first: &'static str, then: &'static str) -> (impl Fn(&str) -> dns::Found, Arc<AtomicUsize>) {
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    let zone = move |name: &str| {
        let is_first = count.fetch_add(1, SeqCst) < 2;
        addresses(name, &[if is_first { first } else { then }])
    };
    (zone, asked)
}

#[tokio::test]
async fn a_name_that_moves_is_judged_again_before_each_connection() {
    let upstream = Upstream::start(|_| response("200 OK", "connection: close\r\n", "here")).await;
    let port = upstream.address.port();
    let trap = Upstream::on(&format!("127.0.0.2:{port}"), |_| ok("trapped")).await;
    let (zone, asked) = rebinding("127.0.0.1", "127.0.0.2");
    let resolver = dns::serve(zone).await;
    let extra = "allow_plaintext = true\nallow_private = ['127.0.0.1/32']\nretries_max = 0";
    let api = Api::resolving(&format!("http://moving.test:{port}"), extra, Some(resolver));
    assert_eq!(api.get("/").await.map(|reply| text(&reply)), Ok("here".to_owned()));
    let moved = api.get("/").await;
    assert!(
        matches!(&moved, Err(airlock_model::HostError::Denied { rule, .. }) if rule.contains("loopback")),
        "{moved:?}"
    );
    assert_eq!((upstream.connections(), trap.connections()), (1, 0));
    assert!(asked.load(SeqCst) >= 4, "the name was looked up for each connection");
}

#[tokio::test]
async fn the_address_that_was_judged_is_the_one_that_is_dialled() {
    let upstream = Upstream::start(|_| ok("here")).await;
    let (zone, asked) = rebinding("127.0.0.1", "127.0.0.2");
    let resolver = dns::serve(zone).await;
    let extra = "allow_plaintext = true\nallow_private = ['127.0.0.0/8']";
    let api = Api::resolving(&format!("http://moving.test:{}", upstream.address.port()), extra, Some(resolver));
    for _ in 0..3 {
        assert_eq!(api.get("/").await.map(|reply| text(&reply)), Ok("here".to_owned()));
    }
    assert_eq!(asked.load(SeqCst), 2, "one look, one connection, kept");
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn an_origin_beyond_the_list_is_not_even_looked_up() {
    let (zone, asked) = rebinding("127.0.0.1", "127.0.0.1");
    let resolver = dns::serve(zone).await;
    let api = Api::resolving("https://api.test", "origins = ['https://*.files.test']", Some(resolver));
    for url in ["https://files.test/", "https://a.b.files.test/", "http://a.files.test/", "https://a.files.test:444/"] {
        assert!(is_denied_by(&api.fetch(url).await, "origin_not_listed"), "{url}");
    }
    assert_eq!(asked.load(SeqCst), 0);
}

#[tokio::test]
async fn an_answer_too_long_for_a_datagram_is_asked_for_over_tcp_and_judged_there() {
    let upstream = Upstream::start(|_| ok("here")).await;
    let port = upstream.address.port();
    let trap = Upstream::on(&format!("127.0.0.2:{port}"), |_| ok("trapped")).await;
    // 40 addresses take 640 bytes of records and more: no datagram of the old size has room for them.
    let zone = |name: &str| match name {
        "many.test" => addresses(name, &["127.0.0.1"; 40]),
        "mixed.test" => addresses(name, &[&["127.0.0.1"; 39][..], &["127.0.0.2"]].concat()),
        _ => dns::Found::NoSuchName,
    };
    let (resolver, asked) = dns::serve_truncated(zone, dns::framed).await;
    let extra = "allow_plaintext = true\nallow_private = ['127.0.0.1/32']\nretries_max = 0";
    let at = |host: &str| Api::resolving(&format!("http://{host}:{port}"), extra, Some(resolver));
    assert_eq!(at("many.test").get("/").await.map(|reply| text(&reply)), Ok("here".to_owned()));
    assert_eq!(asked.load(SeqCst), 2, "both kinds of addresses are asked for");
    let mixed = at("mixed.test").get("/").await;
    assert!(
        matches!(&mixed, Err(airlock_model::HostError::Denied { rule, .. }) if rule.contains("loopback")),
        "the last of forty is judged as well: {mixed:?}"
    );
    let nobody = at("nobody.test").explain("GET", &format!("http://nobody.test:{port}/")).await;
    assert_eq!((nobody.rule, upstream.connections(), trap.connections()), ("name_unresolved", 1, 0));
}

#[tokio::test]
async fn a_server_that_is_no_dns_server_over_tcp_resolves_nothing() {
    let upstream = Upstream::start(|_| ok("here")).await;
    let base = format!("http://many.test:{}", upstream.address.port());
    let extra = "allow_plaintext = true\nallow_private = ['127.0.0.1/32']\nretries_max = 0";
    let broken: [(&str, dns::OverTcp); 5] = [
        ("ends before the length", |_| vec![0]),
        ("ends midway", |answer| dns::framed(answer)[..20].to_vec()),
        ("is for another question", |answer| dns::framed(&[&[answer[0] ^ 1], &answer[1..]].concat())),
        ("is truncated again", |answer| dns::framed(&[&answer[..2], &[answer[2] | 2], &answer[3..]].concat())),
        ("is empty", |_| vec![0, 0]),
    ];
    for (what, over_tcp) in broken {
        let (resolver, asked) = dns::serve_truncated(|name| addresses(name, &["127.0.0.1"]), over_tcp).await;
        let reply = Api::resolving(&base, extra, Some(resolver)).get("/").await;
        assert!(matches!(reply, Err(airlock_model::HostError::Unavailable(_))), "an answer that {what}: {reply:?}");
        assert!(asked.load(SeqCst) > 0, "{what}");
    }
    assert_eq!(upstream.connections(), 0);
}
