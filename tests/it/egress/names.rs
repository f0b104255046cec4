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
