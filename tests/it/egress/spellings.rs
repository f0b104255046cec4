//! Every spelling of a URL and of an address that is known to lead somewhere else than it seems.
//!
//! `spellings.jsonl` has a rule and a URL in each line, `{port}` being that of a trap on every address of loopback. The binding lists
//! the origin of each URL that is one: nothing but the reading of URLs and the judging of addresses is in the way.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use airlock_model::WebUrl;
use airlock_resources::EgressDecision;
use tokio::net::TcpListener;

use super::{
    client::{Api, text},
    dns::{self, Found, addresses, aliases},
    upstream::{Upstream, ok},
};

/// Listens on one port of every loopback address, IPv6 included where there is any.
async fn trap() -> (u16, Arc<AtomicUsize>) {
    let first = TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let port = first.local_addr().expect("an address").port();
    let caught = Arc::<AtomicUsize>::default();
    let second = TcpListener::bind(format!("[::1]:{port}")).await.ok();
    for listener in [Some(first), second].into_iter().flatten() {
        let caught = Arc::clone(&caught);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                caught.fetch_add(1, SeqCst);
            }
        });
    }
    (port, caught)
}

fn zone(name: &str) -> Found {
    let Some(host) = name.strip_suffix(".trap.test") else { return Found::NoSuchName };
    match host {
        "loop" | "xn--loop" => addresses(name, &["127.0.0.1"]),
        "loop6" => addresses(name, &["::1"]),
        "mapped" => addresses(name, &["::ffff:127.0.0.1"]),
        "compat" => addresses(name, &["::127.0.0.1"]),
        "private" => addresses(name, &["10.0.0.1"]),
        "metadata" => addresses(name, &["169.254.169.254"]),
        "metadata6" => addresses(name, &["fd00:ec2::254"]),
        "linklocal" => addresses(name, &["fe80::1"]),
        "cgnat" => addresses(name, &["100.64.0.1"]),
        "multicast" => addresses(name, &["224.0.0.1"]),
        "broadcast" => addresses(name, &["255.255.255.255"]),
        "zero" => addresses(name, &["0.0.0.0"]),
        "ula" => addresses(name, &["fd00::1"]),
        "nat64" => addresses(name, &["64:ff9b::7f00:1"]),
        "sixtofour" => addresses(name, &["2002:7f00:1::"]),
        "teredo" => addresses(name, &["2001:0:4136:e378:8000:63bf:80ff:fffe"]),
        "doc" => addresses(name, &["192.0.2.1"]),
        "bench" => addresses(name, &["198.18.0.1"]),
        "reserved" => addresses(name, &["240.0.0.1"]),
        // One good address does not make up for a bad one.
        "mixed" => addresses(name, &["93.184.216.34", "127.0.0.1"]),
        "mixed6" => addresses(name, &["93.184.216.34", "::1"]),
        "cname-loop" => aliases(&[name, "loop.trap.test"], &["127.0.0.1"]),
        "cname-chain" => aliases(&[name, "a.test", "b.test", "c.test"], &["127.0.0.1"]),
        "cname-missing" => aliases(&[name, "missing.trap.test"], &[]),
        "cname-endless" => aliases(&[name, "a.trap.test", name], &[]),
        "empty" => addresses(name, &[]),
        "servfail" => Found::Failure,
        _ => Found::NoSuchName,
    }
}

#[tokio::test]
async fn no_spelling_reaches_a_trap_and_each_is_refused_by_its_rule() {
    let ((port, caught), resolver) = (trap().await, dns::serve(zone).await);
    let lines: Vec<(String, String)> = include_str!("spellings.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a rule and a URL"))
        .collect();
    assert!(lines.len() >= 400, "{} spellings", lines.len());
    let mut wrong = Vec::new();
    for (rule, spelled) in lines {
        let url = spelled.replace("{port}", &port.to_string());
        let origin = url.parse::<WebUrl>().map(|url| format!("'{}'", url.origin)).unwrap_or_default();
        let extra = format!("allow_plaintext = true\norigins = [{origin}]");
        let api = Api::resolving("https://api.example.test", &extra, Some(resolver));
        let verdict = api.explain("GET", &url).await;
        let fetched = api.fetch(&url).await;
        if verdict.rule != rule || verdict.decision != EgressDecision::Deny || fetched.is_ok() {
            wrong.push(format!("{spelled:?}: {} instead of {rule}, {fetched:?}", verdict.rule));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(caught.load(SeqCst), 0, "a connection was made");
}

/// What is accepted is read in the same way by the parser that browsers have.
#[test]
fn what_is_accepted_is_what_the_url_standard_reads() {
    for text in [
        "https://api.example.test/a/b%20c?x=1&y=%C3%A9#z",
        "HTTP://API.Example.Test:8080/",
        "http://127.0.0.1:81/~a/!$&'()*+,=:@",
        "http://[2606:4700::1111]/",
        "http://[64:ff9b::7f00:1]:8080/x",
        "https://xn--bcher-kva.example/?q",
        "https://a_b.example.test",
    ] {
        let (ours, theirs) = (text.parse::<WebUrl>().expect(text), url::Url::parse(text).expect(text));
        assert_eq!(ours.origin.host(), theirs.host_str().expect("a host"), "{text}");
        assert_eq!(Some(ours.origin.port()), theirs.port_or_known_default(), "{text}");
        assert_eq!(ours.path.as_str(), theirs.path(), "{text}");
        let pairs: Vec<(String, String)> = theirs.query_pairs().into_owned().collect();
        assert_eq!(ours.query, pairs, "{text}");
    }
}

/// The deny twin of everything above: the same trap of names, with the one address listed.
#[tokio::test]
async fn a_listed_address_behind_a_listed_name_is_reached() {
    let resolver = dns::serve(zone).await;
    let upstream = Upstream::start(|_| ok("hello")).await;
    let url = format!("http://loop.trap.test:{}", upstream.address.port());
    let extra = format!("allow_plaintext = true\nallow_private = ['127.0.0.1/32']\norigins = ['{url}']");
    let api = Api::resolving("https://api.example.test", &extra, Some(resolver));
    assert_eq!(api.fetch(&format!("{url}/x?a=b")).await.map(|reply| text(&reply)), Ok("hello".to_owned()));
    let verdict = api.explain("GET", &format!("{url}/x")).await;
    assert_eq!((verdict.decision, verdict.rule), (EgressDecision::Allow, "allowed"), "{verdict:?}");
    assert_eq!(verdict.address, Some(upstream.address.to_string()));
    assert!(upstream.seen()[0].starts_with("GET /x?a=b HTTP/1.1\r\n"), "{:?}", upstream.seen());
}
