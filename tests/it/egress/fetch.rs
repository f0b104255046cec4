//! `fetch` in a TypeScript function that has several APIs: through which it goes, and what it says where none covers a URL.

use airlock_tests::{CRM_SECRET, Harness, Options, output, tokens::TokenSpec};
use serde_json::{Value, json};

use super::upstream::{Upstream, ok};

/// Three APIs. `alpha` has a credential, below `/v1`; `gamma` may go to the whole of alpha's origin as well, and `alpha` to that of
/// gamma.
struct Apis {
    harness: Harness,
    alpha: Upstream,
    beta: Upstream,
    gamma: Upstream,
}

fn binding(name: &str, base_url: &str, more: &str) -> String {
    format!(
        "[resources.{name}]\nkind = \"http\"\n[resources.{name}.dev]\nengine = \"http\"\nbase_url = \"{base_url}\"\n\
         allow_private = [\"127.0.0.1/32\"]\noperations = [\"GET\"]\n{more}\n"
    )
}

async fn start() -> Apis {
    let (alpha, beta, gamma) = (
        Upstream::start(|_| ok("alpha")).await,
        Upstream::start(|_| ok("beta")).await,
        Upstream::start(|_| ok("gamma")).await,
    );
    let url = |upstream: &Upstream| format!("http://{}", upstream.address);
    let credential = "credential = { kind = \"bearer\", value = { file = \"crm-token\" } }";
    let more_config = [
        binding("alpha", &format!("{}/v1", url(&alpha)), &format!("origins = [\"{}\"]\n{credential}", url(&gamma))),
        binding("beta", &url(&beta), ""),
        binding("gamma", &url(&gamma), &format!("origins = [\"{}\"]", url(&alpha))),
    ]
    .concat();
    let harness = Harness::start_with(Options { more_config }).await;
    harness.deploy_built("fetch-script").await;
    Apis { harness, alpha, beta, gamma }
}

impl Apis {
    async fn fetch(&self, url: &str, scopes: &[&str]) -> Value {
        let spec = TokenSpec::only("fetch-script", scopes);
        let input = json!({ "url": url }).to_string();
        output(&self.harness.invoke_as(&spec, "fetch-script", &input).await.expect("answers"))
    }
}

const ALL: [&str; 3] = ["alpha:GET", "beta:GET", "gamma:GET"];

#[tokio::test]
async fn a_url_goes_through_the_first_resource_by_name_that_covers_it() {
    let apis = start().await;
    let found = |name: &str| json!({ "status": 200, "body": name });
    let (alpha, beta, gamma) = (apis.alpha.address, apis.beta.address, apis.gamma.address);
    assert_eq!(apis.fetch(&format!("http://{beta}/x"), &ALL).await, found("beta"));
    assert_eq!(apis.fetch(&format!("http://{alpha}/v1/x"), &ALL).await, found("alpha"));
    assert!(apis.alpha.seen()[0].contains(&format!("authorization: Bearer {CRM_SECRET}\r\n")), "its own credential");
    // Not below the path of `alpha`: `gamma` covers it, which has no credential.
    assert_eq!(apis.fetch(&format!("http://{alpha}/other"), &ALL).await, found("alpha"));
    assert!(apis.alpha.seen()[1].starts_with("GET /other ") && !apis.alpha.seen()[1].contains("authorization"));
    // `alpha` covers it and comes first: what a base URL covers has no precedence, and no credential goes there.
    assert_eq!(apis.fetch(&format!("http://{gamma}/x"), &ALL).await, found("gamma"));
    assert!(!apis.gamma.seen()[0].contains("authorization"));
    let trail = apis.harness.trail().await;
    let through: Vec<_> = trail.iter().filter(|record| record.event.status == Some(200)).collect();
    let through: Vec<_> = through.iter().filter_map(|record| record.event.resource.as_deref()).collect();
    assert_eq!(through.len(), 4);
    assert!(["beta", "alpha", "gamma"].iter().all(|name| through.contains(name)), "{through:?}");
}

#[tokio::test]
async fn a_url_that_none_covers_is_a_denial_that_names_the_rule_and_what_to_do() {
    let apis = start().await;
    let trap = Upstream::start(|_| ok("trapped")).await;
    let port = trap.address.port();
    for (url, rule) in [
        (format!("http://127.0.0.1:{port}/x"), "origin_not_listed"),
        (format!("https://{}/x", apis.beta.address), "origin_not_listed"),
        (format!("http://127.0.0.2:{}/x", apis.beta.address.port()), "origin_not_listed"),
        ("https://elsewhere.test/".to_owned(), "origin_not_listed"),
        (format!("http://{}/a/../b", apis.beta.address), "path_ambiguous"),
        (format!("http://me@{}/x", apis.beta.address), "url_user_info"),
        ("ftp://elsewhere.test/".to_owned(), "url_scheme"),
    ] {
        let refused = apis.fetch(&url, &ALL).await;
        assert_eq!(
            (&refused["kind"], &refused["reason"]),
            (&json!("denied"), &json!("egress_denied")),
            "{url}: {refused}"
        );
        assert!(refused["rule"].as_str().is_some_and(|text| text.contains(&format!("`{rule}`"))), "{url}: {refused}");
        assert!(refused["hint"].as_str().is_some_and(|text| !text.is_empty()), "{url}: {refused}");
    }
    let connections = [&apis.alpha, &apis.beta, &apis.gamma, &trap].map(Upstream::connections);
    assert_eq!(connections, [0; 4]);
}
