//! Redirects: each hop is a request that the function could have made itself, and the credential stays at home.

use airlock_model::HttpMethod;
use airlock_resources::HttpRequest;

use super::{
    client::{Api, LISTED, SECRET, is_denied_by, text},
    upstream::{Upstream, ok, redirect},
};

const BEARER: &str = "credential = { kind = 'bearer', value = { env = 'KEY' } }\n";

fn path_of(request: &str) -> &str {
    request.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn hops_on_the_same_origin_are_followed_with_the_credential_and_as_far_as_the_binding_says() {
    let upstream = Upstream::start(|request| match path_of(request) {
        "/a" => redirect(302, "/b?x=1"),
        "/b?x=1" => redirect(307, "/c"),
        "/loop" => redirect(302, "/loop"),
        _ => ok("arrived"),
    })
    .await;
    let api = Api::at(upstream.address, &format!("redirects_max = 2\n{BEARER}"));
    assert_eq!(api.get("/a").await.map(|reply| text(&reply)), Ok("arrived".to_owned()));
    let seen = upstream.seen();
    assert_eq!(seen.iter().map(|request| path_of(request)).collect::<Vec<_>>(), ["/a", "/b?x=1", "/c"]);
    assert!(seen.iter().all(|request| request.contains(&format!("authorization: Bearer {SECRET}\r\n"))));
    assert!(is_denied_by(&api.get("/loop").await, "redirects_max"));
    assert_eq!(upstream.seen().len(), 3 + 3);
    let none = Api::at(upstream.address, "");
    assert_eq!(none.get("/a").await.map(|reply| reply.status), Ok(302), "given back where none is followed");
}

#[tokio::test]
async fn another_origin_gets_neither_credential_nor_headers_that_were_not_meant_for_it() {
    let other = Upstream::start(|_| ok("elsewhere")).await;
    let target = format!("http://{}/files/1", other.address);
    let upstream = Upstream::start(move |_| redirect(303, &target)).await;
    let api =
        Api::at(upstream.address, &format!("redirects_max = 1\n{BEARER}origins = ['http://{}']\n", other.address));
    let mut request = api.request(HttpMethod::Post, "/a");
    request.body = Some(b"{\"a\":1}".to_vec());
    request.headers = [("x-key", "mine"), ("content-type", "application/json"), ("accept", "text/plain")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    let performed = api.perform(request).await;
    let traffic = performed.traffic.expect("traffic");
    assert!(performed.reply.is_ok(), "{:?}", performed.reply);
    assert_eq!(traffic.hosts, [upstream.address.to_string(), format!("http://{}", other.address)]);
    let seen = other.seen().concat().to_ascii_lowercase();
    assert!(seen.starts_with("get /files/1 http/1.1\r\n") && seen.contains("accept: text/plain"), "{seen}");
    for part in ["authorization", "x-key", "content-type", &SECRET.to_ascii_lowercase(), "{\"a\":1}"] {
        assert!(!seen.contains(part), "{part}: {seen}");
    }
}

#[tokio::test]
async fn a_hop_that_the_function_could_not_have_made_itself_is_refused_before_it_is_made() {
    let trap = Upstream::start(|_| ok("trapped")).await;
    let target = trap.address;
    let api = |location: String, extra: &'static str| async move {
        let upstream = Upstream::start(move |_| redirect(302, &location)).await;
        Api::at(upstream.address, &format!("redirects_max = 3\n{extra}{BEARER}"))
    };
    for (location, rule) in [
        (format!("http://{target}/"), "origin_not_listed"),
        (format!("//{target}/"), "redirect_unreadable"),
        ("relative/path".to_owned(), "redirect_unreadable"),
        ("/a/../admin".to_owned(), "redirect_unreadable"),
        ("/%2e%2e/admin".to_owned(), "redirect_unreadable"),
        (format!("http://user@{target}/"), "redirect_unreadable"),
        (format!("http:\\\\{target}\\"), "redirect_unreadable"),
        ("file:///etc/passwd".to_owned(), "redirect_unreadable"),
        ("http://169.254.169.254/latest".to_owned(), "origin_not_listed"),
    ] {
        let reply = api(location.clone(), "").await.get("/a").await;
        assert!(is_denied_by(&reply, rule), "{location}: {reply:?}");
    }
    let narrow = api("/admin".to_owned(), "operations = ['GET:/a']\n").await;
    assert!(is_denied_by(&narrow.get("/a").await, "redirect_not_granted"));
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_listed_name_with_a_forbidden_address_is_refused_at_its_hop() {
    let trap = Upstream::start(|_| ok("trapped")).await;
    let target = format!("http://127.0.0.2:{}", trap.address.port());
    let location = format!("{target}/x");
    let upstream = Upstream::start(move |_| redirect(302, &location)).await;
    let api = Api::at(upstream.address, &format!("redirects_max = 1\nallow_plaintext = true\norigins = ['{target}']"));
    let reply = api.get("/").await;
    assert!(is_denied_by(&reply, "loopback"), "{reply:?}");
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_credential_away() {
    let trap = Upstream::start(|_| ok("trapped")).await;
    let target = trap.address;
    let upstream = Upstream::start(move |request| {
        let secret = path_of(request).split_once("key=").map(|(_, value)| value.to_owned()).unwrap_or_default();
        redirect(302, &format!("http://{target}/?stolen={secret}"))
    })
    .await;
    let credential = "credential = { kind = 'query', name = 'key', value = { env = 'KEY' } }\n";
    let extra = format!("{LISTED}redirects_max = 1\n{credential}origins = ['http://{target}']");
    let api = Api::new(&format!("http://{}", upstream.address), &extra);
    assert!(is_denied_by(&api.get("/").await, "redirect_with_credential"));
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn without_grants_to_judge_hops_by_none_is_made() {
    let upstream = Upstream::start(|_| redirect(302, "/b")).await;
    let api = Api::at(upstream.address, "redirects_max = 3");
    let request = HttpRequest { hops: None, ..api.request(HttpMethod::Get, "/a") };
    assert_eq!(api.send(request).await.map(|reply| reply.status), Ok(302));
    assert_eq!(upstream.seen().len(), 1);
}
